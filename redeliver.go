// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"cmp"
	"slices"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/receipts"
)

// push puts a packet into the backlog.
func (a *account) push(it item) {
	if it.stream == nil && a.listed[it.ref.Seq] > 0 {
		return
	}
	a.listed[it.ref.Seq]++
	if n := len(a.backlog); n > 0 && !it.received.After(a.backlog[n-1].received) {
		a.unsorted = true
	}
	a.backlog = append(a.backlog, it)
}

// collect puts every packet that waits on no stream into the backlog: those
// that wait for an action, or for one to be tried again, too.
func (k *Keeper) collect(a *account) {
	k.recall(a, nil)
	for p := range k.cache.Of(a.bare) {
		if p.Taken || p.Marks.Has(cache.Held) || a.liveCopies(p, nil) {
			continue
		}
		k.mayHaveGone(a, p)
		a.push(item{ref: p.Ref(), received: p.Received})
	}
}

// place finds a place for each packet in the backlog, oldest first: a stream
// with room, or the chain of actions if no stream may have it. What has to wait
// for room stays, and so does all that comes after it on the same stream.
func (k *Keeper) place(a *account, now time.Time) {
	k.readRows(a, now)
	if len(a.backlog) == 0 {
		return
	}
	if a.unsorted {
		slices.SortStableFunc(a.backlog, func(x, y item) int {
			return cmp.Or(x.received.Compare(y.received), cmp.Compare(x.ref.Seq, y.ref.Seq))
		})
		a.unsorted = false
	}
	var full []*Stream
	kept := 0
	next := 0
	for ; next < len(a.backlog) && (len(full) == 0 || len(full) < len(a.streams)); next++ {
		it := a.backlog[next]
		it.target, it.turn = k.placeOne(a, now, it, full)
		if it.turn == over {
			a.unlist(it)
			continue
		}
		if it.turn == inLine && !slices.Contains(full, it.target) {
			full = append(full, it.target)
		}
		a.backlog[kept] = it
		kept++
	}
	kept += copy(a.backlog[kept:], a.backlog[next:])
	clear(a.backlog[kept:])
	a.backlog = a.backlog[:kept]
	for _, s := range full {
		k.askForRoom(a, s, k.config.Window)
	}
	k.readRows(a, now)
}

// unlist takes note that a packet leaves the backlog.
func (a *account) unlist(it item) {
	if a.listed[it.ref.Seq]--; a.listed[it.ref.Seq] == 0 {
		delete(a.listed, it.ref.Seq)
	}
}

// placeOne places one packet, or says what it waits for.
func (k *Keeper) placeOne(a *account, now time.Time, it item, full []*Stream) (s *Stream, waits turn) {
	p, ok := k.cache.Get(it.ref)
	switch {
	case !ok:
		return nil, over
	case p.Taken:
		return nil, aside
	}
	s, ok = k.choose(a, it, p)
	switch {
	case !ok, k.mustEnd(a, now, p):
		return nil, over
	case s == nil && a.held(p.Key.Sender()):
		if it.turn != held {
			k.keepPlace(a, p)
		}
		return nil, held
	case s == nil:
		k.actOn(a, now, p)
		return nil, over
	case a.actsFor(p.Key.Sender()) && p.Received.After(a.acting.Packet.Received):
		return s, aside
	case a.mustCheck(p):
		k.check(a)
		return s, inLine
	case s.doubts(p):
		return s, k.waitForLife(a, s)
	case inVain(p) && !s.hasRoom(1):
		k.askForRoom(a, s, 1)
		return s, inLine
	case slices.Contains(full, s), !s.hasRoom(k.config.Window), k.behindRows(a, s, p):
		return s, inLine
	}
	s.queued++
	k.enqueue(a, &Effect{Kind: WriteStanza, Stream: s, ref: it.ref, bound: s == it.stream})
	if inVain(p) {
		k.ask(a, s)
	}
	return s, over
}

// doubts reports whether p has gone out so often in vain that s has to show that it is
// alive before it gets p: otherwise a client that answers nothing, and logs in again
// when its stream is ended for that, would get p with each session for ever. That it has
// read something else will do once; then it has to answer a probe. A stanza of its own
// shows nothing: each session begins with some.
func (s *Stream) doubts(p cache.Packet) bool {
	enough := answers
	if p.Attempt == actions.HardCap {
		enough = reads
	}
	return s.life < enough && inVain(p)
}

// inVain reports whether p has gone out so often that it goes one by one, with a probe
// behind it: a client may be slower to read a window than it has time to answer. What
// actions have asked for is in a row's Attempt too, so p must have gone out at all.
func inVain(p cache.Packet) bool {
	return p.Attempt >= actions.HardCap && p.Marks.Has(cache.Delivered)
}

// waitForLife has a stream probed for the sake of a packet, and says what the packet
// waits for. Until the client had its time to answer, younger ones keep behind; then
// they pass, for it may never answer.
func (k *Keeper) waitForLife(a *account, s *Stream) turn {
	if s.probe.id == "" {
		k.sound(a, s)
	}
	if s.life == untried {
		return inLine
	}
	return aside
}

// shows takes note of a sign of life: what has waited for it may go.
func (s *Stream) shows(a *account, sign life) {
	if s.life < sign {
		s.life = sign
		a.rereadLeft()
	}
}

// choose returns the stream that a packet goes to (RFC 6121 §8.5.4), nil if no
// stream may have it. It reports false if the packet needs no place: it is on
// another stream already.
func (k *Keeper) choose(a *account, it item, p cache.Packet) (*Stream, bool) {
	if s := it.stream; s != nil && s.takes(p) && !a.mayTurn(it, p) {
		return s, !s.has(p)
	}
	if a.liveCopies(p, nil) {
		return nil, false
	}
	if p.Resource != "" {
		if s := a.on(p.Resource); s != nil {
			return s, true
		}
	}
	if s := a.best(); s != nil && actions.MayMoveTo(p, s.address.resource, true) {
		return s, true
	}
	return nil, true
}

