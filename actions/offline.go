// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions

import (
	"context"
	"errors"
	"fmt"

	"github.com/untilack/untilack/cache"
)

// Offline makes offline mail of a packet, if MayStore allows it, and passes it
// on otherwise.
//
// A Store that is given here is taken to be the keeper's own: the packet's row
// becomes mail in it, and the outcome is Stored. Any other Putter, such as a
// PutFunc around the host's own storage, takes the packet over: the outcome is
// Done, and the keeper's row goes.
type Offline struct {
	// Store is where the mail goes. Required.
	Store Putter

	// Full is asked when the recipient's quota is used up, for instance a Bounce
	// with the reason Refused (XEP-0160 §2). Default: the packet is passed on.
	Full Action
}

// Act puts p, and is done once that was accepted. An error other than ErrQuota
// is returned as it is.
func (o Offline) Act(ctx context.Context, p cache.Packet) (Outcome, error) {
	if o.Store == nil {
		return Pass, fmt.Errorf("Offline.Store: %w", errUnset)
	}
	if !MayStore(p, Lasting(o.Store)) {
		return Pass, nil
	}
	err := putOne(ctx, o.Store, NewRow(p, false))
	switch {
	case err == nil:
		return o.accepted(), nil
	case !errors.Is(err, ErrQuota):
		return Pass, fmt.Errorf("actions: store offline: %w", err)
	case o.Full != nil:
		return o.Full.Act(ctx, p)
	default:
		return Pass, nil
	}
}

func (o Offline) accepted() Outcome {
	if _, ours := o.Store.(Store); ours {
		return Stored
	}
	return Done
}

// DeadLetter keeps a packet for an operator to look at.
type DeadLetter struct {
	// Store is where the packet goes. It must be another one than the keeper's,
	// from which mail is delivered and finished packets are deleted. Required.
	Store Putter
}

// Act puts p, and is done once that was accepted. A packet that may not be
// written to this store is passed on. A quota that is used up is a permanent
// error.
func (d DeadLetter) Act(ctx context.Context, p cache.Packet) (Outcome, error) {
	if d.Store == nil {
		return Pass, fmt.Errorf("DeadLetter.Store: %w", errUnset)
	}
	if !MayKeep(p, Lasting(d.Store)) {
		return Pass, nil
	}
	err := putOne(ctx, d.Store, NewRow(p, true))
	switch {
	case err == nil:
		return Done, nil
	case errors.Is(err, ErrQuota):
		return Pass, Permanent(fmt.Errorf("actions: dead letter: %w", err))
	default:
		return Pass, fmt.Errorf("actions: dead letter: %w", err)
	}
}
