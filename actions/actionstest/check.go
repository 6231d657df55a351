// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

const (
	// caseTime is how long one case may take.
	caseTime = time.Minute
	// graceTime is how long after its context's end a call may go on.
	graceTime = 5 * time.Second
	// patience is how long News may go on without anything new.
	patience = 2 * time.Second
	// pause is how long to wait for a mark that does not move at once.
	pause = 10 * time.Millisecond
	// workers is how many goroutines the concurrent cases use.
	workers = 16
)

// A check gathers the faults that one case finds. It is safe for concurrent use.
type check struct {
	ctx   context.Context
	stuck bool // News never ends, and need not be waited for once more

	mu     sync.Mutex
	faults []error
}

// faultf notes a fault.
func (c *check) faultf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Errorf(format, args...))
}

// none notes err as a fault, and reports whether there was none.
func (c *check) none(what string, err error) bool {
	if err != nil {
		c.faultf("%s: unexpected error: %w", what, err)
	}
	return err == nil
}

// together runs f in many goroutines at once, and waits for them.
func (c *check) together(f func(worker int)) {
	var group sync.WaitGroup
	start := make(chan struct{})
	for worker := range workers {
		group.Go(func() {
			defer c.recover()
			<-start
			f(worker)
		})
	}
	close(start)
	group.Wait()
}

// recover makes a fault of a panic.
func (c *check) recover() {
	if r := recover(); r != nil {
		c.faultf("panic: %v", r)
	}
}

// A testCase is one rule and what finds out whether a T keeps it.
type testCase[T any] struct {
	name string
	rule string
	run  func(c *check, subject T)
}

// faults runs the case and returns what it found. A case that hangs is a fault.
func (tc testCase[T]) faults(subject T) error {
	ctx, cancel := context.WithTimeout(context.Background(), caseTime)
	defer cancel()
	c := &check{ctx: ctx}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer c.recover()
		tc.run(c, subject)
	}()
	if !returnsAfter(ctx, ended) {
		c.faultf("did not return after its context had ended")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.faults...)
}

// returnsAfter waits for ended, and for a little longer than ctx allows.
func returnsAfter(ctx context.Context, ended <-chan struct{}) bool {
	select {
	case <-ended:
		return true
	case <-ctx.Done():
	}
	select {
	case <-ended:
		return true
	case <-time.After(graceTime):
		return false
	}
}

// runAll runs each case as a subtest.
func runAll[T any](t *testing.T, cases []testCase[T], subject func(t *testing.T) T) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.faults(subject(t)); err != nil {
				t.Errorf("%v\nThe rule: %s", err, tc.rule)
			}
		})
	}
}

// checkAll runs each case and joins what they found.
func checkAll[T any](cases []testCase[T], subject func() T) error {
	var all []error
	for _, tc := range cases {
		if err := tc.faults(subject()); err != nil {
			all = append(all, fmt.Errorf("%s: %w\nThe rule: %s", tc.name, err, tc.rule))
		}
	}
	return errors.Join(all...)
}
