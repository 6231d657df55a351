// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/receipts"

	"mellium.im/xmpp/jid"
)

// A Sender is a client that sends: it has a client.Tracker in the World's time, and a
// link of its own to its server. The World checks what the Tracker says: each message
// has one first result, that a message is Delivered has been said by a client of its
// recipient and by nobody else, and what is Delivered stays so.
type Sender struct {
	world   *World
	address string
	chance  *rand.Rand
	options client.TrackerOptions

	tracker *client.Tracker // nil while its process does not run
	life    int
	link    *uplink // nil while it is offline
	lag     time.Duration
	misses  int // stanzas that are lost on the way to it
	fetched int // of the account's archive

	all     []*tracked
	current map[wireName]*tracked // those that a receipt means
	byID    map[string][]*tracked // the same, by their id
	ticks   bool
	tickAt  time.Duration
}

// An uplink is the link between a Sender and its server.
type uplink struct {
	up, down lane
	lost     bool
}

// Sender returns the Sender of a full address, such as "romeo@montague.example/orchard".
// It is online.
func (w *World) Sender(address string) *Sender {
	if s := w.sender(address); s != nil {
		return s
	}
	account, err := jid.Parse(address)
	if err != nil || account.Resourcepart() == "" {
		w.fatal("untilacktest: %q is no full address", address)
	}
	s := &Sender{
		world: w, address: address, chance: w.chance("sender " + address), link: new(uplink),
		options: client.TrackerOptions{Account: account}, current: make(map[wireName]*tracked), byID: make(map[string][]*tracked),
	}
	s.starts()
	w.senders = append(w.senders, s)
	return s
}

// sender returns the Sender of an address, if there is one.
func (w *World) sender(address string) *Sender {
	for _, s := range w.senders {
		if s.address == address {
			return s
		}
	}
	return nil
}

// Uses sets the settings of the Sender's Tracker, before it has sent anything. Account
// is filled in; Result and Late are called after the World has looked at what they are
// told.
func (s *Sender) Uses(o client.TrackerOptions) *Sender {
	if len(s.all) > 0 {
		s.world.fatal("untilacktest: %s has sent something", s)
	}
	o.Account = s.options.Account
	s.options = o
	s.starts()
	return s
}

// Address returns the Sender's full address.
func (s *Sender) Address() string { return s.address }

// String returns the Sender's full address.
func (s *Sender) String() string { return s.address }

// Tracker returns the Sender's Tracker. It is another one after the Sender has died,
// and nil until it comes back.
func (s *Sender) Tracker() *client.Tracker { return s.tracker }

// starts starts the Sender's process, with what the one before it has left.
func (s *Sender) starts() {
	o := s.options
	o.Result, o.Late = s.tell, s.tellLate
	s.tracker = client.NewTracker(&o)
	s.life++
	s.ticks = false
	clear(s.current)
	clear(s.byID)
	for _, t := range s.all {
		if t.results == 0 {
			sent, err := s.tracker.Expect(s.world.Now(), t.waited)
			if err != nil {
				s.world.breach("one result", t.message, "it can not be expected any more: %v", err)
				return
			}
			t.sent = sent
			s.means(t)
		}
	}
	s.wind()
}

// Sends has the Sender send a chat message, for which its Tracker asks for a receipt.
// While it is offline the write fails, and the message is Cancelled.
func (s *Sender) Sends(to, body string) *Message {
	return s.SendsStanza(fmt.Sprintf("<message type='chat' to='%s' id='%s'><body>%s</body></message>",
		to, s.world.ledger.nextID(), html.EscapeString(body)))
}

// SendsStanza has the Sender send any message with the attributes to and id, through its
// Tracker. Its server adds the from.
func (s *Sender) SendsStanza(stanza string) *Message {
	m := s.sends(stanza)
	if m == nil {
		s.world.fatal("untilacktest: %s has died, and sends", s)
	}
	return m
}

func (s *Sender) sends(stanza string) *Message {
	w := s.world
	if s.tracker == nil {
		s.note("sends", "has died")
		return nil
	}
	out, sent, err := s.tracker.Track(w.Now(), nil, []byte(stanza))
	if err != nil && !errors.Is(err, client.ErrDuplicate) {
		w.fatal("untilacktest: %v: %s", err, stanza)
		return nil
	}
	stamped, err2 := receipts.AppendFrom(nil, out, s.address)
	if err2 != nil {
		w.fatal("untilacktest: %v: %s", err2, stanza)
		return nil
	}
	if m := w.ledger.byStanza[string(stamped)]; m != nil {
		w.fatal("untilacktest: the same bytes were sent before; a sender that repeats them calls SendsAgain: %s", stanza)
		return nil
	}
	m, err2 := w.newMessage(string(stamped))
	if err2 != nil {
		w.fatal("%v", err2)
		return nil
	}
	w.ledger.add(m)
	s.tracks(m, sent, err)
	w.saw(m, s.address, "sends")
	s.writes(m, err == nil)
	return m
}