// recall puts the packets of writes to s that have not begun back into the backlog,
// so that nothing overtakes them; with nil, those of actions.
func (k *Keeper) recall(a *account, s *Stream) {
	l := fastLane
	if s == nil {
		l = slowLane
	}
	a.queues[l] = slices.DeleteFunc(a.queues[l], func(e *Effect) bool {
		switch {
		case s != nil && e.Kind == WriteStanza && e.Stream == s:
			s.queued--
		case s == nil && e.Kind == RunAction && e.Reason == Acted:
			a.actOver(e)
		default:
			return false
		}
		e.off = true
		if p, ok := k.cache.Get(e.ref); ok && e.wait == 0 {
			it := item{ref: e.ref, received: p.Received}
			if e.bound {
				it.stream = s
			}
			a.push(it)
		}
		return true
	})
}

// mayTurn reports whether a packet that was meant for one stream, and still waits
// for its turn there, goes to the best one there is by now: if it went to no other.
func (a *account) mayTurn(it item, p cache.Packet) bool {
	return p.Resource == "" && len(p.Copies) == 0 && a.listed[it.ref.Seq] == 1
}

// mustEnd ends a packet that may not be delivered any more, and reports whether it
// did.
func (k *Keeper) mustEnd(a *account, now time.Time, p cache.Packet) bool {
	switch {
	case !p.Expires.IsZero() && !now.Before(p.Expires):
		k.finish(a, now, p, Expired, nil)
	case k.config.Blocked(a.bare, p.Key.From):
		k.finish(a, now, p, Purged, nil)
	default:
		return false
	}
	return true
}

// mayRepeat decides, when the last stream of a packet ended, whether it may be
// delivered again. One that nobody has read may: its stream has not brought it. One
// that was read gets one more chance, for its client may have died before it worked
// on the packet (XEP-0198 §4). What is parked and came out of the store has its mark already, and
// that chance before it.
func (k *Keeper) mayRepeat(a *account, now time.Time, s *Stream, p cache.Packet) bool {
	read := s.hasRead(p)
	switch {
	case read && !k.acknowledges(s, p):
		k.finish(a, now, p, Finished, s)
		return false
	case read && p.Marks.Has(cache.Read) && !p.Marks.Has(cache.Parked|cache.Restored):
		k.enqueue(a, &Effect{Kind: RunAction, Reason: Unconfirmed, Action: k.last, ref: p.Ref()})
		return false
	case read:
		k.cache.Count(p.Ref())
		k.cache.Mark(p.Ref(), cache.Read, 0)
	}
	k.cache.Mark(p.Ref(), 0, cache.Parked)
	k.again(now, p.Ref(), 0)
	return true
}

// beginWrite notes the copy and makes its bytes: the first delivery as it came,
// every other with the one delay stamp (XEP-0203 §2).
func (k *Keeper) beginWrite(a *account, now time.Time, e *Effect) bool {
	s := e.Stream
	s.queued--
	p, ok := k.cache.Get(e.ref)
	if !ok {
		return false
	}
	timed := e.wait > 0
	switch {
	case p.Taken, s.busy || s.paused || !s.takes(p):
		it := item{ref: e.ref, received: p.Received}
		if e.bound {
			it.stream = s
		}
		a.push(it)
		return false
	case !timed && (s.has(p) || !e.bound && a.liveCopies(p, nil)):
		return false
	case k.mustEnd(a, now, p):
		return false
	}
	e.Packet, e.Stanza = p, p.Stanza
	again := p.Marks.Has(cache.Delivered)
	if again || p.Marks.Has(cache.Restored) {
		stamped, err := receipts.AppendDelayed(nil, p.Stanza, receipts.Delay{From: k.config.Domain, Stamp: p.Received})
		if err == nil {
			e.Stanza = stamped
		}
	}
	e.mark = k.deliver(a, s, e.ref)
	s.inDoubt = s.inDoubt || !timed && (again || p.Marks.Has(cache.Restored))
	if again {
		k.cache.Mark(e.ref, cache.Redelivered, 0)
	}
	s.fill(e.mark)
	wait := k.ackWait(p.Sum ^ e.mark)
	if timed {
		wait = e.wait
	}
	k.again(now, e.ref, wait)
	s.queued++ // until Finish, so that nothing overtakes it
	return true
}

func (k *Keeper) finishWrite(a *account, now time.Time, e *Effect, r Result) {
	s := e.Stream
	s.queued--
	if r.Err == nil {
		if e.Packet.Marks.Has(cache.Delivered) {
			k.cache.Count(e.ref)
		}
		reason := Delivered
		if e.Packet.Marks&(cache.Delivered|cache.Restored) != 0 {
			reason = Redelivered
		}
		k.notePacket(a, now, reason, s, e.Packet.Key)
		k.askAfterAll(a, s)
		return
	}
	s.free(e.mark)
	k.unwritten(a, now, s, e.ref, e.Packet.Marks, r.Err)
}

// askAfterAll has a stream probed once all that was to be written again is written.
// So a client that never acknowledges is done with its mail after one session, be
// it ever so short, and a stream that was dead from its start is found out.
func (k *Keeper) askAfterAll(a *account, s *Stream) {
	if _, waits := a.firstFor(s); s.inDoubt && !waits && s.queued == 0 && !a.rows.reading {
		k.ask(a, s)
	}
}
