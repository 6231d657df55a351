// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/untilack/untilack/client"
)

// bothEnds has all who send in a World be Senders, and clients be proper.
func (s Setup) bothEnds(w *World) {
	w.bothEnds, w.expect = s.BothEnds, s.Expectant
	w.manners.Proper = s.BothEnds
}

// sends has a Sender send a message: the Tracker puts the request in.
func (w *World) sends(who, to, id, kind, body, payload string) {
	s := w.sender(who)
	if s == nil {
		s = w.Sender(who).Uses(client.TrackerOptions{Retention: w.expect})
	}
	if strings.HasPrefix(body, "<body>") {
		payload = strings.Replace(payload, request, "", 1)
	}
	s.sends(fmt.Sprintf("<message type='%s' to='%s' id='%s'>%s%s</message>", kind, to, id, body, payload))
}

// senderVerbs are what steps of a Sender do.
var senderVerbs = map[string]func(s *Sender, with string) error{
	"goes dark":   senderDoes((*Sender).GoesDark),
	"goes deaf":   senderDoes((*Sender).GoesDeaf),
	"goes mute":   senderDoes((*Sender).GoesMute),
	"resurfaces":  senderDoes((*Sender).Resurfaces),
	"vanishes":    senderDoes((*Sender).Vanishes),
	"disconnects": senderDoes((*Sender).Disconnects),
	"dies":        senderDoes((*Sender).Dies),
	"comes back":  senderDoes(func(s *Sender) { s.ComesBack() }),
	"catches up":  senderDoes((*Sender).CatchesUp),
	"lags": func(s *Sender, with string) error {
		d, err := time.ParseDuration(with)
		s.Lags(d)
		return err
	},
	"misses": func(s *Sender, with string) error {
		n, err := strconv.Atoi(with)
		s.Misses(n)
		return err
	},
	"cancels": func(s *Sender, with string) error {
		if m := s.world.newest(s.address, with); m != nil {
			s.Cancels(m)
		}
		return nil
	},
}

func senderDoes(do func(*Sender)) func(*Sender, string) error {
	return func(s *Sender, _ string) error {
		do(s)
		return nil
	}
}

// senderAlone is a step that only a Sender can do. One that has not sent anything yet
// has nothing to do.
func senderAlone(*World, string, string) error { return nil }

// catchesUp is a step of a client, or of a Sender that has not sent anything yet.
func catchesUp(w *World, who, _ string) error {
	if c := w.clients[who]; c != nil {
		c.CatchesUp()
	}
	return nil
}

// forges is a step like "receipt of m1 to romeo@montague.example/orchard": somebody has
// seen the id of a message, and lies about it to its sender.
func forges(w *World, who, with string) error {
	lie, rest, _ := strings.Cut(with, " of ")
	id, to, ok := strings.Cut(rest, " to ")
	forged := lies[lie]
	if !ok || forged == nil {
		return fmt.Errorf("nobody forges %q", with)
	}
	if s, m := w.sender(to), w.newest(to, id); s != nil && m != nil {
		s.Hears(who, forged(m))
	}
	return nil
}

// lies are what somebody who has seen a message may say to its sender.
var lies = map[string]func(m *Message) string{
	"receipt": func(m *Message) string { return Manners{}.receipt(m.from, m.id) },
	"old receipt": func(m *Message) string {
		return Manners{OldForm: true}.receipt(m.from, m.id)
	},
	"error": rejection,
	"returned receipt": func(m *Message) string { // it answers one, whoever it is from
		return strings.Replace(Manners{SameID: true}.receipt(m.from, m.id), "type='chat'", "type='error'", 1)
	},
	"carbon": func(m *Message) string {
		return wrapped(m.account.bare, m.from, "received", "urn:xmpp:carbons:2", "", receiptBy(m))
	},
	"archive": func(m *Message) string {
		return wrapped(m.account.bare, m.from, "result", "urn:xmpp:mam:2", "", receiptBy(m))
	},
	"error in a carbon": func(m *Message) string {
		inner := fmt.Sprintf("<message type='error' from='%s' to='%s' id='%s'/>", m.scan.To, m.from, m.id)
		return wrapped(m.account.bare, m.from, "received", "urn:xmpp:carbons:2", "", inner)
	},
}

