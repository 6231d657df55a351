// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"errors"
	"fmt"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// overdue is a packet whose deadline has passed while its stream is probed.
type overdue struct {
	ref  cache.Ref
	mark uint64
}

// Tick is the event that time has passed. Next deadlines are told by NextTick.
func (k *Keeper) Tick(now time.Time) {
	for p := range k.cache.Due(now) {
		a := k.enter(p.Key.To)
		k.late(a, now, p.Ref())
		k.place(a, now)
		k.leave(a)
	}
	k.timers.due(now, func(t timer) { k.fire(now, t) })
	k.cache.Sweep(now)
}

// NextTick returns when Tick should be called next, or false if nothing waits
// for a time. An event may make it earlier.
func (k *Keeper) NextTick() (time.Time, bool) {
	next, ok := k.cache.Next()
	if at, waits := k.timers.next(); waits && (!ok || at.Before(next)) {
		return at, true
	}
	return next, ok
}

// late decides about a packet whose deadline has passed.
func (k *Keeper) late(a *account, now time.Time, ref cache.Ref) {
	p, ok := k.cache.Get(ref)
	switch {
	case !ok || p.Taken:
	case p.Marks.Has(cache.Held):
		k.again(now, ref, k.config.AckWait)
	case !p.Expires.IsZero() && !now.Before(p.Expires):
		k.finish(a, now, p, Expired, nil)
	case p.Marks.Has(cache.Parked), k.forgotten(a, now, p):
		k.enqueue(a, &Effect{Kind: RunAction, Reason: Unconfirmed, Action: k.last, ref: ref})
	case k.mustPersist(now, p):
		k.enqueue(a, &Effect{Kind: StoreRows, ref: ref, Reason: Persisted})
		k.again(now, ref, k.config.AckWait-k.config.PersistAfter-k.jitter(p.Sum))
	case !a.liveCopies(p, nil):
		a.push(item{ref: ref, received: p.Received})
	default:
		k.lateOnStream(a, now, p)
	}
}

// forgotten reports whether a packet that is on no stream has waited for as long
// as it may: mail in the store may wait longer.
func (k *Keeper) forgotten(a *account, now time.Time, p cache.Packet) bool {
	mail := p.Marks.Has(cache.Restored) && !p.Marks.Has(cache.Read)
	return k.retained(now, p) && !mail && !a.liveCopies(p, nil)
}

// retained reports whether a packet was kept for as long as Config.Retention says.
func (k *Keeper) retained(now time.Time, p cache.Packet) bool {
	return now.Sub(p.Received) >= k.config.Retention
}

// mustPersist reports whether the deadline that passed is that of PersistAfter.
func (k *Keeper) mustPersist(now time.Time, p cache.Packet) bool {
	return k.persistsLater() && actions.MayKeep(p, k.lasting) &&
		!p.Marks.Has(cache.Stored) && now.Sub(p.Received) < k.config.AckWait-k.jitter(p.Sum)
}

// lateOnStream decides about a late packet that is on a live stream. On an
// ordered stream it was not lost, so it is not sent again (XEP-0184 §4): what
// is in doubt is the stream.
func (k *Keeper) lateOnStream(a *account, now time.Time, p cache.Packet) {
	if k.config.Redeliver != nil && p.Attempt < actions.HardCap {
		k.enqueue(a, &Effect{Kind: RunAction, Reason: Redelivered, Action: k.ifStanding(*k.config.Redeliver), ref: p.Ref()})
		return
	}
	k.examine(a, now, p)
}

// examine goes by what is known of the streams that p is on: it is read there,
// or they are probed.
func (k *Keeper) examine(a *account, now time.Time, p cache.Packet) {
	wait := k.config.ProbeWait
	for _, c := range p.Copies {
		s := a.byID(c.Stream)
		switch {
		case s == nil:
		case c.Mark <= s.read:
			k.readOn(a, now, s, p)
			return
		case s.paused:
			wait = k.config.AckWait
		default:
			s.overdue = append(s.overdue, overdue{p.Ref(), c.Mark})
			k.ask(a, s)
		}
	}
	k.again(now, p.Ref(), wait)
}

