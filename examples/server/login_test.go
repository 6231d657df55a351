// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// TestMellium has mellium log in by each mechanism.
func TestMellium(t *testing.T) {
	s := start(t, testConfig(t))
	for _, mechanism := range []sasl.Mechanism{sasl.Plain, sasl.ScramSha1, sasl.ScramSha256} {
		for name, good := range map[string]bool{"secret": true, "guess": false} {
			conn, err := net.Dial("tcp", s.Addr.TCP)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(patience))
			session, err := xmpp.NewClientSession(context.Background(), jid.MustParse("Romeo@localhost"), conn,
				xmpp.StartTLS(&tls.Config{InsecureSkipVerify: true}), xmpp.SASL("", name, mechanism), xmpp.BindResource())
			if (err == nil) != good {
				t.Errorf("%s with the password %s: got %v", mechanism.Name, name, err)
			}
			if err == nil && session.LocalAddr().Bare().String() != "romeo@localhost" {
				t.Errorf("%s: got %s, want an address of romeo@localhost", mechanism.Name, session.LocalAddr())
			}
			conn.Close()
		}
	}
}

func auth(mechanism, message string) string {
	return "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='" + mechanism + "'>" + base64.StdEncoding.EncodeToString([]byte(message)) + "</auth>"
}

// TestFailures checks that each failed login is answered, that another try may follow, and
// that there are not too many of them.
func TestFailures(t *testing.T) {
	s := start(t, testConfig(t))
	for name, test := range map[string]struct{ say, want string }{
		"password":  {auth("PLAIN", "\x00romeo\x00guess"), "<not-authorized/>"},
		"nobody":    {auth("PLAIN", "\x00paris\x00secret"), "<not-authorized/>"},
		"no name":   {auth("PLAIN", "\x00\x00secret"), "<not-authorized/>"},
		"other":     {auth("PLAIN", "juliet@localhost\x00romeo\x00secret"), "<invalid-authzid/>"},
		"malformed": {auth("PLAIN", "romeo"), "<malformed-request/>"},
		"scram":     {auth("SCRAM-SHA-1", "x"), "<malformed-request/>"},
		"binding":   {auth("SCRAM-SHA-1-PLUS", "p=tls-unique,,n=romeo,r=x"), "<invalid-mechanism/>"},
		"mechanism": {auth("X", ""), "<invalid-mechanism/>"},
		"encoding":  {"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>&amp;</auth>", "<incorrect-encoding/>"},
		"abort":     {auth("PLAIN", "") + "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "<aborted/>"},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s.Addr.TCP)
			c.open()
			c.say("%s", test.say)
			c.await("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + test.want)
			c.say("%s", auth("PLAIN", "\x00romeo\x00secret"))
			c.await("<success")
		})
	}
	c := dial(t, s.Addr.TCP)
	c.open()
	for range 3 {
		c.say("%s", auth("PLAIN", "\x00romeo\x00guess"))
		c.await("</failure>")
	}
	contains(t, c.ends(), "<policy-violation ", "</stream:stream>")
}

// TestGuesses checks that a password is not guessed for long, by any mechanism, that this
// keeps nobody else out, and that logins that succeed do not count.
func TestGuesses(t *testing.T) {
	t.Parallel()
	s := start(t, testConfig(t))
	for range 120 {
		dial(t, s.Addr.TCP).authenticate("romeo")
	}
	// refused guesses until that is refused, each time with a name.
	refused := func(name func(int) string) {
		t.Helper()
		for i := range 1000 {
			c := dialWeb(t, "ws://"+s.Addr.HTTP)
			c.open()
			c.say("%s", auth("PLAIN", "\x00"+name(i)+"\x00guess"))
			if strings.Contains(c.await("</failure>"), "<temporary-auth-failure/>") {
				return
			}
		}
		t.Error("1000 guesses, and none was refused")
	}
	refused(func(int) string { return "romeo" })
	for _, say := range []string{auth("PLAIN", "\x00romeo\x00secret"), auth("PLAIN", "\x00Romeo\x00guess"), auth("SCRAM-SHA-256", "n,,n=romeo,r=x")} {
		c := dial(t, s.Addr.TCP)
		c.open()
		c.say("%s", say)
		c.await("<temporary-auth-failure/></failure>")
		c.say("%s", auth("PLAIN", "\x00juliet\x00secret"))
		c.await("<success")
	}
	refused(func(i int) string { return fmt.Sprint("paris", i) }) // by the address: each is guessed once
}

