// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// contains checks that a text has all the parts.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in: %s", part, text)
		}
	}
}

const ask = "<body>Art thou there?</body><request xmlns='urn:xmpp:receipts'/>"

// acknowledge answers a message.
func (c *raw) acknowledge(to, id string) {
	c.t.Helper()
	c.stanza("<message to='%s' id='r%s' type='chat'><received xmlns='urn:xmpp:receipts' id='%s'/></message>", to, id, id)
}

// TestChat has two clients talk over each transport, with more in a message than one write
// of an encoder holds.
func TestChat(t *testing.T) {
	s := start(t, testConfig(t))
	long := strings.Repeat("1 &lt; 2, ", 2000)
	for name, connect := range transports {
		t.Run(name, func(t *testing.T) {
			romeo := connect(t, s.Addr).login("romeo", "orchard").present()
			juliet := connect(t, s.Addr).login("juliet", "balcony").present()
			romeo.stanza("<message to='juliet@localhost' id='%s' type='chat' from='tybalt@localhost/x'><body>%s</body><request xmlns='urn:xmpp:receipts'/></message>", name, long)
			got := juliet.element("message", "id='"+name+"'")
			contains(t, got, long, "from='romeo@localhost/orchard'", "to='juliet@localhost'", "<request xmlns='urn:xmpp:receipts'/>")
			juliet.acknowledge("romeo@localhost/orchard", name)
			contains(t, romeo.element("message", "id='r"+name+"'"), "from='juliet@localhost/balcony'", "<received xmlns='urn:xmpp:receipts' id='"+name+"'/>")
		})
	}
}

// remote is the error for who is at another server.
const remote = "remote-server-not-found"

// TestTable1 sends each kind of message to each kind of recipient (RFC 6121 §8.5).
func TestTable1(t *testing.T) {
	const unavailable = "service-unavailable"
	for name, test := range map[string]struct {
		presences []string // of juliet's resources r0, r1 and so on
		to        string
		want      map[string]string // by type: the resources that get it, "kept", "" or an error
	}{
		"no account":     {nil, "paris@localhost", map[string]string{"normal": unavailable, "chat": unavailable, "groupchat": unavailable, "headline": "", "error": ""}},
		"nobody, bare":   {nil, "juliet@localhost", map[string]string{"normal": "kept", "chat": "kept", "groupchat": unavailable, "headline": "", "error": ""}},
		"nobody, full":   {nil, "juliet@localhost/gone", map[string]string{"normal": unavailable, "chat": "kept", "groupchat": unavailable, "headline": unavailable, "error": ""}},
		"negative, bare": {[]string{"-1"}, "juliet@localhost", map[string]string{"normal": "kept", "chat": "kept", "groupchat": unavailable, "headline": "", "error": ""}},
		"negative, full": {[]string{"-1"}, "juliet@localhost/r0", map[string]string{"normal": "r0", "chat": "r0", "groupchat": "r0", "headline": "r0", "error": "r0"}},
		"one, bare":      {[]string{"0"}, "juliet@localhost", map[string]string{"normal": "r0", "chat": "r0", "groupchat": unavailable, "headline": "r0", "error": ""}},
		"one, other":     {[]string{"0"}, "juliet@localhost/gone", map[string]string{"normal": unavailable, "chat": "r0", "groupchat": unavailable, "headline": unavailable, "error": ""}},
		"best, bare":     {[]string{"1", "7", "-1", "7"}, "juliet@localhost", map[string]string{"normal": "r1 r3", "chat": "r1 r3", "groupchat": unavailable, "headline": "r0 r1 r3", "error": ""}},
		"not available":  {[]string{""}, "juliet@localhost", map[string]string{"normal": "kept", "chat": "kept", "groupchat": unavailable, "headline": "", "error": ""}},
		"remote":         {nil, "juliet@capulet.example", map[string]string{"chat": remote, "error": ""}},
		"server":         {nil, "localhost", map[string]string{"chat": unavailable, "error": ""}},
		"no address":     {nil, "@", map[string]string{"chat": "jid-malformed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, testConfig(t))
			romeo := transports["tcp"](t, s.Addr).login("romeo", "orchard")
			var juliets []*raw
			for i, priority := range test.presences {
				juliet := transports["tcp"](t, s.Addr).login("juliet", fmt.Sprint("r", i))
				if priority != "" {
					juliet.stanza("<presence><priority>%s</priority></presence>", priority)
				}
				juliet.sync()
				juliets = append(juliets, juliet)
			}
			for kind, want := range test.want {
				before := s.waits(t)
				romeo.stanza("<message to='%s' id='%s' type='%s'><body>x</body></message>", test.to, kind, kind)
				romeo.sync()
				check(t, romeo, juliets, kind, want, s.waits(t)-before)
			}
		})
	}
}

