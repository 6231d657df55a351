// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/cache"
)

// A name is what Waiting tells of a packet. Letters of one sender with one id differ
// in length.
type waitingName struct {
	sender, id string
	bytes      int
}

func (l *letter) name() waitingName { return waitingName{l.sender, l.id, len(l.stanza)} }

// waiting returns what waits in memory for a person.
func (s *sim) waiting(p *person) map[waitingName]untilack.Waiting {
	all := make(map[waitingName]untilack.Waiting)
	for _, w := range s.keeper.Waiting(p.bare) {
		name := waitingName{w.Sender, w.ID, w.Bytes}
		if _, twice := all[name]; twice {
			s.breach("one entry", "two packets wait for one message with id %s", w.ID)
		}
		all[name] = w
	}
	return all
}

// over reports whether a letter may have come to an end.
func (s *sim) over(l *letter) bool {
	expired := l.kind.name == "expiring" && s.now.Sub(l.received) >= 40*time.Second
	return l.heard > 0 || l.acked || l.dropped || expired || l.untracked || l.to.blocked[cache.Bare(l.sender)] ||
		l.reused && s.answered(l)
}

// answered reports whether a letter with that one's name was acknowledged: then
// which of them it was may be in doubt.
func (s *sim) answered(l *letter) bool {
	for _, other := range s.letters {
		if other.to == l.to && other.id == l.id && cache.Bare(other.sender) == cache.Bare(l.sender) && other.acked {
			return true
		}
	}
	return false
}

// check checks what must hold at any time.
func (s *sim) check() {
	for _, p := range s.people {
		waiting, rows := s.waiting(p), s.rows(p)
		for _, l := range s.letters {
			if l.to != p {
				continue
			}
			w, waits := waiting[l.name()]
			stored := rows[l.stanza]
			if stored && l.kind.marks.Has(cache.Volatile) && !s.volatile {
				s.breach("never stored", "%s stands in a store that lasts", l)
			}
			if !l.kept || s.over(l) {
				continue
			}
			if !waits && !stored && !s.withHost(l) && !(l.hurt && s.mustNotBeStored(l)) {
				s.breach("no loss", "%s is nowhere, and nobody has read it", l)
			}
			if s.config.PersistAfter == 0 && !stored && w.State != untilack.InStore && !l.hurt && !s.mustNotBeStored(l) && !s.withHost(l) {
				s.breach("store first", "%s is not in the store: %s", l, w.State)
			}
			if waits && w.Stored && !stored && !l.hurt && !s.onItsWay(l) {
				s.breach("no loss", "%s is said to be stored, and is not", l)
			}
		}
	}
	s.checkBounds()
}

func (s *sim) mustNotBeStored(l *letter) bool { return l.kind.marks.Has(cache.Volatile) && !s.volatile }

// onItsWay reports whether the host is about to store a letter.
func (s *sim) onItsWay(l *letter) bool {
	for _, h := range s.held {
		for _, row := range h.admission.Rows {
			if string(row.Packet.Stanza) == l.stanza {
				return true
			}
		}
	}
	return false
}

func (s *sim) withHost(l *letter) bool {
	for _, h := range s.held {
		if h.letter == l {
			return true
		}
	}
	for _, w := range s.away {
		if w.letter == l {
			return true
		}
	}
	return false
}

func (s *sim) checkBounds() {
	if !s.limits {
		return
	}
	// What was read from the store counts, and is bounded by 16 windows.
	if n := s.keeper.Stats().Waiting; n > len(s.people)*(2+17*s.config.Window) {
		s.breach("bounded", "%d packets wait", n)
	}
}