// TestMechanisms checks that no password is asked for in the clear unless that is wanted.
func TestMechanisms(t *testing.T) {
	c := testConfig(t)
	c.Plain = false
	s := start(t, c)
	for name, connect := range transports {
		client := connect(t, s.Addr)
		open := "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"
		if !client.webSocket {
			open = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>"
		}
		client.say("%s", open)
		got := client.await("features>")
		if !client.webSocket { // that was their beginning
			got += client.await("features>")
		}
		plain, scram := strings.Contains(got, ">PLAIN<"), strings.Contains(got, ">SCRAM-SHA-256<") && strings.Contains(got, ">SCRAM-SHA-1<")
		if want := strings.Contains(name, "tls"); plain != want || !scram || strings.Contains(got, "-PLUS") {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// TestIdentity checks that the address that a client claims in its stream's header is not
// taken for who it is.
func TestIdentity(t *testing.T) {
	s := start(t, testConfig(t))
	c := dial(t, s.Addr.TCP)
	header := "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' from='juliet@localhost' version='1.0'>"
	c.say("%s", header)
	c.await("</stream:features>")
	c.say("%s", auth("PLAIN", "\x00romeo\x00secret"))
	c.await("</success>")
	c.say("%s", header)
	c.await("</stream:features>")
	c.say("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
	c.await("<jid>romeo@localhost/")
}

// TestPipelined checks that what a client says before it is asked is not lost.
func TestPipelined(t *testing.T) {
	s := start(t, testConfig(t))
	c := dial(t, s.Addr.TCP)
	header := "<?xml version='1.0'?>\n<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>\n"
	c.say("%s%s\n%s<iq type='set' id='b'>\n<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>\n<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>",
		header, auth("PLAIN", "\x00romeo\x00secret"), header)
	c.await("<iq type='result' id='p'")
}

// TestStreamErrors checks that each fault of a stream is told to its client, before the login
// and after it.
func TestStreamErrors(t *testing.T) {
	s := start(t, testConfig(t))
	const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "
	deep := strings.Repeat("<x>", 100)
	for name, test := range map[string]struct {
		login     bool
		say, want string
	}{
		"host":          {false, header + "to='capulet.example'>", "host-unknown"},
		"not xml":       {false, "GET / HTTP/1.1\r\n\r\n", "bad-format"},
		"no tag":        {false, "<>", "not-well-formed"},
		"namespace":     {false, "<stream:stream xmlns='jabber:client' xmlns:stream='x' to='localhost' version='1.0'>", "invalid-namespace"},
		"too large":     {false, header + "to='" + strings.Repeat("x", 20_000), "policy-violation"},
		"comment":       {false, header + "to='localhost'><!-- -->", "restricted-xml"},
		"no login":      {false, header + "to='localhost'><message/>", "not-authorized"},
		"stanza":        {true, "<message><body>" + strings.Repeat("x", 300_000), "policy-violation"},
		"depth":         {true, "<message>" + deep, "policy-violation"},
		"mismatch":      {true, "<message></body>", "not-well-formed"},
		"entity":        {true, "<message>&nbsp;</message>", "not-well-formed"},
		"data type":     {true, "<!DOCTYPE x>", "restricted-xml"},
		"other stanza":  {true, "<letter/>", "unsupported-stanza-type"},
		"other element": {true, "<r xmlns='urn:xmpp:sm:3'/>", "unsupported-stanza-type"},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s.Addr.TCP)
			if test.login {
				c.login("romeo", name)
			}
			go fmt.Fprint(c.conn, test.say) // all of it may not be read
			got := c.ends()
			contains(t, got, "<stream:error><"+test.want+" ", "</stream:error></stream:stream>")
			if headers := strings.Count(got, "<stream:stream "); headers == 0 && !test.login || headers > 1 {
				t.Errorf("%d headers are in: %s", headers, got)
			}
		})
	}
	t.Run("frames", func(t *testing.T) {
		c := dialWeb(t, "ws://"+s.Addr.HTTP)
		c.say("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='capulet.example' version='1.0'/>")
		contains(t, c.ends(), "<open ", "<stream:error xmlns:stream=", "<host-unknown ", "<close ")
	})
}

// TestLoginTime checks that a client that says nothing is not waited for, nor one that says half
// of a request over HTTP, and that who listens is.
func TestLoginTime(t *testing.T) {
	t.Parallel()
	config := testConfig(t)
	config.LoginTime = 2 * time.Second
	s := start(t, config)
	page := dial(t, s.Addr.HTTP)
	page.say("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	page.await(": hello")
	silent := dial(t, s.Addr.TCP)
	half := dial(t, s.Addr.HTTP)
	half.say("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
	half.ends()
	contains(t, silent.ends(), "<connection-timeout ")
	dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	page.await(`"reason":"opened"`)
}

// TestConflict checks that a new session takes the place of one with the same resource, or of
// the oldest that is not available if there are too many.
func TestConflict(t *testing.T) {
	s := start(t, testConfig(t))
	old := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	first := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	contains(t, old.ends(), "<conflict ")
	var others []*raw
	for i := range 17 {
		others = append(others, dial(t, s.Addr.TCP).login("romeo", fmt.Sprint(i)))
	}
	for _, other := range others[:2] {
		contains(t, other.ends(), "<resource-constraint ", "</stream:stream>")
	}
	others[2].sync()
	for _, other := range others[2:] {
		other.present()
	}
	dial(t, s.Addr.TCP).login("romeo", "last").present()
	contains(t, first.ends(), "<resource-constraint ")
}