// SendsAgain has the Sender send a message once more: the same bytes, through its
// Tracker. If the message waits it goes on to wait, and else it waits anew.
func (s *Sender) SendsAgain(m *Message) {
	w := s.world
	if s.tracker == nil {
		s.note("sends again", "has died")
		return
	}
	out, sent, err := s.tracker.Track(w.Now(), nil, []byte(m.stanza))
	if err != nil && !errors.Is(err, client.ErrDuplicate) {
		w.fatal("untilacktest: %v: %s", err, m.stanza)
		return
	}
	if !bytes.Equal(out, []byte(m.stanza)) {
		w.breach("same message", m, "sent again it is %s", out)
	}
	m.again++
	s.tracks(m, sent, err)
	w.saw(m, s.address, "sends again")
	s.writes(m, err == nil)
}

// writes has a message go to the server.
func (s *Sender) writes(m *Message, isNew bool) {
	link := s.link
	if link == nil {
		m.free = m.free || m.again == 0
		s.world.saw(m, s.address, "can not write it")
		if isNew {
			s.cancels(m.tracked)
		}
		return
	}
	s.send(&link.up, func() { s.world.route(m) })
}

// Cancels has the Sender wait no more for what becomes of a message.
func (s *Sender) Cancels(m *Message) {
	if s.tracker == nil || m.tracked == nil || m.tracked.by != s {
		s.note("cancels", "and has not sent it")
		return
	}
	s.world.saw(m, s.address, "cancels")
	s.cancels(m.tracked)
}

func (s *Sender) cancels(t *tracked) {
	t.cancelled = true
	if waited := t.results == 0; t.life == s.life && t.sent.Cancel(s.world.Now()) != waited && t.asks() {
		s.world.breach("one result", t.message, "Cancel says %v", !waited)
	}
	t.cancelled = false
	s.check(t)
	s.wind()
}

// Dies ends the Sender's process, and its connection. Of its messages it has written
// down what the Tracker's All says.
func (s *Sender) Dies() {
	s.note("dies", "")
	s.breaksOff()
	if s.tracker == nil {
		return
	}
	var waiting []client.Waited
	for _, t := range s.all {
		if t.results == 0 {
			waiting = append(waiting, t.waited)
		}
	}
	if kept := slices.Collect(s.tracker.All()); !slices.Equal(kept, waiting) {
		s.world.breach("one result", nil, "%s leaves %v, want %v", s, kept, waiting)
	}
	s.tracker = nil
}

// ComesBack has the Sender connect anew, and start again if it has died: its new
// Tracker expects what the old one has left. What was on the old link is lost.
func (s *Sender) ComesBack() *Sender {
	s.breaksOff()
	s.note("comes back", "")
	s.link = new(uplink)
	if s.tracker == nil {
		s.starts()
	}
	return s
}

// CatchesUp has the Sender fetch from its account's archive (XEP-0313) what has come
// for the account since it did so last.
func (s *Sender) CatchesUp() {
	if s.tracker == nil || s.link == nil {
		s.note("catches up", "is offline")
		return
	}
	own := cache.Bare(s.address)
	archive := s.world.archives[own]
	s.note("catches up", fmt.Sprint(len(archive)-s.fetched, " stanzas"))
	for i, a := range archive[s.fetched:] {
		read := s.fetched + i + 1
		s.send(&s.link.down, func() {
			s.fetched = max(s.fetched, read)
			s.hear(a.result(own, s.address))
		})
	}
}

// Hears has a stanza come to the Sender from an address, as its server routes it: with
// that from, whatever the stanza says itself.
func (s *Sender) Hears(from, stanza string) {
	stamped, err := receipts.AppendFrom(nil, []byte(stanza), from)
	if err != nil {
		s.world.fatal("untilacktest: %v: %s", err, stanza)
		return
	}
	s.world.note(from, "says to "+s.address, stanza)
	s.gets(string(stamped))
}

// gets has a stanza go to the Sender over its link.
func (s *Sender) gets(stanza string) {
	if s.link == nil {
		s.note("is offline", stanza)
		return
	}
	s.send(&s.link.down, func() { s.hear(stanza) })
}

// hear has the Sender read a stanza.
func (s *Sender) hear(stanza string) {
	if s.tracker == nil {
		return
	}
	if s.misses > 0 {
		s.misses--
		s.note("misses", stanza)
		return
	}
	s.note("reads", stanza)
	means := s.proves(stanza)
	news := s.tracker.Receive(s.world.Now(), []byte(stanza))
	if news && len(means) == 0 {
		s.world.breach("no forged receipt", nil, "%s believes %s", s, stanza)
	}
	for _, t := range means {
		s.check(t)
		if !news && s.remembers(t) {
			s.world.breach("one result", t.message, "it was %s, and %s passes over %s", t.first, s, stanza)
		}
	}
	s.wind()
}

// wind sets the clock for the Tracker's next deadline.
func (s *Sender) wind() {
	w := s.world
	next, ok := s.tracker.Next()
	if !ok {
		return
	}
	at := max(w.now, next.Sub(dawn))
	if s.ticks && s.tickAt <= at {
		return
	}
	s.ticks, s.tickAt = true, at
	life := s.life
	w.after(at-w.now, func() {
		if s.tracker == nil || s.life != life || !s.ticks || s.tickAt != at {
			return
		}
		s.ticks = false
		for r := range s.tracker.Due(w.Now()) {
			s.isDue(r)
		}
		s.wind()
	})
}

func (s *Sender) note(did, what string) { s.world.note(s.address, did, what) }
