// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions

import (
	"context"
	"errors"

	"github.com/untilack/untilack/cache"
)

// Chain returns an Action that asks each of as in turn: the first that does not
// Pass decides. If all pass, so does the chain. A nil Action is left out.
//
// A temporary error stops the chain: the packet is kept, and the chain runs
// again from its start. A permanent one sends it on to the next action; if
// nobody takes the packet after that, the chain returns it, still permanent.
// An ended context counts as a temporary error.
func Chain(as ...Action) Action {
	links := make(chain, 0, len(as))
	for _, a := range as {
		if a != nil {
			links = append(links, a)
		}
	}
	return links
}

type chain []Action

func (c chain) Act(ctx context.Context, p cache.Packet) (Outcome, error) {
	var refused []error
	for _, a := range c {
		if err := ctx.Err(); err != nil {
			return Pass, err
		}
		o, err := a.Act(ctx, p)
		switch {
		case err == nil && !o.IsPass():
			return o, nil
		case IsPermanent(err):
			refused = append(refused, err)
		case err != nil:
			return Pass, err
		}
	}
	return Pass, errors.Join(refused...)
}

// When returns an Action that asks a about the packets that match, and passes
// the others. A nil match matches every packet. Match must be safe for
// concurrent use.
func When(match func(cache.Packet) bool, a Action) Action {
	return Func(func(ctx context.Context, p cache.Packet) (Outcome, error) {
		if match != nil && !match(p) {
			return Pass, nil
		}
		return a.Act(ctx, p)
	})
}

// Watch returns an Action that does what a does and tells seen about it, for
// counters and logs: a chain hides the passes and the permanent errors of its
// links. Seen must be safe for concurrent use.
func Watch(a Action, seen func(p cache.Packet, o Outcome, err error)) Action {
	return Func(func(ctx context.Context, p cache.Packet) (Outcome, error) {
		o, err := a.Act(ctx, p)
		seen(p, o, err)
		return o, err
	})
}
