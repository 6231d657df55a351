// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

var background = context.Background()

// work begins effects, and finishes some that are under way.
func (s *sim) work(n int) {
	for range n {
		if len(s.jobs) > 0 && (s.dice.one(2) || !s.dice.left()) {
			s.finish(s.jobs[s.dice.of(len(s.jobs))])
			continue
		}
		if !s.start() && len(s.jobs) == 0 {
			return
		}
	}
}

// start begins the next effect.
func (s *sim) start() bool {
	e, ok := s.keeper.Next()
	if !ok {
		return false
	}
	begun := s.keeper.Begin(s.now, e)
	s.note("begin %v: %v", e, begun)
	if !begun {
		return true
	}
	j := &job{effect: e, since: s.now}
	s.jobs = append(s.jobs, j)
	if l := s.lineOf(e.Stream); l != nil && e.Kind != untilack.EndStream {
		l.open, j.line = j, l
	}
	if e.Kind == untilack.WriteStanza {
		s.checkWrite(s.lineOf(e.Stream), string(e.Stanza))
	}
	if s.dice.one(2) {
		s.do(j) // at once; its result comes later
	}
	return true
}

func (s *sim) lineOf(stream *untilack.Stream) *line {
	for _, p := range s.people {
		for _, l := range p.lines {
			if l.Stream == stream {
				return l
			}
		}
	}
	return nil
}

// do does what an effect asks for.
func (s *sim) do(j *job) {
	e := j.effect
	j.done = true
	switch e.Kind {
	case untilack.WriteStanza, untilack.ProbeStream:
		j.result.Err = errSim
		if l := s.lineOf(e.Stream); l != nil {
			j.result.Err = s.put(l, string(e.Stanza))
		}
		if e.Kind == untilack.WriteStanza && errors.Is(j.result.Err, untilack.ErrBusy) {
			l := s.letterOf(string(e.Stanza))
			l.written--
			l.line = s.lineOf(e.Stream) // which it waits for now
		}
	case untilack.EndStream:
		if l := s.lineOf(e.Stream); l != nil {
			s.gone(l)
			if s.dice.one(2) {
				s.keeper.Close(s.now, l.Stream)
			}
		}
	case untilack.RunAction:
		j.result.Outcome, j.result.Err = e.Action.Act(background, e.Packet)
	default:
		s.callStore(j)
	}
}

func (s *sim) callStore(j *job) {
	e := j.effect
	if s.faults && s.dice.one(5) {
		defer func() { j.result.Err = errSim }()
		s.hurt(e.Rows)
		s.worn = true
		for _, identity := range e.Identities {
			for _, l := range s.letters {
				l.hurt = l.hurt || l.id == identity.ID && l.sender == identity.From
			}
		}
		if s.dice.one(2) {
			return
		}
		s.note("the store lies")
	}
	switch e.Kind {
	case untilack.StoreRows:
		j.result.Errs = s.store.Put(background, e.Rows...)
	case untilack.DeleteRows:
		j.result.Err = s.store.Delete(background, e.Identities...)
	case untilack.ListRows:
		j.result.Rows, j.result.Err = s.store.List(background, e.Recipient, e.After, e.Limit)
	}
}

// finish ends a job.
func (s *sim) finish(j *job) {
	if !j.done {
		s.do(j)
	}
	s.end(j, j.result)
}

func (s *sim) end(j *job, r untilack.Result) {
	s.jobs = slices.DeleteFunc(s.jobs, func(other *job) bool { return other == j })
	if j.line != nil {
		j.line.open = nil
	}
	s.note("finish %v: %v %v, %d rows, %v", j.effect.Kind, r.Err, r.Errs, len(r.Rows), r.Outcome)
	s.keeper.Finish(s.now, j.effect, r)
}

// pass lets time pass, deadline by deadline.
func (s *sim) pass(d time.Duration) {
	end := s.now.Add(d)
	for n := 0; s.now.Before(end); n++ {
		next, ok := s.keeper.NextTick()
		if !ok || next.After(end) || n > 1000 {
			next = end
		}
		if limit := s.now.Add(5 * time.Second); len(s.jobs)+len(s.held) > 0 && next.After(limit) {
			next = limit
		}
		if next.After(s.now) {
			s.now = next
		}
		s.keeper.Tick(s.now)
		s.check()
		for d > time.Second && s.start() { // nobody leaves them lying for long
		}
		for _, j := range slices.Clone(s.jobs) {
			if s.now.Sub(j.since) >= 5*time.Second {
				s.overrun(j)
			}
		}
		for len(s.held) > 0 && s.now.Sub(s.held[0].since) >= 10*time.Second {
			s.goOn(0)
		}
	}
	s.note("time has passed")
}

