// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

var errSim = errors.New("simulated fault")

// step lets one thing happen.
func (s *sim) step() {
	p := s.people[s.dice.of(len(s.people))]
	switch n := s.dice.of(24); n {
	case 0, 1:
		s.connect(p)
	case 2, 3, 4, 5:
		s.send(p)
	case 6:
		s.resend(p)
	case 7, 8, 9, 10:
		s.work(1 + s.dice.of(4))
	case 11:
		s.work(100)
	case 12:
		s.store1()
	case 13, 14:
		s.pass([]time.Duration{time.Millisecond, 200 * time.Millisecond, time.Second, 6 * time.Second,
			31 * time.Second, 3 * time.Minute, time.Hour, 25 * time.Hour}[s.dice.of(8)])
	case 15:
		if s.dice.one(4) {
			s.forge(p)
		} else if s.dice.one(6) {
			s.block(p)
		} else if s.dice.one(6) && s.config.PersistAfter == 0 && !s.faults && !s.limits {
			s.crash()
		}
	default:
		if l := p.any(s.dice); l != nil {
			s.disturb(l, n)
		}
	}
}

// disturb lets something happen to a line.
func (s *sim) disturb(l *line, n int) {
	switch n {
	case 16, 17, 18, 19:
		for range 1 + s.dice.of(3) {
			s.read(l)
		}
	case 20:
		s.hangUp(l, s.dice.one(2))
	case 21:
		s.note("%s goes dark", l)
		l.dark, l.lossy = true, l.lossy || len(l.inbox) > 0
		l.inbox = nil
	case 22:
		s.presence(l)
	case 23:
		s.hinder(l)
	}
}

func (p *person) any(d *dice) *line {
	if len(p.lines) == 0 {
		return nil
	}
	return p.lines[d.of(len(p.lines))]
}

// best is the line to which a host sends what is for the bare address.
func (p *person) best() (best *line) {
	for _, l := range p.lines {
		if !l.away && l.priority >= 0 && (best == nil || l.priority >= best.priority) {
			best = l
		}
	}
	return best
}

func (p *person) on(resource string) *line {
	for _, l := range p.lines {
		if l.resource == resource {
			return l
		}
	}
	return nil
}

func (s *sim) connect(p *person) {
	d := s.dice
	l := &line{person: p, resource: []string{"a", "b", "c"}[d.of(3)], priority: d.of(3) - d.of(2), away: d.one(8)}
	l.manners = manners{acks: !d.one(3), answers: !d.one(3), bare: d.one(4), rejects: d.one(8)}
	s.open(l)
}

func (s *sim) open(l *line) {
	if old := l.person.on(l.resource); old != nil {
		s.gone(old)
	}
	s.lines++
	l.number = s.lines
	s.note("line %d opens for %s/%s, priority %d, away %v, %+v", l.number, l.person.bare, l.resource, l.priority, l.away, l.manners)
	stream, err := s.keeper.Open(s.now, l.person.bare+"/"+l.resource, &untilack.StreamOptions{Away: l.away, Priority: l.priority})
	if err != nil {
		panic(err)
	}
	l.Stream = stream
	l.person.lines = append(l.person.lines, l)
}

// gone takes a line out of use.
func (s *sim) gone(l *line) {
	l.closed, l.inbox = true, nil
	l.person.lines = slices.DeleteFunc(l.person.lines, func(m *line) bool { return m == l })
}

func (s *sim) hangUp(l *line, clean bool) {
	s.note("%s closes, clean %v", l, clean)
	said := l.inbox
	s.gone(l)
	if clean && s.dice.one(2) {
		s.keeper.Presence(s.now, l.Stream, false, 0)
	}
	s.keeper.Close(s.now, l.Stream)
	if s.dice.one(3) { // what it had said is still on its way
		for _, stanza := range said {
			s.hear(l, stanza)
		}
	}
}

