// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestAhead has messages come faster than the store takes them, to one who is there, one who
// is not, and nobody. What the server answers after some of them says that they are in the
// store, and they are delivered in order, with what is never stored between them.
func TestAhead(t *testing.T) {
	t.Parallel()
	for name, memory := range map[string]bool{"on disk": false, "in memory": true} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t)
			c.AckWait, c.Memory = patience, memory
			s := start(t, c)
			romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
			juliet := dial(t, s.Addr.TCP).login("juliet", "balcony").present()
			// Until the mail of a client that has just come is read, messages wait behind it, and
			// what is never kept does not.
			romeo.stanza("<message to='juliet@localhost' id='first' type='chat'>%s</message>", ask)
			juliet.element("message", "id='first'")
			juliet.acknowledge("romeo@localhost/orchard", "first")
			romeo.element("message", "id='rfirst'")
			const rounds, each = 10, 40
			var all strings.Builder
			for round := range rounds {
				for i := range each {
					fmt.Fprintf(&all, "<message to='juliet@localhost' id='m%d-%d' type='chat'>%s</message>", round, i, ask)
					switch i {
					case 10:
						fmt.Fprintf(&all, "<message to='juliet@localhost' id='m%d-typing' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>", round)
					case 20:
						fmt.Fprintf(&all, "<message to='nurse@localhost' id='n%d' type='chat'>%s</message>", round, ask)
					case 30:
						fmt.Fprintf(&all, "<message to='nobody@localhost' id='x%d' type='chat'>%s</message>", round, ask)
					}
				}
				fmt.Fprintf(&all, "<iq type='get' id='q%d' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>", round)
			}
			go func() { _, _ = romeo.conn.Write([]byte(all.String())) }() // what is lost is missed below
			for round := range rounds {
				romeo.await(fmt.Sprintf("id='q%d'", round))
				if got, want := s.waits(t), each*(round+1); !memory && got < want {
					t.Errorf("round %d: %d messages are in the store when the server answers, want at least %d", round, got, want)
				}
			}
			for round := range rounds {
				for i := range each {
					next := juliet.await("</message>")
					contains(t, next, fmt.Sprintf("id='m%d-%d'", round, i))
					if i == 10 {
						contains(t, juliet.await("</message>"), fmt.Sprintf("id='m%d-typing'", round))
					}
				}
			}
			nurse := dial(t, s.Addr.TCP).login("nurse", "pantry").present()
			for round := range rounds {
				contains(t, nurse.await("</message>"), fmt.Sprintf("id='n%d'", round), "<delay ")
			}
		})
	}
}