// overrun ends a job that takes too long.
func (s *sim) overrun(j *job) {
	if j.done || !s.dice.left() || s.dice.one(2) {
		s.finish(j)
		return
	}
	if e := j.effect; e.Kind >= untilack.StoreRows {
		s.worn = true
		s.hurt(e.Rows)
	}
	if e := j.effect; e.Kind == untilack.DeleteRows {
		for _, l := range s.letters {
			l.hurt = true
		}
	}
	s.end(j, untilack.Result{Err: untilack.ErrOverran})
}

// read lets a client read the next stanza.
func (s *sim) read(l *line) {
	if l.dark || l.closed || l.paused {
		return
	}
	if len(l.inbox) == 0 {
		if !l.lossy && l.open == nil {
			s.keeper.ReadUpTo(s.now, l.Stream, s.keeper.Mark(l.Stream))
		}
		return
	}
	stanza := l.inbox[0]
	l.inbox = l.inbox[1:]
	s.hear(l, stanza)
}

// hear has a client work on a stanza.
func (s *sim) hear(l *line, stanza string) {
	if strings.HasPrefix(stanza, "<iq") {
		if l.manners.answers {
			s.say(l, "<iq type='result' id='"+attribute(stanza, "id")+"'/>")
		}
		return
	}
	m := s.letterOf(stanza)
	m.heard++
	s.note("%s reads %s", l, m)
	if !l.manners.acks {
		return
	}
	m.acked = true
	answer := receiptTo(m.sender, m.id)
	if l.manners.rejects {
		answer = message("error", "", m.sender, m.id, "")
	} else if l.manners.bare {
		answer = receiptTo(cache.Bare(m.sender), m.id)
	}
	s.say(l, answer)
	if !m.reused && s.dice.one(10) {
		s.say(l, answer)
	}
}

// say has a client say something.
func (s *sim) say(l *line, stanza string) {
	s.note("%s says %s", l, stanza)
	forward := s.keeper.Incoming(s.now, l.Stream, []byte(stanza))
	if forward == strings.HasPrefix(stanza, "<iq") && forward == false {
		s.breach("no forged receipt", "a receipt is not routed on: %s", stanza)
	}
}

// forge has somebody else acknowledge a message.
func (s *sim) forge(p *person) {
	if len(s.letters) == 0 {
		return
	}
	m := s.letters[s.dice.of(len(s.letters))]
	if l := p.any(s.dice); l != nil && m.to != p {
		s.say(l, message("chat", m.to.bare, m.sender, "", received(m.id)))
	}
	if l := m.to.any(s.dice); l != nil {
		s.say(l, receiptTo(tybalt, m.id))
	}
}

func (s *sim) block(p *person) {
	s.note("%s blocks %s", p.bare, percy)
	p.blocked[percy] = true
	s.keeper.Block(s.now, p.bare, percy)
}

// crash kills the process, and starts another over the same store.
func (s *sim) crash() {
	s.note("crash")
	for _, j := range s.jobs {
		if !j.done && s.dice.one(2) && j.effect.Kind >= untilack.RunAction {
			s.do(j)
		}
	}
	for _, h := range s.held {
		h.letter.untracked = true // its sender was never told that it is safe
	}
	for _, w := range s.away {
		w.letter.untracked = true
	}
	for _, p := range s.people {
		for _, l := range slices.Clone(p.lines) {
			s.gone(l)
		}
		waiting := s.waiting(p)
		for _, l := range s.letters {
			if w, waits := waiting[l.name()]; waits && w.State == untilack.InStore && l.to == p {
				l.untracked = true // nor was the sender of one whose row is not there yet
			}
		}
	}
	for _, l := range s.letters {
		l.mail, l.line = true, nil
		l.settled = false // the row may have outlived its receipt
		l.hurt = l.hurt || l.kind.marks.Has(cache.Volatile)
	}
	s.jobs, s.held, s.away = nil, nil, nil
	s.wake()
}

// rows returns the stanzas in the store.
func (s *sim) rows(p *person) map[string]bool {
	stored := make(map[string]bool)
	for row, err := range actions.All(background, s.store, p.bare) {
		if err != nil {
			panic(err)
		}
		stored[string(row.Packet.Stanza)] = true
	}
	return stored
}