// waits returns how many messages are kept for juliet.
func (s *Server) waits(t *testing.T) int {
	t.Helper()
	return s.waitsFor(t, "juliet@localhost")
}

// waitsFor returns how many messages are kept for somebody.
func (s *Server) waitsFor(t *testing.T, recipient string) int {
	t.Helper()
	usage, err := s.mail.Used(t.Context(), recipient)
	if err != nil {
		t.Fatal(err)
	}
	return int(usage.Messages)
}

// empties waits until nothing is kept for juliet: rows are deleted by and by.
func (s *Server) empties(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); s.waits(t) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d messages are kept, want none", s.waits(t))
		}
	}
}

// check checks what became of a message: see TestTable1. kept is how many more are kept since.
func check(t *testing.T, romeo *raw, juliets []*raw, id, want string, kept int) {
	t.Helper()
	failed := strings.Contains(romeo.got, "id='"+id+"'")
	for i, juliet := range juliets {
		if resource := fmt.Sprint("r", i); slices.Contains(strings.Fields(want), resource) {
			juliet.element("message", "id='"+id+"'")
		}
		juliet.not("id='" + id + "'") // at all, or once more
	}
	switch got := strings.HasPrefix(want, "r") && want != remote; {
	case want == "kept":
		if failed || kept != 1 {
			t.Errorf("%s: %d are kept, want one: %s", id, kept, romeo.got)
		}
	case kept > 0 && (!got || id == "headline" || id == "error"): // what somebody got is kept until it is acknowledged
		t.Errorf("%s: it is kept", id)
	case want != "" && !got:
		contains(t, romeo.element("message", "id='"+id+"'"), want)
	case failed:
		t.Errorf("%s: got %s, want no error", id, romeo.got)
	}
}

// TestOffline checks that what came while nobody was there comes in order, with the time,
// and that a receipt finds its way to a sender who has left.
func TestOffline(t *testing.T) {
	c := testConfig(t)
	s := start(t, c)
	romeo := transports["tcp"](t, s.Addr).login("romeo", "orchard").present()
	for i := range 3 {
		romeo.stanza("<message to='juliet@localhost' id='m%d' type='chat'>%s</message>", i, ask)
	}
	romeo.stanza("<message to='juliet@localhost' id='typing' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>")
	romeo.sync()
	if strings.Contains(romeo.got, "error") {
		t.Errorf("got an error: %s", romeo.got)
	}
	romeo.leave()
	juliet := transports["websocket"](t, s.Addr).login("juliet", "balcony").present()
	for i := range 3 {
		contains(t, juliet.element("message", fmt.Sprintf("id='m%d'", i)), "<delay xmlns='urn:xmpp:delay' from='localhost'")
		juliet.acknowledge("romeo@localhost/orchard", fmt.Sprint("m", i))
	}
	s.empties(t)
	romeo = transports["tls"](t, s.Addr).login("romeo", "orchard").present()
	for i := range 3 {
		contains(t, romeo.element("message", fmt.Sprintf("id='rm%d'", i)), "<received ")
	}
}

// TestDark checks that what goes to a client whose link is dark comes to its next session,
// with another resource too.
func TestDark(t *testing.T) {
	for _, resource := range []string{"balcony", "garden"} {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			c := testConfig(t)
			c.ProbeWait = 2 * time.Second
			s := start(t, c)
			romeo := transports["tcp"](t, s.Addr).login("romeo", "orchard").present()
			juliet := transports["starttls"](t, s.Addr).login("juliet", "balcony").present()
			romeo.stanza("<message to='juliet@localhost/balcony' id='m1' type='chat'>%s</message>", ask)
			juliet.element("message", "id='m1'") // and says nothing more
			again := transports["tls"](t, s.Addr).login("juliet", resource).present()
			got := again.element("message", "id='m1'")
			contains(t, got, "<delay ", "to='juliet@localhost/balcony'")
			again.acknowledge("romeo@localhost/orchard", "m1")
			romeo.element("message", "id='rm1'")
			contains(t, juliet.ends(), "<stream:error>")
		})
	}
}