func (s *sim) presence(l *line) {
	l.away, l.priority = s.dice.one(3), s.dice.of(3)-s.dice.of(2)
	s.note("%s: away %v, priority %d", l, l.away, l.priority)
	s.worn = s.worn || l.priority < 0 // what it has may come after what is stored meanwhile
	s.keeper.Presence(s.now, l.Stream, !l.away, l.priority)
}

// hinder stops a line, or lets it go on.
func (s *sim) hinder(l *line) {
	switch {
	case l.busy:
		s.note("%s has room again", l)
		l.busy = false
		s.keeper.Ready(s.now, l.Stream)
	case l.paused:
		s.note("%s goes on", l)
		l.paused = false
		s.keeper.Resume(s.now, l.Stream)
	case s.dice.one(2):
		s.note("%s gets busy", l)
		l.busy = true
	default:
		s.note("%s is paused", l)
		l.paused = true
		s.keeper.Pause(s.now, l.Stream)
	}
}

// send sends a new message to somebody.
func (s *sim) send(p *person) {
	d := s.dice
	s.now = s.now.Add(time.Millisecond) // no two messages come at the same time
	l := &letter{
		number: len(s.letters) + 1, to: p, kind: kinds[d.of(len(kinds))], received: s.now,
		sender: []string{westminster, york, bob + "/den"}[d.of(3)],
	}
	l.id = fmt.Sprint("m", l.number)
	to := p.bare
	if l.kind.full {
		l.resource = []string{"a", "b"}[d.of(2)]
		to += "/" + l.resource
	}
	for _, other := range s.letters {
		if other.to == p && other.sender == l.sender && d.one(12) {
			l.id, l.reused, other.reused = other.id, true, true
			break
		}
	}
	kind := "normal"
	if l.kind.chat {
		kind = "chat"
	}
	// Its length tells a letter from every other.
	l.stanza = message(kind, l.sender, to, l.id, "<body></body>"+l.kind.children)
	text := strings.Repeat("x", 500+l.number-len(l.stanza))
	l.stanza = strings.Replace(l.stanza, "<body>", "<body>"+text, 1)
	if p.blocked[cache.Bare(l.sender)] || s.pairIsHeld(l) {
		return
	}
	s.letters = append(s.letters, l)
	s.route(l)
}

func (s *sim) resend(p *person) {
	if len(s.letters) == 0 {
		return
	}
	l := s.letters[s.dice.of(len(s.letters))]
	if l.to != p || p.blocked[cache.Bare(l.sender)] || l.reused || s.pairIsHeld(l) {
		return
	}
	l.again++
	s.route(l)
}

// pairIsHeld reports whether an older message of the same two is with the host.
func (s *sim) pairIsHeld(l *letter) bool {
	return slices.ContainsFunc(s.held, func(h *holding) bool { return h.letter.to == l.to && h.letter.sender == l.sender }) ||
		slices.ContainsFunc(s.away, func(w *leaving) bool { return w.letter.to == l.to && w.letter.sender == l.sender })
}

// route does what a host does with a message (RFC 6121 §8.5).
func (s *sim) route(l *letter) {
	to := l.to.best()
	if l.resource != "" {
		if there := l.to.on(l.resource); there != nil {
			to = there
		} else if !l.kind.chat || l.kind.marks.Has(cache.Pinned) {
			return
		}
	}
	if to == nil {
		s.leave(l)
		return
	}
	if to.open != nil {
		s.finish(to.open)
		if to.closed {
			s.route(l)
			return
		}
	}
	s.note("%s goes to %s", l, to)
	a := s.keeper.Outgoing(s.now, to.Stream, []byte(l.stanza))
	s.note("  %s kept %v", a.Verdict, a.Kept)
	if a.Verdict == untilack.Persist {
		s.held = append(s.held, &holding{line: to, letter: l, admission: a, since: s.now})
		return
	}
	s.admitted(to, l, a)
	if other := l.to.any(s.dice); l.resource == "" && other != nil && other != to && other.open == nil && s.dice.one(6) {
		l.again++ // to all resources (RFC 6121 §8.5.2.1.1)
		s.note("%s goes to %s too", l, other)
		if a := s.keeper.Outgoing(s.now, other.Stream, []byte(l.stanza)); a.Verdict == untilack.Persist {
			s.held = append(s.held, &holding{line: other, letter: l, admission: a, since: s.now})
		} else {
			s.admitted(other, l, a)
		}
	}
}

