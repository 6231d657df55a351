// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// actOn has the chain of actions decide about a packet that no stream may have.
// One that a client has read is no mail any more: it waits for the next session,
// in the store if it may.
func (k *Keeper) actOn(a *account, now time.Time, p cache.Packet) {
	switch {
	case !p.Marks.Has(cache.Read), !actions.MayMoveTo(p, anyOther, true):
		k.enqueue(a, &Effect{Kind: RunAction, Reason: Acted, Action: k.chain, ref: p.Ref()})
	case !p.Marks.Has(cache.Stored) && actions.MayKeep(p, k.lasting):
		k.enqueue(a, &Effect{Kind: StoreRows, Reason: Kept, ref: p.Ref()})
	case k.config.PollEvery > 0 && actions.MayKeep(p, k.lasting): // the next session may be at another node
		k.enqueue(a, &Effect{Kind: RunAction, Reason: Kept, Action: k.ifStanding(shelf{k.config.Store}), ref: p.Ref()})
	default:
		k.again(now, p.Ref(), max(p.Received.Add(k.config.Retention).Sub(now), k.config.RetryWait))
	}
}

// anyOther stands for a resource that no message was addressed to.
const anyOther = "\x00"

// beginAction claims the packet: from now on a receipt comes late.
func (k *Keeper) beginAction(a *account, now time.Time, e *Effect) bool {
	p, ok := k.cache.Get(e.ref)
	if !ok || p.Taken {
		return false
	}
	if e.Reason == Acted && a.liveCopies(p, nil) {
		return false
	}
	if e.Reason == Acted && k.hasPlace(a, p) {
		a.push(item{ref: e.ref, received: p.Received})
		return false
	}
	if e.Reason == Redelivered && !a.liveCopies(p, nil) {
		return false // its stream ended meanwhile, which put it into the backlog
	}
	if e.Packet, ok = k.cache.Take(e.ref); ok {
		a.acting = e
	}
	switch {
	case ok && e.isAct():
		if n, ok := a.notes[p.Seq]; ok {
			e.Packet.Attempt += n.asked
		}
	case ok: // what was sent on this stream is what counts here
		e.Packet.Attempt = a.copiesOnLive(p) - 1
	}
	return ok
}

// copiesOnLive counts the copies of p that are on live streams.
func (a *account) copiesOnLive(p cache.Packet) int {
	count := 0
	for _, c := range p.Copies {
		if a.byID(c.Stream) != nil {
			count++
		}
	}
	return count
}

// hasPlace reports whether a stream has come that may have the packet.
func (k *Keeper) hasPlace(a *account, p cache.Packet) bool {
	if a.liveCopies(p, nil) {
		return false
	}
	s, _ := k.choose(a, item{}, p)
	return s != nil
}

func (k *Keeper) finishAction(a *account, now time.Time, e *Effect, r Result) {
	p := e.Packet
	wait, again := r.Outcome.Wait()
	switch {
	case errors.Is(r.Err, errElsewhere):
		k.elsewhere(a, now, e.Packet)
		return
	case r.Err != nil:
		k.actionFailed(a, now, e, r.Err)
		return
	case again && e.Reason == Redelivered:
		k.resent(a, now, e, wait)
	case e.Reason == Redelivered && r.Outcome.IsPass(): // the attempts are used up
		k.giveBack(a, now, e, 0)
		if waiting, ok := k.cache.Get(e.ref); ok && a.liveCopies(p, nil) {
			k.examine(a, now, waiting)
		}
	case again:
		a.noteOf(e.ref).asked++
		k.giveBack(a, now, e, wait)
	case r.Outcome.IsDone() || e.Reason == Unconfirmed:
		k.acted(a, now, e, r.Outcome)
	default: // nobody took it: it is kept until its retention is over
		k.config.Logger.Warn("untilack: no action took the packet", "recipient", a.bare, "id", p.Key.ID)
		k.giveBack(a, now, e, maxRetryWait)
	}
	if n, ok := a.notes[p.Seq]; ok {
		n.failures = 0
	}
}

