// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// ErrRefused is returned by Offline when a message may not be kept for a
// recipient who is not online, or when no room was left: what its sender is told
// is the host's to say (RFC 6121 §8.5.2.2.1).
var ErrRefused = errors.New("untilack: message refused")

// Offline keeps a message for a recipient none of whose streams may have it. The
// message need not ask for a receipt. It runs the chain of actions at once, but
// for the last one, which is there to end what cannot be kept: that is for the
// caller to know. So after a nil error the message is as safe as the action that
// took it makes it.
//
// If a stream has opened in the meantime the message goes there.
func (k *Keeper) Offline(ctx context.Context, stanza []byte) error {
	p, online, idle, err := k.away(time.Now(), stanza)
	for errors.Is(err, ErrLater) {
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
		p, online, idle, err = k.away(time.Now(), stanza)
	}
	if err != nil || online {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, k.config.ActionTimeout)
	defer cancel()
	outcome, err := k.keepers.Act(ctx, p)
	return k.Taken(time.Now(), p, outcome, err)
}

// ErrLater is returned by Away while actions decide about older messages of the
// recipient.
var ErrLater = errors.New("untilack: older messages come first")

// Away is the event that a message came for a recipient who is not online. The
// packet it returns is for the chain of actions; then comes Taken. It reports
// online, with nothing more to do, if a stream has opened and the message is one
// that can not be mail. After ErrLater it is to be called again when the next
// effect is finished.
func (k *Keeper) Away(now time.Time, stanza []byte) (p cache.Packet, online bool, err error) {
	p, online, _, err = k.away(now, stanza)
	return p, online, err
}

// away does that. With ErrLater it returns what to wait for.
func (k *Keeper) away(now time.Time, stanza []byte) (p cache.Packet, online bool, idle <-chan struct{}, err error) {
	to, err := recipientOf(stanza)
	if err != nil {
		return p, false, nil, err
	}
	d := k.draft(to.bare, stanza)
	if !d.possible {
		k.counts[Refused].Add(1)
		return p, false, nil, fmt.Errorf("%w: %s", ErrRefused, d.admit.Why)
	}
	a := k.enter(to.bare)
	defer k.leave(a)
	if a.acts > 0 {
		if a.idle == nil {
			a.idle = make(chan struct{})
		}
		return p, false, a.idle, ErrLater
	}
	p = a.stamp(now, d)
	if !k.hasPlace(a, p) || actions.MayStore(p, k.lasting) {
		return p, false, nil, nil // a stream that has opened reads it from the store
	}
	ref, err := k.cache.Put(now, p, 0)
	switch {
	case errors.Is(err, cache.ErrDuplicate):
	case err != nil:
		return p, false, nil, nil
	default:
		k.notePacket(a, now, Admitted, nil, p.Key)
		a.push(item{ref: ref, received: p.Received})
		k.place(a, now)
	}
	return p, true, nil, nil
}

// Taken is the event that the chain of actions has decided about a packet from
// Away. Its error, which wraps ErrRefused if the message was not kept, is for the
// host.
func (k *Keeper) Taken(now time.Time, p cache.Packet, outcome actions.Outcome, err error) error {
	a := k.enter(p.Key.To)
	defer k.leave(a)
	switch {
	case err != nil:
		k.note(a, Event{Time: now, Reason: ActionFailed, Sender: p.Key.From, ID: p.Key.ID, Err: err})
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case outcome.IsStored():
		k.notePacket(a, now, Kept, nil, p.Key)
		a.reread()
		k.place(a, now)
		return nil
	case outcome.IsDone():
		k.notePacket(a, now, Acted, nil, p.Key)
		return nil
	}
	k.notePacket(a, now, Refused, nil, p.Key)
	return fmt.Errorf("%w: no action took it", ErrRefused)
}
