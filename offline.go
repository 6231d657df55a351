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
// took it makes it. It takes no longer than Config.ActionTimeout, and needs Run to
// be running.
//
// If a stream has opened in the meantime the message goes there.
func (k *Keeper) Offline(ctx context.Context, stanza []byte) error {
	ctx, cancel := context.WithTimeout(ctx, k.config.ActionTimeout)
	defer cancel()
	came := time.Now()
	p, online, idle, err := k.away(came, stanza)
	for idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			k.counts[Refused].Add(1)
			return fmt.Errorf("%w: older messages come first: %w", ErrRefused, ctx.Err())
		}
		if online {
			return nil
		}
		p, online, idle, err = k.away(came, stanza)
	}
	if err != nil || online {
		return err
	}
	c := callee{kind: RunAction, recipient: p.Key.To}
	if k.stuck.has(c, k.config.Workers) {
		return k.Taken(time.Now(), p, actions.Pass, ErrOverran)
	}
	r := k.limited(ctx, c, k.config.ActionTimeout, func(ctx context.Context) (r Result) {
		r.Outcome, r.Err = k.keepers.Act(ctx, p)
		return r
	})
	return k.Taken(time.Now(), p, r.Outcome, r.Err)
}

// ErrLater is returned by Away while actions decide about older messages of the
// recipient.
var ErrLater = errors.New("untilack: older messages come first")

// Away is the event that a message came for a recipient who is not online. The
// packet it returns is for the chain of actions; then comes Taken. It reports
// online, with nothing more to do, if a stream has opened that takes it. After
// ErrLater it is to be called again, with the same time, when an effect is
// finished or a Tick is over.
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
	d := k.draft(nil, to.bare, stanza)
	d.packet = owned(d.packet)
	if !d.possible {
		k.counts[Refused].Add(1)
		return p, false, nil, fmt.Errorf("%w: %s", ErrRefused, d.admit.Why)
	}
	if k.config.Blocked(to.bare, d.packet.Key.From) {
		k.counts[Refused].Add(1)
		return p, false, nil, fmt.Errorf("%w: blocked", ErrRefused)
	}
	a := k.enter(to.bare)
	defer k.leave(a)
	sender := d.packet.Key.Sender()
	if !a.settled(sender) {
		return p, false, a.whenIdle(sender), ErrLater
	}
	p = a.stamp(now, d)
	if !k.hasPlace(a, p) {
		return p, false, nil, nil
	}
	first := k.persistsFirst(p)
	if first {
		p.Marks |= cache.Held
	}
	ref, err := k.put(now, p, k.queuedWait())
	p.Marks &^= cache.Held
	switch {
	case errors.Is(err, cache.ErrDuplicate):
	case err != nil && a.failures == 0 && k.saveOlder(a):
		return p, false, a.whenIdle(sender), ErrLater
	case err != nil:
		return p, false, nil, nil // mail, which the stream gets in its turn
	case first:
		k.notePacket(a, now, Admitted, nil, p.Key)
		k.enqueue(a, &Effect{Kind: StoreRows, Reason: Admitted, ref: ref})
		return p, true, a.whenIdle(sender), nil
	default:
		a.loose = true
		k.notePacket(a, now, Admitted, nil, p.Key)
		a.push(item{ref: ref, received: p.Received})
		k.place(a, now)
	}
	return p, true, nil, nil
}

// saveOlder has packets put into the store that wait in memory alone, so that a
// row that is put now does not stand before theirs. It reports whether there are any.
func (k *Keeper) saveOlder(a *account) bool {
	_, refs := k.unsaved(a, 1)
	if len(refs) > 0 {
		k.enqueue(a, &Effect{Kind: StoreRows, Reason: Persisted, ref: refs[0]})
	}
	return len(refs) > 0
}

// whenIdle returns what is closed when no action is to decide about packets of a
// sender any more.
func (a *account) whenIdle(sender string) <-chan struct{} {
	idle, waits := a.idle[sender]
	if !waits {
		idle = make(chan struct{})
		a.idle[sender] = idle
	}
	return idle
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