// readOn decides about a late packet that the client of s has read. One known to
// acknowledge may still do so; from any other nothing more is to be expected.
func (k *Keeper) readOn(a *account, now time.Time, s *Stream, p cache.Packet) {
	if !k.acknowledges(s, p) {
		k.finish(a, now, p, Finished, s)
		return
	}
	if !p.Marks.Has(cache.Parked) {
		k.cache.Mark(p.Ref(), cache.Parked, 0)
		k.notePacket(a, now, Parked, s, p.Key)
	}
	if p.Marks.Has(cache.Restored) {
		k.shelve(a, p)
		return
	}
	k.again(now, p.Ref(), k.config.Retention)
}

// shelve parks a packet that came out of the store in the store: no limit was asked
// when it was read into memory, so it must not stay there. The second time it has
// had its chance.
func (k *Keeper) shelve(a *account, p cache.Packet) {
	if p.Marks.Has(cache.Read) {
		k.enqueue(a, &Effect{Kind: RunAction, Reason: Unconfirmed, Action: k.last, ref: p.Ref()})
		return
	}
	k.cache.Mark(p.Ref(), cache.Read, 0)
	k.enqueue(a, &Effect{Kind: StoreRows, Reason: Kept, ref: p.Ref()})
}

// acknowledges reports whether the client of s is known to acknowledge p.
func (k *Keeper) acknowledges(s *Stream, p cache.Packet) bool {
	if p.Marks.Has(cache.NotAsked) || p.Marks.Has(cache.Unauthorised) {
		return false
	}
	return s.acked || k.config.Capable(s.address.full)
}

// hasRead reports whether the client has read past a copy of p on s.
func (s *Stream) hasRead(p cache.Packet) bool {
	for _, c := range p.Copies {
		if c.Stream == s.id && c.Mark <= s.read {
			return true
		}
	}
	return false
}

// evidence notes that the client of s has read everything up to mark.
func (k *Keeper) evidence(a *account, now time.Time, s *Stream, mark uint64) {
	if mark <= s.read {
		return
	}
	s.read = mark
	s.shows(a, reads)
	s.free(0)
	later := s.overdue[:0]
	for _, o := range s.overdue {
		if o.mark > mark {
			later = append(later, o)
			continue
		}
		if p, ok := k.cache.Get(o.ref); ok && !p.Taken && !p.Marks.Has(cache.Parked) {
			k.readOn(a, now, s, p)
		}
	}
	clear(s.overdue[len(later):])
	s.overdue = later
}

// ask has the stream probed, unless it is being probed. If no answer comes it is
// ended.
func (k *Keeper) ask(a *account, s *Stream) {
	k.sound(a, s)
	s.probe.urgent = s.probe.asked
}

// sound does that, and leaves a stream that does not answer as it is: nothing that was
// written to it is in doubt.
func (k *Keeper) sound(a *account, s *Stream) {
	if s.probe.asked || s.ended || s.paused {
		return
	}
	s.probe = probe{asked: true}
	k.enqueue(a, &Effect{Kind: ProbeStream, Stream: s})
}

// askForRoom has a stream probed whose window is full: the answer frees it where
// no receipts come.
func (k *Keeper) askForRoom(a *account, s *Stream, window int) {
	if len(s.window)+s.queued >= window && !s.busy {
		k.ask(a, s)
	}
}

func (k *Keeper) beginProbe(a *account, now time.Time, e *Effect) bool {
	s := e.Stream
	if s.ended || s.paused {
		s.probe = probe{}
		return false
	}
	s.nextProbe++
	id := fmt.Sprintf("untilack-%016x", mix(k.config.Seed^s.id<<32^s.nextProbe))
	s.probe.id, s.probe.covers = id, s.sent
	s.inDoubt = false
	e.Probe = id
	e.Stanza = fmt.Appendf(nil, "<iq type='get' id='%s' from='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>",
		id, k.config.Domain, escape(s.address.full))
	k.timers.add(timer{at: now.Add(k.config.ProbeWait), stream: s, kind: probeTimer, probe: id, since: now})
	k.note(a, Event{Time: now, Reason: Probed, Resource: s.address.resource})
	return true
}

