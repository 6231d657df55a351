// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
	"github.com/untilack/untilack/cache"
)

var errDisk = errors.New("disk on fire")

func packet(id string) cache.Packet {
	return actionstest.NewPacket("juliet@capulet.lit/balcony", "romeo@montague.lit/orchard", id)
}

func TestScriptTakesItsSteps(t *testing.T) {
	s := &actionstest.Script{Steps: []actionstest.Step{
		{Err: errDisk},
		{Outcome: actions.Again(time.Second)},
		{Outcome: actions.Done},
	}}
	want := []struct {
		outcome actions.Outcome
		err     error
	}{{actions.Pass, errDisk}, {actions.Again(time.Second), nil}, {actions.Done, nil}, {actions.Done, nil}}
	for i, w := range want {
		o, err := s.Act(t.Context(), packet("m"))
		if o != w.outcome || err != w.err {
			t.Errorf("call %d: got %v, %v, want %v, %v", i+1, o, err, w.outcome, w.err)
		}
	}
	if calls := s.Calls(); len(calls) != 4 || calls[3].Key.ID != "m" {
		t.Errorf("Calls: got %d", len(calls))
	}
}

func TestScriptHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := &actionstest.Script{Steps: []actionstest.Step{
			{Hang: true},
			{Wait: release},
			{Wait: release, Deaf: true, Outcome: actions.Done},
			{Wait: release, Outcome: actions.Done},
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for call := 1; call <= 2; call++ {
			if _, err := s.Act(ctx, packet("m")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("call %d: got error %v, want the context's", call, err)
			}
		}
		time.AfterFunc(time.Hour, func() { close(release) })
		began := time.Now()
		if o, err := s.Act(ctx, packet("m")); o != actions.Done || err != nil || time.Since(began) != time.Hour {
			t.Errorf("deaf call: got %v, %v after %v, want done after an hour", o, err, time.Since(began))
		}
		if o, err := s.Act(t.Context(), packet("m")); o != actions.Done || err != nil {
			t.Errorf("released call: got %v, %v, want done", o, err)
		}
	})
}

func TestFaultyStoreFailsAtTheNthCall(t *testing.T) {
	ctx := t.Context()
	s := actionstest.NewFaultyStore(new(actions.MemStore), actionstest.Fault{Op: actionstest.Put, Nth: 2, Err: errDisk})
	for n, want := range []error{nil, errDisk, nil} {
		row := actions.NewRow(packet(string(rune('a'+n))), false)
		if err := errors.Join(s.Put(ctx, row)...); !errors.Is(err, want) {
			t.Errorf("Put %d: got error %v, want %v", n+1, err, want)
		}
	}
	rows, err := s.List(ctx, "juliet@capulet.lit", 0, 0)
	if len(rows) != 2 || err != nil {
		t.Errorf("List: got %d rows, %v, want 2", len(rows), err)
	}
	if s.Calls(actionstest.Put) != 3 || s.Calls("") != 4 {
		t.Errorf("Calls: got %d and %d, want 3 and 4", s.Calls(actionstest.Put), s.Calls(""))
	}
}

func TestFaultyStoreLiesAboutACommit(t *testing.T) {
	ctx := t.Context()
	s := actionstest.NewFaultyStore(new(actions.MemStore), actionstest.Fault{Err: errDisk, Lie: true})
	p := packet("m")
	if errs := s.Put(ctx, actions.NewRow(p, false), actions.NewRow(packet("n"), false)); len(errs) != 2 || errs[1] != errDisk {
		t.Errorf("Put: got %v, want the error for each row", errs)
	}
	if err := s.Delete(ctx, p.Identity()); err != errDisk {
		t.Errorf("Delete: got %v", err)
	}
	if _, err := s.List(ctx, p.Key.To, 0, 0); err != errDisk {
		t.Errorf("List: got %v", err)
	}
	if _, err := s.Stands(ctx, p.Identity()); err != errDisk {
		t.Errorf("Stands: got %v", err)
	}
	if _, mark, err := s.News(ctx, nil, "0", 0); err != errDisk || mark != "0" {
		t.Errorf("News: got %q, %v", mark, err)
	}
	s.Set()
	if rows, err := s.List(ctx, p.Key.To, 0, 0); len(rows) != 1 || err != nil {
		t.Errorf("List: got %d rows, %v, want what was put and not deleted", len(rows), err)
	}
}

func TestFaultyStorePassesErrorsOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := actionstest.NewFaultyStore(new(actions.MemStore))
	if _, err := s.List(ctx, "a@b", 0, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("List: got error %v", err)
	}
	if actions.Lasting(s) {
		t.Error("Lasting: got true around a MemStore")
	}
}

func TestFaultyStoreWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		inner := new(actions.MemStore)
		s := actionstest.NewFaultyStore(inner, actionstest.Fault{Op: actionstest.Put, Wait: release})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		row := actions.NewRow(packet("m"), false)
		if err := errors.Join(s.Put(ctx, row)...); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put: got error %v, want the context's", err)
		}
		if inner.Total().Messages != 0 {
			t.Error("a Put that was given up went through")
		}
		// A deaf one goes through after its caller has gone.
		s.Set(actionstest.Fault{Op: actionstest.Put, Wait: release, Deaf: true})
		go s.Put(ctx, row)
		synctest.Wait()
		close(release)
		synctest.Wait()
		if inner.Total().Messages != 1 {
			t.Error("a deaf Put did not go through")
		}
	})
}
