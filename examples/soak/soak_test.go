// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// brief is a run of some seconds, of which a few are for what is late.
func brief() Config {
	c := DefaultConfig()
	c.For = 4 * time.Second
	c.Clients = 20
	c.Senders = 3
	c.Rate = 100
	c.Every = 1500 * time.Millisecond
	c.Late = time.Second
	c.AckWait = 700 * time.Millisecond
	c.ProbeWait = 700 * time.Millisecond
	return c
}

// TestSoak is the short form. What it checks depends on no time: however slow the
// machine is, nothing may be lost, forged, disordered or left.
func TestSoak(t *testing.T) {
	for _, persistAfter := range []time.Duration{0, 300 * time.Millisecond, -1} {
		t.Run(persistAfter.String(), func(t *testing.T) {
			c := brief()
			c.PersistAfter = persistAfter
			r, err := Run(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", *r)
			if failures := r.Failures(); failures != nil {
				t.Error(failures)
				for _, trouble := range r.Trouble {
					t.Log(trouble)
				}
			}
			if !r.Struck() {
				t.Error("the faults never struck")
			}
		})
	}
}

// TestInterrupt ends a run long before its time. Even so everything arrives.
func TestInterrupt(t *testing.T) {
	c := brief()
	c.For = time.Hour
	c.Clients = 4
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.Interval = 10 * time.Millisecond
	c.Progress = func(p Progress) {
		if p.Counts.Delivered > 10 {
			cancel()
		}
	}
	r, err := Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if failures := r.Failures(); failures != nil || r.Counts.Sent == 0 {
		t.Errorf("%v: %+v", failures, *r)
	}
}

// TestBrokenKeeper checks that a run that cannot be set up says so.
func TestBrokenKeeper(t *testing.T) {
	c := brief()
	c.PersistAfter = time.Hour
	if _, err := Run(t.Context(), c); err == nil {
		t.Error("no error")
	}
	c.Clients = 0
	if _, err := Run(t.Context(), c); err == nil {
		t.Error("no error")
	}
}

// TestHabits checks that a few clients are enough for every kind.
func TestHabits(t *testing.T) {
	kinds := make(map[string]int)
	for i := range 40 {
		kinds[string(habitOf(i))]++
		kinds[fmt.Sprint(transportOf(i), keepsResource(i))]++
	}
	if len(kinds) != 8 {
		t.Errorf("got %v", kinds)
	}
}
