// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/untilack/untilack/cache"
)

// DefaultBackoff returns the waits of a Redeliver that was given none: 30, 60
// and 120 seconds.
func DefaultBackoff() []time.Duration {
	return []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute}
}

// defaultJitter is by how much of it a wait is shortened at most.
const defaultJitter = 0.1

// Redeliver sends a packet once more on the stream that has it already, after
// growing waits, and passes it on when they are used up.
//
// It is opted into: on an ordered stream the first copy was not lost, and
// XEP-0184 §4 advises against resending unless the peer is known to answer.
// A packet that its client has read past is passed on, and an encrypted one is
// sent once more at most.
type Redeliver struct {
	// Send writes the packet to its stream, with its delay stamp. An error is
	// temporary; if there is no stream to write to, it is to be wrapped by
	// Permanent, so that the chain goes on. Required.
	Send func(ctx context.Context, p cache.Packet) error

	// Backoff is how long to wait after each attempt: the first entry after the
	// first. There are as many attempts as entries, those beyond HardCap are cut.
	// Defaults to DefaultBackoff if nil; an empty one makes no attempt.
	Backoff []time.Duration

	// Jitter is the fraction by which a wait is shortened at most, so that many
	// packets do not fall due at once. Defaults to 0.1; below zero: none.
	Jitter float64

	// Rand returns numbers in [0, 1) for the jitter. It must be safe for
	// concurrent use. Defaults to math/rand/v2's Float64.
	Rand func() float64
}

// Act sends p once more and asks for the next wait, or passes.
func (r Redeliver) Act(ctx context.Context, p cache.Packet) (Outcome, error) {
	if r.Send == nil {
		return Pass, fmt.Errorf("Redeliver.Send: %w", errUnset)
	}
	backoff := r.Backoff
	if backoff == nil {
		backoff = DefaultBackoff()
	}
	if p.Attempt < 0 || p.Attempt >= len(backoff) || !MayRepeat(p) {
		return Pass, nil
	}
	if err := r.Send(ctx, p); err != nil {
		return Pass, fmt.Errorf("actions: redeliver: %w", err)
	}
	return Again(r.shorten(backoff[p.Attempt])), nil
}

// shorten takes up to Jitter of wait away.
func (r Redeliver) shorten(wait time.Duration) time.Duration {
	jitter := r.Jitter
	if jitter == 0 {
		jitter = defaultJitter
	}
	if jitter < 0 {
		return wait
	}
	random := r.Rand
	if random == nil {
		random = rand.Float64
	}
	return wait - time.Duration(float64(wait)*min(jitter, 1)*random())
}