// giveBack keeps a packet that an action was asked about. If its receipt came
// meanwhile it is gone, and so is its row. One that was to be sent again finds
// another place if its stream has ended.
func (k *Keeper) giveBack(a *account, now time.Time, e *Effect, wait time.Duration) {
	if e.Reason == Redelivered && !a.liveCopies(e.Packet, nil) {
		wait = 0
		defer a.push(item{ref: e.ref, received: e.Packet.Received})
	}
	if !k.again(now, e.ref, wait) {
		k.withdraw(a, e.Packet)
		a.forget(e.ref)
	}
}

// resent has one more copy written on the streams that have the packet.
func (k *Keeper) resent(a *account, now time.Time, e *Effect, wait time.Duration) {
	k.giveBack(a, now, e, wait)
	if !a.liveCopies(e.Packet, nil) {
		return
	}
	if !k.resend {
		k.notePacket(a, now, Redelivered, nil, e.Packet.Key)
		return
	}
	for _, c := range e.Packet.Copies {
		if s := a.byID(c.Stream); s != nil {
			s.queued++
			k.enqueue(a, &Effect{Kind: WriteStanza, Stream: s, ref: e.ref, wait: wait, bound: true})
			return
		}
	}
}

// acted ends a packet that an action has finished.
func (k *Keeper) acted(a *account, now time.Time, e *Effect, outcome actions.Outcome) {
	p := e.Packet
	if outcome.IsStored() {
		k.cache.Mark(e.ref, cache.Stored, 0)
		p.Marks |= cache.Stored
		a.rows.failed = false // a store that takes rows can be read
		if k.hasPlace(a, p) && !k.sleeps(a, p) {
			k.keepMail(a, now, e, p)
			return
		}
	}
	defer a.forget(e.ref)
	late, ok := k.cache.Drop(now, e.ref)
	if !ok { // it was blocked meanwhile
		k.withdraw(a, p)
		return
	}
	k.notePacket(a, now, e.Reason, nil, p.Key)
	switch {
	case late || !outcome.IsStored():
		k.withdraw(a, p)
	case !a.liveCopies(p, nil):
		a.reread() // for a stream that opened meanwhile
	}
}

// keepMail keeps a packet that became mail while a stream opened for it. In memory it goes
// out before younger ones, even if the store can not be read at that moment.
func (k *Keeper) keepMail(a *account, now time.Time, e *Effect, p cache.Packet) {
	if !k.again(now, e.ref, 0) { // its receipt has come
		k.withdraw(a, p)
		a.forget(e.ref)
		return
	}
	k.cache.Mark(e.ref, cache.Restored, 0)
	a.restored = append(a.restored, e.ref)
	a.push(item{ref: e.ref, received: p.Received})
}

// actionFailed keeps the packet and tries again later.
func (k *Keeper) actionFailed(a *account, now time.Time, e *Effect, err error) {
	k.note(a, Event{Time: now, Reason: ActionFailed, Sender: e.Packet.Key.From, ID: e.Packet.Key.ID, Err: err})
	k.config.Logger.Warn("untilack: action failed", "recipient", a.bare, "id", e.Packet.Key.ID, "error", err)
	k.doubt(a, e.ref, err) // it may have put a row
	wait := k.retryWait(&a.noteOf(e.ref).failures)
	if e.Reason != Acted || k.retained(now, e.Packet) {
		k.giveBack(a, now, e, wait)
		return
	}
	k.hold(a, e.Packet.Key.Sender(), now.Add(wait))
	k.giveBack(a, now, e, 0)
	a.push(item{ref: e.ref, received: e.Packet.Received})
	k.recall(a, nil)
}

// hold has no action run about packets of a sender until some time.
func (k *Keeper) hold(a *account, sender string, until time.Time) {
	a.holds[sender] = until
	k.timers.add(timer{at: until, account: a.bare, sender: sender, kind: holdTimer})
}

// keepPlace keeps the place of a packet that is held: packets of other senders may be
// stored before it now, and rows go out in the order in which they are put. So it is
// put first, as a copy.
func (k *Keeper) keepPlace(a *account, p cache.Packet) {
	if !p.Marks.Has(cache.Stored) && actions.MayKeep(p, k.lasting) {
		k.enqueue(a, &Effect{Kind: StoreRows, Reason: Persisted, ref: p.Ref()})
	}
}

// retryWait returns the wait after a failure, which grows with each in a row.
func (k *Keeper) retryWait(failures *int) time.Duration {
	wait := k.config.RetryWait << min(*failures, 10)
	*failures++
	return min(wait, maxRetryWait)
}

