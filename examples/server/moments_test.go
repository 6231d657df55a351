// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// send has romeo send messages to juliet's bare address, the numbers from first on.
func (c *raw) send(first, count int) {
	c.t.Helper()
	for i := first; i < first+count; i++ {
		c.stanza("<message to='juliet@localhost' id='m%d' type='chat'>%s</message>", i, ask)
	}
}

// all has a client take that many messages from m0 on, in order, and acknowledge them. It
// returns how many copies there were beyond one of each.
func (c *raw) all(count int) (copies int) {
	c.t.Helper()
	seen := make(map[string]bool)
	for len(seen) < count {
		id, _, _ := strings.Cut(strings.SplitN(c.element("message", "id='m"), "id='", 2)[1], "'")
		if seen[id] {
			copies++
			continue
		}
		if want := fmt.Sprint("m", len(seen)); id != want {
			c.t.Errorf("got %s, want %s", id, want)
		}
		seen[id] = true
		c.acknowledge("romeo@localhost/orchard", id)
	}
	return copies
}

// TestMoments has juliet's link go dark at odd moments, and checks that her next session gets
// all of what was sent.
func TestMoments(t *testing.T) {
	const count = 50
	for name, goDark := range map[string]func(t *testing.T, s *Server, romeo *raw){
		"in SASL": func(t *testing.T, s *Server, romeo *raw) {
			juliet := dial(t, s.Addr.TCP)
			juliet.open()
			juliet.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>")
			juliet.await("<challenge")
			romeo.send(0, count)
		},
		"before bind": func(t *testing.T, s *Server, romeo *raw) {
			dial(t, s.Addr.TCP).authenticate("juliet")
			romeo.send(0, count)
		},
		"in bind": func(t *testing.T, s *Server, romeo *raw) {
			dial(t, s.Addr.TCP).authenticate("juliet").stanza("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>balcony</resource></bind></iq><pres")
			romeo.send(0, count)
		},
		"before presence": func(t *testing.T, s *Server, romeo *raw) {
			dial(t, s.Addr.TCP).login("juliet", "balcony")
			romeo.send(0, count)
		},
		"amid old mail": func(t *testing.T, s *Server, romeo *raw) {
			romeo.send(0, count-10)
			romeo.sync()
			juliet := dial(t, s.Addr.TCP).login("juliet", "balcony")
			juliet.mute = true
			juliet.stanza("<presence/>")
			juliet.await("id='m5'")
			romeo.send(count-10, 10)
		},
		"with many sessions": func(t *testing.T, s *Server, romeo *raw) {
			for i := range 5 {
				juliet := dial(t, s.Addr.TCP).login("juliet", fmt.Sprint("r", i))
				juliet.mute = true
				juliet.stanza("<presence/>")
			}
			romeo.send(0, count)
		},
		"in a storm": func(t *testing.T, s *Server, romeo *raw) {
			for i := range 10 {
				romeo.send(i*count/10, count/10)
				juliet := dial(t, s.Addr.TCP).login("juliet", "balcony")
				juliet.mute = true
				juliet.stanza("<presence/>")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testConfig(t)
			c.AckWait, c.ProbeWait = 300*time.Millisecond, 2*time.Second // the last session is to live, on a busy machine too
			s := start(t, c)
			romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
			goDark(t, s, romeo)
			romeo.sync()
			juliet := dial(t, s.Addr.TCP).login("juliet", "garden").present()
			if copies := juliet.all(count); copies > 0 {
				t.Logf("%d copies", copies)
			}
			s.empties(t)
			romeo.not("type='error'")
		})
	}
}