// receiptBy is a receipt as if the recipient of a message had sent it.
func receiptBy(m *Message) string {
	return strings.Replace(Manners{}.receipt(m.from, m.id), "<message", "<message from='"+m.account.bare+"/a'", 1)
}

// lieKinds are the names of lies, in an order that never changes.
var lieKinds = []string{"receipt", "old receipt", "error", "carbon", "archive", "error in a carbon"}

// liars are at addresses that look like others.
var liars = []string{
	"tybalt@" + DefaultDomain + "/tomb", "juliet@" + DefaultDomain + ".verona.example/a", "juliet@verona.example/a",
	"xjuliet@" + DefaultDomain + "/a", "romeo@montague.example.verona.example/orchard", "mercutio@montague.example/square", "verona.example",
}

// An endsAuthor makes up what happens besides in one World of eight, at the senders'
// end. It has a chance of its own, so that the same number goes on to give the same
// script but for that.
type endsAuthor struct {
	*author
	main *author
}

// bothEndsAuthor returns the one of a World, or nil.
func bothEndsAuthor(main *author, s *Setup) *endsAuthor {
	if s.Seed%8 != 6 {
		return nil
	}
	b := &endsAuthor{&author{chance: rand.New(rand.NewPCG(s.Seed, 1840)), accounts: main.accounts}, main}
	s.BothEnds, s.Expectant = true, pick(b.author, 0, 30*time.Second, 10*time.Minute)
	return b
}

// goesOn returns a step, and what comes after it.
func (b *endsAuthor) goesOn(s Step) []Step {
	if b == nil {
		return []Step{s}
	}
	b.now, b.sent = b.main.now, b.main.sent
	steps := []Step{s}
	if s.Does == "logs in" && b.one(2) {
		steps = append(steps, b.does(s.Who, "behaves", writeSettings(b.manners())))
	}
	if s.Does == "comes back" && b.one(2) {
		steps = append(steps, b.does(s.Who, "catches up", ""))
	}
	for len(b.sent) > 0 && b.one(3) {
		steps = append(steps, b.step())
	}
	return steps
}

// step makes up what happens at the senders' end.
func (b *endsAuthor) step() Step {
	m := pick(b.author, b.sent...)
	switch n := b.chance.IntN(14); {
	case n < 3:
		if b.one(6) {
			return b.does(m.to, "forges", "returned receipt of "+m.id+" to "+m.from)
		}
		return b.does(pick(b.author, liars...), "forges", pick(b.author, lieKinds...)+" of "+m.id+" to "+m.from)
	case n == 3:
		return b.does(m.from, "cancels", m.id)
	case n == 4:
		return b.does(m.from, "sends again", m.id)
	case n == 5: // an id of another's, or of another message of its own
		return b.does(pick(b.author, senders...), "sends", "chat to "+pick(b.author, b.accounts...)+" id="+m.id)
	case n == 6:
		return b.does(m.from, "misses", fmt.Sprint(1+b.chance.IntN(3)))
	case n == 7:
		return b.does(m.from, "lags", pick(b.author, 0, 100*time.Millisecond, 5*time.Second).String())
	case n < 10: // soon after it was sent first
		m = b.sent[len(b.sent)-1]
		return b.does(m.from, "sends again", m.id)
	default:
		return b.does(m.from, pick(b.author, "goes dark", "goes deaf", "goes mute", "resurfaces", "resurfaces", "vanishes",
			"disconnects", "dies", "comes back", "comes back", "comes back", "comes back", "catches up"), "")
	}
}

// manners are those of a client with a client.Responder.
func (b *endsAuthor) manners() Manners {
	m := Manners{
		Proper: true, Journal: b.one(2), Twice: b.one(4), ToBare: b.one(4), Silent: b.one(12), Rejects: b.one(4),
		Disorderly: b.one(4), IgnoresPings: b.one(8),
		Delay: pick(b.author, 0, 30*time.Millisecond, time.Second, 40*time.Second),
		Fails: pick(b.author, 0, 0, 2), Reconnects: pick(b.author, 0, time.Second),
	}
	if b.one(4) {
		m.DiesAfter = 1 + b.chance.IntN(3)
	}
	return m
}
