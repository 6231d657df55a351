// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"context"
	"slices"
	"sync"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// A Step is what one call of a Script does.
type Step struct {
	Outcome actions.Outcome
	Err     error

	// Wait is waited for before the call returns. Default: nothing is.
	Wait <-chan struct{}

	// Hang makes the call wait until its context ends.
	Hang bool

	// Deaf makes the call not look at its context, as a bad action would; it then
	// returns when Wait is closed. It has no effect on Hang.
	Deaf bool
}

// A Script is an Action that does what it is told: the n-th call of Act takes
// the n-th step. Calls beyond the last step repeat it; without steps the
// Script passes. A call whose context ends while it waits returns the context's
// error. It is safe for concurrent use.
type Script struct {
	Steps []Step

	mu    sync.Mutex
	calls []cache.Packet
}

// Act takes the next step.
func (s *Script) Act(ctx context.Context, p cache.Packet) (actions.Outcome, error) {
	step := s.next(p)
	if step.Hang {
		<-ctx.Done()
		return actions.Pass, ctx.Err()
	}
	if err := wait(ctx, step.Wait, step.Deaf); err != nil {
		return actions.Pass, err
	}
	return step.Outcome, step.Err
}

// next notes the call and returns its step.
func (s *Script) next(p cache.Packet) Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, p)
	if len(s.Steps) == 0 {
		return Step{}
	}
	return s.Steps[min(len(s.calls), len(s.Steps))-1]
}

// Calls returns the packets of all calls so far, in order.
func (s *Script) Calls() []cache.Packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// wait waits for a channel, if there is one, or for the end of ctx.
func wait(ctx context.Context, channel <-chan struct{}, deaf bool) error {
	if channel == nil {
		return nil
	}
	if deaf {
		<-channel
		return nil
	}
	select {
	case <-channel:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
