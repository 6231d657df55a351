// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// TestIDs checks that messages with ids of all kinds are kept for who is not there, and each
// as often as it differs.
func TestIDs(t *testing.T) {
	for _, name := range []string{"tcp", "websocket"} { // only one of them writes stanzas anew
		t.Run(name, func(t *testing.T) {
			s, connect := start(t, testConfig(t)), transports[name]
			romeo := connect(t, s.Addr).login("romeo", "orchard").present()
			for i, attributes := range []string{
				"", "id=''", `type="chat"  id = "" `, "id=''", "id='x'", "id='x'", "id=' '", "id='&quot;&lt;&#10;&apos;é'",
			} {
				asks := ""
				if i%2 == 1 {
					asks = "<request xmlns='urn:xmpp:receipts'/>"
				}
				romeo.stanza("<message foo=\" id='' \" %s to='juliet@localhost'><body>%d</body>%s</message>", attributes, i, asks)
			}
			romeo.not("type='error'")
			juliet := connect(t, s.Addr).login("juliet", "balcony").present()
			for i := range 8 {
				juliet.await(fmt.Sprintf("<body>%d</body>", i))
			}
		})
	}
}

// TestStrangers checks that who has not been let in learns nothing of who is there, whatever
// happens to what they asked for.
func TestStrangers(t *testing.T) {
	s := start(t, testConfig(t))
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	romeo.roster()
	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony").present()
	juliet.roster()
	romeo.stanza("<presence to='juliet@localhost' type='subscribe'/><presence to='juliet@localhost' type='unsubscribe'/>")
	juliet.element("presence", "type='subscribe'")
	juliet.element("presence", "type='unsubscribe'")
	romeo.stanza("<presence to='juliet@localhost' type='subscribe'/>")
	juliet.element("presence", "type='subscribe'")
	juliet.stanza("<presence to='romeo@localhost' type='unsubscribed'/>")
	romeo.element("presence", "type='unsubscribed'")
	romeo.stanza("<presence to='juliet@localhost' type='probe'/><iq to='juliet@localhost/balcony' type='result' id='x'/>")
	romeo.not("balcony")

	befriend(romeo, juliet)
	juliet.stanza("<presence to='romeo@localhost' type='unsubscribed'/>")
	contains(t, romeo.await("type='unsubscribed'"), "type='unavailable' from='juliet@localhost/balcony'") // before that
}

