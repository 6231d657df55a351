// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions

import (
	"context"

	"github.com/untilack/untilack/cache"
)

// An Action decides what becomes of a packet whose receipt did not come.
//
// An error keeps the packet, and Act is called again later; the Outcome that
// comes with an error is ignored.
// Act must be safe for concurrent use, must return soon after ctx has ended,
// and must not change the packet. It may run twice for one packet: after a
// crash, after a time-out, or when a later action of the same chain failed.
type Action interface {
	Act(ctx context.Context, p cache.Packet) (Outcome, error)
}

// Func lets an ordinary function be an Action.
type Func func(ctx context.Context, p cache.Packet) (Outcome, error)

// Act calls f.
func (f Func) Act(ctx context.Context, p cache.Packet) (Outcome, error) {
	return f(ctx, p)
}

// Drop forgets the packet. Nobody is told (XEP-0079 §3.4.2 likewise).
type Drop struct{}

// Act returns Done.
func (Drop) Act(context.Context, cache.Packet) (Outcome, error) {
	return Done, nil
}