func (k *Keeper) finishProbe(a *account, now time.Time, e *Effect, r Result) {
	s := e.Stream
	if r.Err == nil || s.ended || s.probe.id != e.Probe || errors.Is(r.Err, ErrBusy) {
		return // one that has no room for a ping has as long to get it as the answer has
	}
	k.end(a, now, s, WriteFailed, r.Err)
}

// Answered is the event that the client answered a probe that was sent by other
// means than Effect.Stanza. It reports whether the probe was one of ours.
func (k *Keeper) Answered(now time.Time, s *Stream, probe string) bool {
	a := k.enter(s.address.bare)
	defer k.leave(a)
	return k.answered(a, now, s, probe)
}

func (k *Keeper) answered(a *account, now time.Time, s *Stream, id string) bool {
	if s.ended || id == "" || s.probe.id != id {
		return false
	}
	covers := s.probe.covers
	s.probe = probe{}
	k.note(a, Event{Time: now, Reason: Answered, Resource: s.address.resource})
	stale := s.stale
	s.stale = false
	if !stale {
		k.release(s, a)
	}
	s.shows(a, answers)
	k.evidence(a, now, s, covers)
	if stale || len(s.overdue) > 0 {
		k.ask(a, s) // written after the probe
	}
	k.place(a, now)
	return true
}

// maySpeak reports whether a client that has not answered a probe was heard since
// its time began. Over a slow link the probe takes a while to arrive; but not for
// longer than a receipt may take.
func (k *Keeper) maySpeak(now time.Time, t timer) bool {
	heard := time.Unix(0, t.stream.heard.Load())
	return heard.After(now.Add(-k.config.ProbeWait)) && now.Sub(t.since) < k.config.AckWait
}

// unanswered goes by what a probe was for to which no answer has come in time.
func (k *Keeper) unanswered(a *account, now time.Time, t timer) {
	s := t.stream
	switch {
	case !s.probe.urgent:
		s.life = max(s.life, mute)
		s.probe.asked = false // but a late answer counts
		t.at, t.kind = now.Add(k.soundWait(s)), soundTimer
		k.timers.add(t)
	case k.maySpeak(now, t):
		t.at = now.Add(k.config.ProbeWait)
		k.timers.add(t)
	default:
		k.config.Logger.Info("untilack: stream did not answer", "address", s.address.full)
		k.end(a, now, s, Dead, nil)
	}
}

// maxSoundWait is for how long at most a client that answers no probes is spared them.
const maxSoundWait = 5 * time.Minute

// soundWait returns how long it is until such a client is probed again: longer each
// time.
func (k *Keeper) soundWait(s *Stream) time.Duration {
	wait := k.config.ProbeWait
	return max(wait, min(wait<<min(s.nextProbe, 6), maxSoundWait))
}

// fire carries out a timer.
func (k *Keeper) fire(now time.Time, t timer) {
	bare := t.account
	if t.stream != nil {
		bare = t.stream.address.bare
	}
	a := k.enter(bare)
	defer k.leave(a)
	switch t.kind {
	case probeTimer:
		if t.stream.ended || t.stream.probe.id != t.probe {
			return
		}
		k.unanswered(a, now, t)
	case soundTimer:
		if t.stream.probe.id == t.probe {
			k.sound(a, t.stream)
		}
	case busyTimer:
		t.stream.busy = false
	case deleteTimer:
		k.deleteAgain(a)
	case rowsTimer:
		a.rows.failed = false
	case holdTimer:
		delete(a.holds, t.sender)
	case saveTimer:
		a.saving = false
		k.saveOlder(a)
	case newsTimer:
		k.askForNews(a, t)
	}
	k.place(a, now)
}