// TestNoReceipts checks that a message comes once to a client that answers pings alone, and
// is lost neither by one that answers nothing.
func TestNoReceipts(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.ProbeWait = 3 * time.Second
	s := start(t, c)
	romeo := transports["tcp"](t, s.Addr).login("romeo", "orchard").present()
	juliet := transports["tcp"](t, s.Addr).login("juliet", "balcony").present()
	juliet.mute = true
	romeo.stanza("<message to='juliet@localhost' type='chat'><body>without an id</body></message>")
	juliet.element("message", "type='chat'")
	ping := juliet.element("iq", "type='get'")
	_, id, _ := strings.Cut(ping, "id='")
	id, _, _ = strings.Cut(id, "'")
	juliet.stanza("<iq type='result' id='%s' to='localhost'/>", id)
	s.empties(t)
	romeo.stanza("<message to='juliet@localhost' type='chat'><body>another</body></message>")
	juliet.element("message", "type='chat'")
	contains(t, juliet.ends(), "<connection-timeout ")
	contains(t, transports["tcp"](t, s.Addr).login("juliet", "balcony").present().element("message", "type='chat'"), "another")
}

// TestQuestion checks that clients are pinged, but for one that a ping makes crash.
func TestQuestion(t *testing.T) {
	t.Parallel()
	s := start(t, testConfig(t))
	romeo := transports["tcp"](t, s.Addr).login("romeo", "orchard").present()
	for resource, want := range map[string]string{"balcony": "<ping ", "go-sendxmpp.cafe": "<query "} {
		juliet := transports["tcp"](t, s.Addr).login("juliet", resource).present()
		juliet.mute = true
		romeo.stanza("<message to='juliet@localhost/%s' type='chat'><body>Art thou there?</body></message>", resource)
		contains(t, juliet.element("iq", "type='get'"), want)
		juliet.leave()
	}
}

// TestStalled checks that a client that reads nothing delays nobody, is ended when no buffer
// takes more, and gets all of it in its next session.
func TestStalled(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.AckWait, c.ProbeWait, c.WriteTimeout = time.Minute, time.Minute, 300*time.Millisecond
	s := start(t, c)
	romeo := transports["tcp"](t, s.Addr).login("romeo", "orchard").present()
	stalled := dial(t, s.Addr.TCP)
	_ = stalled.conn.(*net.TCPConn).SetReadBuffer(64 << 10) // or the kernel may take all there is
	stalled.login("juliet", "balcony").present()
	nurse := transports["tcp"](t, s.Addr).login("nurse", "kitchen").present()
	body := strings.Repeat("x", 50_000)
	const count = 400 // 20 MB: more than all buffers on the way take
	for i := range count {
		romeo.stanza("<message to='juliet@localhost' id='m%d' type='chat'><body>%s</body><request xmlns='urn:xmpp:receipts'/></message>", i, body)
	}
	romeo.stanza("<message to='nurse@localhost' id='n' type='chat'>%s</message>", ask)
	nurse.element("message", "id='n'")
	if got := s.waits(t); got != count {
		t.Errorf("%d messages wait when the next one has come, want %d", got, count)
	}
	for end := time.Now().Add(patience); s.clients.Sessions() > 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("juliet is there still, and reads nothing")
		}
	}
	juliet := transports["tcp"](t, s.Addr).login("juliet", "garden").present()
	for i := range count {
		juliet.element("message", fmt.Sprintf("id='m%d'", i))
		juliet.acknowledge("romeo@localhost/orchard", fmt.Sprint("m", i))
	}
	for i := range count {
		romeo.element("message", fmt.Sprintf("id='rm%d'", i))
	}
}

// TestPersistAfter checks that what may be put on the disk later is not before, and is when the
// server stops.
func TestPersistAfter(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.AckWait, c.PersistAfter = time.Hour, time.Minute
	s, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony").present()
	romeo.stanza("<message to='juliet@localhost' id='m1' type='chat'>%s</message>", ask)
	juliet.element("message", "id='m1'")
	if got := s.waits(t); got != 0 {
		t.Errorf("%d messages are on the disk, want none", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = start(t, c)
	contains(t, dial(t, s.Addr.TCP).login("juliet", "garden").present().element("message", "id='m1'"), "<delay ")
}

// TestRestart checks that a server that stops keeps what waits, and tells its clients.
func TestRestart(t *testing.T) {
	c := testConfig(t)
	s, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	romeo := transports["tcp"](t, s.Addr).login("romeo", "orchard").present()
	juliet := transports["websocket"](t, s.Addr).login("juliet", "balcony").present()
	romeo.stanza("<message to='juliet@localhost' id='m1' type='chat'>%s</message>", ask)
	juliet.element("message", "id='m1'")
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	contains(t, romeo.ends(), "<system-shutdown ", "</stream:stream>")
	contains(t, juliet.ends(), "<system-shutdown ", "<close ")
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	s = start(t, c)
	juliet = transports["tcp"](t, s.Addr).login("juliet", "balcony").present()
	contains(t, juliet.element("message", "id='m1'"), "<delay ")
}
