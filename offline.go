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
// be running. The error wraps ErrRefused, and ErrLater too if actions were deciding about older
// messages all that time: then it may be tried again.
//
// If a stream has opened in the meantime the message goes there. Where other nodes share the store
// (Config.PollEvery), what is for a full address that is not here goes to the chain all the same.
func (k *Keeper) Offline(ctx context.Context, stanza []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, k.config.ActionTimeout, ErrOverran)
	defer cancel()
	came := time.Now()
	for {
		d, err := k.away(came, stanza)
		switch {
		case d.idle != nil:
			select {
			case <-d.idle:
				continue
			case <-ctx.Done():
				k.counts[Refused].Add(1)
				return fmt.Errorf("%w: %w: %w", ErrRefused, ErrLater, ctx.Err())
			}
		case d.answer != nil:
			return k.admitted(ctx, d)
		case err != nil, d.online:
			return err
		case time.Since(came) > k.config.ActionTimeout/2: // an action cut short would pass for a store that is down
			k.counts[Refused].Add(1)
			return fmt.Errorf("%w: %w", ErrRefused, ErrLater)
		}
		return k.act(ctx, d.packet)
	}
}

// act runs the chain of actions about a packet that is not in the cache.
func (k *Keeper) act(ctx context.Context, p cache.Packet) error {
	if k.needsStore && k.breaker.down.Load() { // no caller waits to try that
		return k.Taken(time.Now(), p, actions.Pass, ErrStoreDown)
	}
	c := callee{kind: RunAction, recipient: p.Key.To}
	if k.stuck.has(c, k.config.Workers) {
		return k.Taken(time.Now(), p, actions.Pass, ErrOverran)
	}
	r := k.limited(ctx, c, k.config.ActionTimeout, func(ctx context.Context) (r Result) {
		r.Outcome, r.Err = k.keepers.Act(ctx, p)
		return r
	})
	if k.needsStore && r.Err != nil {
		k.called(ctx, r)
	}
	k.tookMail(ctx, r)
	return k.Taken(time.Now(), p, r.Outcome, r.Err)
}

// admitted waits for what the store says of a packet that a stream is to have.
func (k *Keeper) admitted(ctx context.Context, d destination) error {
	var refusal error
	select {
	case refusal = <-d.answer:
	case <-ctx.Done():
		refusal = k.giveUp(time.Now(), d, ctx.Err())
	}
	if refusal != nil {
		return fmt.Errorf("%w: %w", ErrRefused, refusal)
	}
	return nil
}

// giveUp refuses a packet that waits for the store no longer, if Config.FailClosed says so.
func (k *Keeper) giveUp(now time.Time, d destination, err error) error {
	a := k.enter(d.packet.Key.To)
	defer k.leave(a)
	defer k.place(a, now)
	p, waits := k.cache.Get(d.ref)
	if !waits || !p.Marks.Has(cache.Held) {
		return nil
	}
	refusal := k.refusal(a, p, err)
	if refusal != nil && a.notes[d.ref.Seq].puts == 1 { // nobody else waits for its row
		k.refuse(a, now, nil, d.ref, p, refusal)
	}
	return refusal
}

// Mailed is the event that the host has put offline mail for a recipient, by any address of theirs,
// into Config.Store itself, of what the Keeper does not keep: a stream that is here gets it in its
// turn, as if it had been read at the start.
func (k *Keeper) Mailed(now time.Time, recipient string) {
	to, ok := parseAddress([]byte(recipient))
	if !ok {
		return
	}
	a := k.enter(to.bare)
	defer k.leave(a)
	a.readOn()
	k.place(a, now)
}

// ErrLater is returned by Away and Offline while actions decide about older messages of
// the recipient.
var ErrLater = errors.New("untilack: older messages come first")

// Away is the event that a message came for a recipient who is not online. The
// packet it returns is for the chain of actions; then comes Taken. It reports
// online, with nothing more to do, if a stream has opened that takes it; under
// Config.FailClosed the store may refuse it yet, which is told as Refused. After
// ErrLater it is to be called again, with the same time, when an effect is
// finished or a Tick is over.
func (k *Keeper) Away(now time.Time, stanza []byte) (p cache.Packet, online bool, err error) {
	d, err := k.away(now, stanza)
	return d.packet, d.online, err
}

// A destination is where a message goes whose recipient was taken to be away.
type destination struct {
	packet cache.Packet
	online bool            // to a stream; else the chain of actions is asked
	ref    cache.Ref       // of a packet whose row is put first
	answer <-chan error    // says whether it is refused, if a row is put first
	idle   <-chan struct{} // with ErrLater: closed when to ask again
}

func (k *Keeper) away(now time.Time, stanza []byte) (destination, error) {
	to, err := recipientOf(stanza)
	if err != nil {
		return destination{}, err
	}
	d := k.draft(nil, to.bare, stanza)
	d.packet = owned(d.packet)
	switch {
	case !d.possible:
		return destination{}, k.refuseAway(d.admit.Why)
	case k.config.Blocked(to.bare, d.packet.Key.From):
		return destination{}, k.refuseAway("blocked")
	}
	a := k.enter(to.bare)
	defer k.leave(a)
	if sender := d.packet.Key.Sender(); !a.settled(sender) {
		return destination{idle: a.whenIdle(sender)}, ErrLater
	}
	p := a.stamp(now, d)
	elsewhere := k.config.PollEvery > 0 && p.Resource != "" && a.on(p.Resource) == nil
	if elsewhere || !k.hasPlace(a, p) { // who is elsewhere finds it in the store, or another stream that may have it
		return destination{packet: p}, nil
	}
	return k.admitAway(a, now, p)
}

func (k *Keeper) refuseAway(why string) error {
	k.counts[Refused].Add(1)
	return fmt.Errorf("%w: %s", ErrRefused, why)
}

// admitAway keeps a packet for a stream that has opened meanwhile.
func (k *Keeper) admitAway(a *account, now time.Time, p cache.Packet) (destination, error) {
	d := destination{packet: p, online: true}
	first := k.persistsFirst(p)
	if first {
		p.Marks |= cache.Held
	}
	ref, err := k.put(now, p, k.queuedWait())
	if errors.Is(err, cache.ErrDuplicate) { // it waits already
		waiting, _ := k.cache.Get(ref)
		if !waiting.Marks.Has(cache.Held) {
			return d, nil
		}
		err = nil
	} else if err == nil {
		k.notePacket(a, now, Admitted, nil, p.Key)
	}
	switch {
	case err != nil && a.failures == 0 && k.saveOlder(a):
		return destination{idle: a.whenIdle(p.Key.Sender())}, ErrLater
	case err != nil:
		d.online = false // mail, which the stream gets in its turn
	case first:
		answer := make(chan error, 1)
		d.ref, d.answer = ref, answer
		a.noteOf(ref).puts++
		k.enqueue(a, &Effect{Kind: StoreRows, Reason: Admitted, ref: ref, answer: answer})
	default:
		a.loose = true
		a.push(item{ref: ref, received: p.Received})
		k.place(a, now)
	}
	return d, nil
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
		a.rows.failed = false // a store that takes rows can be read
		k.place(a, now)
		return nil
	case outcome.IsDone():
		k.notePacket(a, now, Acted, nil, p.Key)
		return nil
	}
	k.notePacket(a, now, Refused, nil, p.Key)
	return fmt.Errorf("%w: no action took it", ErrRefused)
}