// checkWrite checks a copy that the Keeper wants written.
func (s *sim) checkWrite(to *line, stanza string) {
	l := s.letterOf(stanza)
	plain, stamps := undelayed(stanza)
	switch {
	case to == nil:
		return
	case len(stamps) > 1:
		s.breach("same message", "%s has %d delay stamps", l, len(stamps))
	case len(stamps) == 1 && l.again == 0 && stamps[0] != l.received.Format("2006-01-02T15:04:05.999Z")+" by "+england:
		s.breach("same message", "%s is stamped %s, and was received at %v", l, stamps[0], l.received)
	case len(stamps) == 1 && plain == stanza:
		s.breach("same message", "%s has a stamp that is none", l)
	case len(stamps) == 0 && l.written > 0 && l.again == 0 && !l.hurt:
		s.breach("same message", "%s comes again without a delay stamp", l)
	case len(stamps) == 1 && l.written == 0 && !l.mail && !s.limits && !s.worn:
		s.breach("tracking never alters", "the first delivery of %s is stamped", l)
	case l.settled && l.again == 0:
		s.breach("one winner", "%s is written after a receipt has settled it", l)
	case to.person.blocked[cache.Bare(l.sender)]:
		s.breach("blocked", "%s goes to one who blocks its sender", l)
	case l.resource == "" && (to.away || to.priority < 0):
		s.breach("routing", "%s goes to %s, away %v, priority %d", l, to, to.away, to.priority)
	case l.resource != "" && to.resource != l.resource && (!l.kind.chat || l.kind.marks.Has(cache.Pinned)):
		s.breach("routing", "%s is not for %s", l, to)
	case to.paused:
		s.breach("paused", "%s is written to %s", l, to)
	case l.kind.name == "expiring" && s.now.Sub(l.received) >= 40*time.Second && l.again == 0:
		s.breach("expired", "%s is delivered after its time", l)
	case l.heard > 6+l.again:
		s.breach("bounded", "%s was read %d times, and comes again", l, l.heard)
	}
	s.checkOrder(to, l)
	l.written++
}

// checkOrder checks that a letter overtakes none of the same pair that could be
// written to the same line.
func (s *sim) checkOrder(to *line, l *letter) {
	if l.resource != "" || to != to.person.best() || l.again > 0 || l.untracked {
		return
	}
	waiting, rows := s.waiting(l.to), s.rows(l.to)
	for _, older := range s.letters {
		if older == l {
			return
		}
		if older.to != l.to || older.sender != l.sender || older.resource != "" || !older.kept || s.over(older) ||
			older.again > 0 || older.line != nil && older.line != to && !older.line.closed {
			continue
		}
		w, waits := waiting[older.name()]
		switch {
		case waits && w.State == untilack.InBacklog && !s.worn:
			s.breach("order", "%s overtakes %s, which waits for its turn", l, older)
		case l.mailed && older.written > 0: // that was on a live stream when this was stored
		case !waits && rows[older.stanza] && !s.worn:
			s.breach("order", "%s overtakes %s, which is in the store", l, older)
		}
	}
}

// curtain lets everything come to an end: all faults are over, and each recipient
// logs in with a client as it should be. Then nothing may be left.
func (s *sim) curtain() {
	s.note("curtain")
	s.faults = false
	for _, p := range s.people {
		for _, l := range p.lines {
			l.busy = false
		}
	}
	for n := 0; len(s.held)+len(s.away) > 0; n++ {
		if n > 500 {
			s.breach("no end", "messages for nobody online are told to wait for ever")
		}
		s.store1()
		s.work(3)
		s.check()
		s.pass(time.Second)
	}
	for _, p := range s.people {
		for _, l := range append([]*line(nil), p.lines...) {
			s.hangUp(l, false)
		}
		s.settle()
		s.open(&line{person: p, resource: "home", priority: 5, manners: manners{acks: true, answers: true}})
	}
	for range 200 {
		s.settle()
		s.pass(6 * time.Second)
	}
	s.settle()
	for _, p := range s.people {
		for name, w := range s.waiting(p) {
			s.breach("no end", "%s still waits for %s: %s", name.id, p.bare, w.State)
		}
		rows := s.rows(p)
		for _, l := range s.letters {
			if l.to == p && rows[l.stanza] && (!l.acked || l.again == 0) {
				s.breach("no end", "%s still stands in the store", l)
			}
		}
	}
}

// settle carries out all there is to do, and lets all clients read.
func (s *sim) settle() {
	for range 5000 {
		busy := s.start()
		for len(s.jobs) > 0 {
			s.finish(s.jobs[0])
		}
		for _, p := range s.people {
			for _, l := range append([]*line(nil), p.lines...) {
				for len(l.inbox) > 0 && !l.dark && !l.paused {
					s.read(l)
					busy = true
				}
			}
		}
		s.check()
		if !busy {
			return
		}
	}
	s.breach("no end", "effects without end")
}