// admitted carries on with the Keeper's word on a message.
func (s *sim) admitted(to *line, l *letter, a untilack.Admission) {
	l.kept, l.line = l.kept || a.Kept, nil
	l.untracked = l.untracked || !a.Kept
	if a.Verdict == untilack.Queue {
		l.line = to
		return
	}
	s.checkOrder(to, l)
	err := s.put(to, l.stanza)
	if !errors.Is(err, untilack.ErrBusy) {
		l.written++
	}
	if err != nil {
		l.line = to
		s.note("  it can not be written: %v", err)
		if !errors.Is(err, untilack.ErrBusy) {
			s.gone(to)
		}
		s.keeper.Failed(s.now, to.Stream, a, err)
	}
}

// put is what a connection does with a stanza.
func (s *sim) put(to *line, stanza string) error {
	switch {
	case to.closed:
		return errSim
	case to.busy:
		return untilack.ErrBusy
	case s.dice.one(40):
		return errSim
	case to.dark:
		to.lossy = true
	default:
		to.inbox = append(to.inbox, stanza)
	}
	return nil
}

// leave is a message's way when nobody is online.
func (s *sim) leave(l *letter) {
	l.mailed = true
	p, online, err := s.keeper.Away(l.received, []byte(l.stanza))
	s.note("%s finds nobody: online %v, %v", l, online, err)
	switch {
	case errors.Is(err, untilack.ErrLater):
		s.away = append(s.away, &leaving{letter: l, later: true})
	case err != nil:
		l.untracked = true
	case online:
		l.kept = true
	default:
		s.away = append(s.away, &leaving{letter: l, packet: p})
	}
}

// store1 goes on with one message that is with the host.
func (s *sim) store1() {
	switch {
	case len(s.held) > 0:
		s.goOn(s.dice.of(len(s.held)))
	case len(s.away) > 0:
		w := s.away[0]
		s.away = s.away[1:]
		if w.later && s.blocks(w.letter.to.bare, w.letter.sender) {
			w.letter.untracked = true
			return
		}
		if w.later {
			s.leave(w.letter)
			return
		}
		outcome, err := s.keep(background, w.packet)
		err = s.keeper.Taken(s.now, w.packet, outcome, err)
		s.note("%s is taken: %v %v", w.letter, outcome, err)
		if err == nil {
			w.letter.kept = true
		} else {
			w.letter.untracked = true
		}
	}
}

// goOn goes on with an admission: its rows are put, and later the Keeper is told.
func (s *sim) goOn(n int) {
	h := s.held[n]
	if !h.put {
		h.put = true
		if s.faults && s.dice.one(3) {
			s.note("the store fails on %s", h.letter)
			s.hurt(h.admission.Rows)
			if s.dice.one(2) { // it lies
				s.store.Put(background, h.admission.Rows...)
			}
			h.errs = slices.Repeat([]error{errSim}, len(h.admission.Rows))
		} else {
			h.errs = s.store.Put(background, h.admission.Rows...)
		}
		return
	}
	if h.line.open != nil {
		s.finish(h.line.open)
	}
	s.held = slices.DeleteFunc(s.held, func(other *holding) bool { return other == h })
	a := s.keeper.Persisted(s.now, h.line.Stream, h.admission, h.errs)
	s.note("%s is stored %v: %s", h.letter, h.errs == nil, a.Verdict)
	s.admitted(h.line, h.letter, a)
}

// hurt notes that the store has failed on some rows.
func (s *sim) hurt(rows []actions.Row) {
	s.worn = true
	for _, r := range rows {
		s.letterOf(string(r.Packet.Stanza)).hurt = true
	}
}
