// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"fmt"
	"html"
	"strings"
	"time"

	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/receipts"
)

// send has something happen at the other end of the Sender's link, in its turn.
func (s *Sender) send(l *lane, do func()) {
	w, link := s.world, s.link
	at := max(l.free, w.now+w.stretch(w.options.Latency, s.chance)) + s.lag
	l.free = at
	w.after(at-w.now, func() {
		if !link.lost {
			l.arrive(func() {
				if !link.lost {
					do()
				}
			})
		}
	})
}

// GoesDark has the Sender's link carry nothing any more, in either direction, until it
// Resurfaces. What is written meanwhile is lost if the Sender ComesBack.
func (s *Sender) GoesDark() { s.darkens("goes dark", true, true) }

// GoesDeaf has the link carry nothing to the Sender.
func (s *Sender) GoesDeaf() { s.darkens("goes deaf", true, false) }

// GoesMute has the link carry nothing from the Sender.
func (s *Sender) GoesMute() { s.darkens("goes mute", false, true) }

func (s *Sender) darkens(did string, down, up bool) {
	if s.online(did) {
		s.link.down.dark = s.link.down.dark || down
		s.link.up.dark = s.link.up.dark || up
	}
}

// Resurfaces ends that the link is dark: what it held arrives.
func (s *Sender) Resurfaces() {
	if s.online("resurfaces") {
		link := s.link
		link.up.clear()
		link.down.clear()
	}
}

// Vanishes has everything be lost that is on the Sender's link from now on, though the
// connection stays open.
func (s *Sender) Vanishes() {
	if s.online("vanishes") {
		s.link.up.swallows, s.link.down.swallows = true, true
	}
}

// Lags has the link take so much longer in either direction, from now on.
func (s *Sender) Lags(d time.Duration) {
	s.note("lags", d.String())
	s.lag = d
}

// Misses has the next n stanzas be lost that come to the Sender, receipts for instance.
func (s *Sender) Misses(n int) {
	s.note("misses", fmt.Sprint(n, " stanzas"))
	s.misses = n
}

// Disconnects breaks the Sender's connection. What was under way is lost, and what it
// sends until it ComesBack is Cancelled.
func (s *Sender) Disconnects() {
	s.note("disconnects", "")
	s.breaksOff()
}

func (s *Sender) breaksOff() {
	if s.link != nil {
		s.link.lost = true
		s.link = nil
	}
}

// online reports whether there is a connection, and notes what it does.
func (s *Sender) online(did string) bool {
	if s.link == nil {
		s.note(did, "is offline")
		return false
	}
	s.note(did, "")
	return true
}

// recovers ends all faults of the Sender's.
func (s *Sender) recovers() {
	s.lag, s.misses = 0, 0
	if s.link == nil || s.link.up.swallows {
		s.ComesBack()
	} else {
		s.Resurfaces()
	}
	s.CatchesUp()
}

// An archived stanza is one in the archive of a sender's account.
type archived struct {
	at     time.Time
	stanza string
}

// carry has a stanza of a recipient's client go on to the Senders that it is to: as it
// is, stamped with who sent it. The account's other Senders get a carbon copy (XEP-0280)
// of what is to one of them, and the archive keeps it unless it is an error.
func (w *World) carry(by, stanza string) {
	if len(w.senders) == 0 {
		return
	}
	stamped, err := receipts.AppendFrom(nil, []byte(stanza), by)
	if err != nil {
		return
	}
	m, err := receipts.Scan(stamped)
	if err != nil {
		return
	}
	stanza = string(stamped)
	to, isError := m.To.String(), m.Type == "error"
	own := cache.Bare(to)
	if !isError {
		w.archive(own, stanza)
	}
	for _, s := range w.senders {
		switch {
		case cache.Bare(s.address) != own:
		case s.address == to, to == own:
			s.gets(stanza)
		case !isError && m.Type != "groupchat":
			s.gets(wrapped(own, s.address, "received", "urn:xmpp:carbons:2", "", stanza))
		}
	}
}

// archive puts a stanza into the archive of an account that has a Sender.
func (w *World) archive(own, stanza string) {
	for _, s := range w.senders {
		if cache.Bare(s.address) == own {
			if w.archives == nil {
				w.archives = make(map[string][]archived)
			}
			w.archives[own] = append(w.archives[own], archived{w.Now(), stanza})
			return
		}
	}
}

// result returns what an archive answers to whoever fetches the stanza.
func (a archived) result(own, to string) string {
	stamp := fmt.Sprintf("<delay xmlns='%s' stamp='%s'/>", delayNS, a.at.UTC().Format("2006-01-02T15:04:05.999Z"))
	return wrapped(own, to, "result", "urn:xmpp:mam:2", stamp, a.stanza)
}

// wrapped returns a stanza inside of another one that says to forward it.
func wrapped(from, to, element, ns, stamp, stanza string) string {
	inner := strings.Replace(stanza, "<message", "<message xmlns='jabber:client'", 1)
	return fmt.Sprintf("<message from='%s' to='%s'><%s xmlns='%s'><forwarded xmlns='urn:xmpp:forward:0'>%s%s</forwarded></%[3]s></message>",
		from, to, element, ns, stamp, inner)
}

// returns has a message go back to its Sender with an error of the server's.
func (w *World) returns(m *Message, condition string) {
	if s := w.sender(m.from); s != nil {
		s.gets(fmt.Sprintf("<message type='error' from='%s' to='%s' id='%s'><error type='wait'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
			m.scan.To, m.from, html.EscapeString(m.id), condition))
	}
}