// TestStanzas sends stanzas that the rules have something to say about, and checks what comes
// back: an answer, nothing, or the end of the stream.
func TestStanzas(t *testing.T) {
	s := start(t, testConfig(t))
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	romeo.got = "" // his presence
	for say, want := range map[string]string{
		"<iq type='get' id='q' to=''><ping xmlns='urn:xmpp:ping'/></iq>":                    "<jid-malformed ",
		"<message id='q' to=''><body>x</body></message>":                                    "<jid-malformed ",
		"<presence id='q' to=''/>":                                                          "<jid-malformed ",
		"<iq type='get' id='q'/>":                                                           "<bad-request ",
		"<iq type='get' id='q'><a/><b/></iq>":                                               "<bad-request ",
		"<iq type='foo' id='q'><a/></iq>":                                                   "<bad-request ",
		"<iq type='get' id='q' to='juliet@localhost'><a xmlns='urn:x' b='1' b='2'/></iq>":   "<bad-request ",
		"<message id='q' to='juliet@localhost'><body b='1' b='2'>x</body></message>":        "<bad-request ",
		"<iq type='result' id='q'/>":                                                        "",
		"<iq type='error' id='q' to='juliet@localhost/x'/>":                                 "",
		"<iq type='result' id='q' to='elsewhere.example'/>":                                 "",
		"<message type='error' id='q' to='nobody@localhost'><body>x</body></message>":       "",
		"<iq type='get' id='q' to='romeo@localhost'><a xmlns='urn:x'/></iq>":                "<service-unavailable ",
		"<iq type='get' id='q' to='nobody@localhost'><a xmlns='urn:x'/></iq>":               "<service-unavailable ",
		"<iq type='get' id='q' to='juliet@localhost/none'><a xmlns='urn:x'/></iq>":          "<service-unavailable ",
		"<iq type='get' id='q' to='elsewhere.example'><a xmlns='urn:x'/></iq>":              "<remote-server-not-found ",
		"<iq type='get' id='q' to='@'><a xmlns='urn:x'/></iq>":                              "<jid-malformed ",
		"<iq type='get' id='q' to='localhost/r'><ping xmlns='urn:xmpp:ping'/></iq>":         "type='result'",
		"<presence type='foo' id='q'/>":                                                     "<bad-request ",
		"<presence type='subscribe' id='q' to='localhost'/>":                                "<bad-request ",
		"<message id='q' type='chat'><body><![CDATA[<&>]]]]><![CDATA[>]]></body></message>": "<body>&lt;&amp;&gt;]]&gt;</body>",
	} {
		romeo.stanza("%s", say)
		romeo.sync()
		got := romeo.got
		romeo.got = ""
		if got == "" && want == "" {
			continue
		}
		if want == "" || !strings.Contains(got, want) || !strings.Contains(got, "id='q'") {
			t.Errorf("%s:\ngot  %s\nwant %s", say, got, want)
		}
		if strings.Contains(got, "type='error'") && strings.Contains(say, "@localhost") && !strings.Contains(got, "from='") {
			t.Errorf("%s: the error says not whom it is from: %s", say, got)
		}
	}
}

// TestStreams opens streams in ways that the rules forbid, and checks how they end.
func TestStreams(t *testing.T) {
	s := start(t, testConfig(t))
	const (
		open    = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>"
		plain   = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>"
		message = "<message to='juliet@localhost'><body>x</body></message>"
		bind    = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
	)
	for say, want := range map[string]string{
		strings.Replace(open, "jabber.org", "x", 1):                  "invalid-namespace",
		strings.Replace(open, "'localhost'", "'capulet.example'", 1): "host-unknown",
		strings.Replace(open, " version='1.0'", "", 1):               "unsupported-version",
		"<?pi?>" + open:                                     "restricted-xml",
		"<!DOCTYPE x>" + open:                               "restricted-xml",
		"GET / HTTP/1.1\r\n\r\n":                            "bad-format",
		open + "</stream:stream>":                           "",
		open + message:                                      "not-authorized",
		open + bind:                                         "not-authorized",
		open + plain + open + message:                       "not-authorized",
		open + plain + open + "<presence/>":                 "not-authorized",
		open + plain + open + "</stream:stream>":            "",
		open + plain + open + bind + "<?pi?>":               "restricted-xml",
		open + plain + open + bind + "<foo xmlns='urn:x'/>": "unsupported-stanza-type",
		open + plain + open + bind + "<message></presence>": "not-well-formed",
		open + plain + open + bind + "<message><body>\xff</body></message>":   "not-well-formed",
		open + plain + open + bind + "<message><body>&nbsp;</body></message>": "not-well-formed",
		open + plain + open + bind + "<message><!-- x --></message>":          "restricted-xml",
		open + plain + open + bind + message + "</stream:stream>":             "",
	} {
		t.Run(say, func(t *testing.T) {
			c := dial(t, s.Addr.TCP)
			c.say("%s", say)
			got := c.ends()
			contains(t, got, "</stream:stream>", "xml:lang='en'")
			if want == "" && strings.Contains(got, "<stream:error>") || want != "" && !strings.Contains(got, "<stream:error><"+want+" ") {
				t.Errorf("got %s, want %q", got, want)
			}
		})
	}
}