// beginStore takes up the rows of a packet that is to be kept in custody and of all
// that wait in memory alone before it: rows go out in the order in which they are
// put.
func (k *Keeper) beginStore(a *account, e *Effect) bool {
	p, ok := k.cache.Get(e.ref)
	if !ok || p.Taken || p.Marks.Has(cache.Stored) && e.Reason != Kept {
		return false
	}
	e.Packet = p
	if e.Reason == Persisted || a.loose {
		e.Rows, e.refs = k.unsaved(a, maxRows)
	}
	if e.Reason != Persisted && !slices.Contains(e.refs, e.ref) {
		e.Rows, e.refs = append(e.Rows, row(p)), append(e.refs, e.ref)
	}
	return len(e.Rows) > 0
}

// unsaved returns rows of the oldest packets that wait in memory alone and may be
// kept, and their handles.
func (k *Keeper) unsaved(a *account, most int) (rows []actions.Row, refs []cache.Ref) {
	for p := range k.cache.Of(a.bare) {
		if len(rows) == most {
			break
		}
		if !p.Marks.Has(cache.Stored) && !p.Marks.Has(cache.Held) && actions.MayKeep(p, k.lasting) {
			rows, refs = append(rows, row(p)), append(refs, p.Ref())
		}
	}
	return rows, refs
}

func (k *Keeper) finishStore(a *account, now time.Time, e *Effect, r Result) {
	failed := false
	for i, ref := range e.refs {
		err := cmp.Or(r.Err, errorAt(r.Errs, i))
		p := e.Rows[i].Packet
		k.stored(a, now, nil, p, err)
		failed = failed || err != nil
		if e.answer != nil && ref == e.ref {
			e.tell(k.heldAnswered(a, now, nil, ref, p, err))
		} else {
			k.noteRow(a, now, ref, p, err)
		}
	}
	if !failed {
		a.failures = 0
	}
	p, waits := k.cache.Get(e.ref)
	switch {
	case !waits:
	case e.Reason == Admitted:
		if !p.Marks.Has(cache.Held) {
			a.push(item{ref: e.ref, received: p.Received})
		}
	case e.Reason != Kept && !failed && !p.Marks.Has(cache.Stored): // there were many before it
		k.enqueue(a, &Effect{Kind: StoreRows, Reason: e.Reason, ref: e.ref})
	case e.Reason != Kept && failed:
		a.failures++
	case e.Reason != Kept:
	case failed:
		k.again(now, e.ref, k.retryWait(&a.failures))
	case len(a.streams) == 0, p.Marks.Has(cache.Restored):
		k.cache.Drop(now, e.ref)
		a.forget(e.ref)
		k.notePacket(a, now, Kept, nil, p.Key)
	}
}

// tell tells who waits for it whether a packet is refused, and why.
func (e *Effect) tell(refusal error) {
	e.answer <- refusal
	e.answer = nil
}

// errorAt returns what a store said of its i-th row. A store that says less than it
// should has put the row.
func errorAt(errs []error, i int) error {
	if i < len(errs) {
		return errs[i]
	}
	return nil
}

func (k *Keeper) finishDelete(a *account, now time.Time, e *Effect, r Result) {
	if r.Err != nil { // a row that stays costs its recipient a duplicate
		k.stored(a, now, nil, cache.Packet{Key: e.Identities[0].Key}, r.Err)
		if len(a.failed) == 0 {
			wait := k.retryWait(&a.failures)
			if a.bare == nobody { // it tries whether the store is back
				wait = k.config.RetryWait
			}
			k.timers.add(timer{at: now.Add(wait), account: a.bare, kind: deleteTimer})
		}
		a.failed = append(a.failed, e.Identities...)
		return
	}
	a.failures = 0
	for _, identity := range e.Identities {
		if a.deleting[identity]--; a.deleting[identity] == 0 {
			delete(a.deleting, identity)
		}
	}
}

// deleteAgain has the rows deleted that the store did not delete.
func (k *Keeper) deleteAgain(a *account) {
	for identities := range slices.Chunk(a.failed, maxRows) {
		k.enqueue(a, &Effect{Kind: DeleteRows, Identities: identities})
	}
	a.failed = nil
}