// TestBytes has a client say what it has to say one byte at a time, and end its half of the
// connection before it has read a word.
func TestBytes(t *testing.T) {
	s := start(t, testConfig(t))
	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony").present()
	const open = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>"
	for name, connect := range map[string]func() net.Conn{
		"tcp": func() net.Conn { return dial(t, s.Addr.TCP).conn },
		"tls": func() net.Conn { return transports["tls"](t, s.Addr).conn },
	} {
		conn := connect()
		for _, octet := range []byte("<?xml version='1.0'?>" + open + auth("PLAIN", "\x00romeo\x00secret") + open +
			"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq> \n" +
			"<message to='juliet@localhost' id='" + name + "' type='chat'><body>é &lt;</body></message>") {
			if _, err := conn.Write([]byte{octet}); err != nil {
				t.Fatal(err)
			}
		}
		if half, ok := conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
			t.Error("the connection has no halves")
		}
		contains(t, juliet.element("message", "id='"+name+"'"), "<body>é &lt;</body>")
		contains(t, (&raw{t: t, conn: conn}).ends(), "</jid>", "</stream:stream>")
	}
}

// TestNoTLS checks that who asks for TLS and then speaks something else is cut off.
func TestNoTLS(t *testing.T) {
	s := start(t, testConfig(t))
	c := dial(t, s.Addr.TCP)
	c.open()
	c.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	c.await("<proceed ")
	c.say("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>")
	if got := c.ends(); strings.Contains(got, "<stream") {
		t.Errorf("got %s in the clear", got)
	}
}

// TestWilling checks that mail waits for a presence whose priority is not negative, however
// often a session changes its mind, and comes to one session only.
func TestWilling(t *testing.T) {
	s := start(t, testConfig(t))
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony")
	for i, how := range []string{
		"<presence/><presence type='unavailable'/>", "<presence><priority>-1</priority></presence>",
		"<presence/><presence><priority>-128</priority></presence>", "<presence type='unavailable'/>",
	} {
		juliet.stanza("%s", how)
		juliet.sync()
		romeo.stanza("<message to='juliet@localhost' id='w%d' type='chat'>%s</message>", i, ask)
		romeo.sync()
		juliet.not("id='w" + fmt.Sprint(i))
		juliet.stanza("<presence><priority>%d</priority></presence>", i)
		contains(t, juliet.element("message", "id='w"), fmt.Sprintf("id='w%d'", i), "<delay ")
		juliet.acknowledge("romeo@localhost/orchard", fmt.Sprint("w", i))
	}
	s.empties(t)
	garden := dial(t, s.Addr.TCP).login("juliet", "garden").present()
	garden.not("<message")
	romeo.not("type='error'")
}

// TestReceiptIDs checks that receipts for a sender who has left are kept whatever their ids,
// and those of strangers settle nothing.
func TestReceiptIDs(t *testing.T) {
	s := start(t, testConfig(t))
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	for i := range 4 {
		romeo.stanza("<message to='juliet@localhost' id='m%d' type='chat'>%s</message>", i, ask)
	}
	romeo.leave()
	nurse := dial(t, s.Addr.TCP).login("nurse", "kitchen").present()
	for i := range 4 {
		nurse.acknowledge("romeo@localhost/orchard", fmt.Sprint("m", i))
		nurse.acknowledge("juliet@localhost", fmt.Sprint("m", i))
	}
	nurse.sync()
	if got := s.waits(t); got < 4 {
		t.Errorf("%d messages wait after a stranger's receipts, want 4", got)
	}
	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony").present()
	for i, attributes := range []string{"id='same'", "id='same'", "", "id=''"} {
		juliet.element("message", fmt.Sprintf("id='m%d'", i))
		juliet.stanza("<message to='romeo@localhost/orchard' %s><received xmlns='urn:xmpp:receipts' id='m%d'/></message>", attributes, i)
	}
	juliet.sync()
	romeo = dial(t, s.Addr.TCP).login("romeo", "garden").present()
	for i := range 4 {
		romeo.await(fmt.Sprintf("<received xmlns='urn:xmpp:receipts' id='m%d'/>", i))
	}
	romeo.not("type='error'")
}
