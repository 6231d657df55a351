// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack"
)

// roster asks for the roster.
func (c *raw) roster() string {
	c.t.Helper()
	c.stanza("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
	return c.element("iq", "id='roster'")
}

// not checks that something has not come.
func (c *raw) not(text string) {
	c.t.Helper()
	c.sync()
	if strings.Contains(c.got, text) {
		c.t.Errorf("%s came: %s", text, c.got)
	}
}

// befriend has romeo and juliet see each other's presence.
func befriend(romeo, juliet *raw) {
	romeo.stanza("<presence to='juliet@localhost' type='subscribe'/>")
	juliet.element("presence", "type='subscribe'")
	juliet.stanza("<presence to='romeo@localhost' type='subscribed'/>")
	romeo.element("presence", "type='subscribed'")
	juliet.stanza("<presence to='romeo@localhost' type='subscribe'/>")
	romeo.element("presence", "type='subscribe'")
	romeo.stanza("<presence to='juliet@localhost' type='subscribed'/>")
	juliet.element("presence", "type='subscribed'")
	romeo.sync()
	juliet.sync()
}

// TestSubscriptions plays how two people come to see each other, and do not any more.
func TestSubscriptions(t *testing.T) {
	s := start(t, testConfig(t))
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard")
	contains(t, romeo.roster(), "<query xmlns='jabber:iq:roster'>")
	romeo.present()
	romeo.stanza("<iq type='set' id='add'><query xmlns='jabber:iq:roster'><item jid='Juliet@localhost' name='J &amp; R'><group>Friends</group></item></query></iq>")
	push := romeo.element("iq", "type='set'")
	contains(t, push, "jid='juliet@localhost'", "name='J &amp; R'", "subscription='none'", "<group>Friends</group>", "to='romeo@localhost/orchard'")
	romeo.element("iq", "id='add'")
	romeo.stanza("<presence to='juliet@localhost/x' type='subscribe' id='s'><status>please</status></presence>")
	contains(t, romeo.element("iq", "type='set'"), "ask='subscribe'")

	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony")
	if got := juliet.roster(); strings.Contains(got, "<item") {
		t.Errorf("got %s, want nobody: she has not answered", got)
	}
	juliet.present()
	contains(t, juliet.element("presence", "type='subscribe'"), "from='romeo@localhost'", "id='s'", "<status>please</status>")
	juliet.stanza("<presence to='romeo@localhost' type='subscribed'/>")
	contains(t, juliet.element("iq", "type='set'"), "jid='romeo@localhost'", "subscription='from'")
	contains(t, romeo.element("iq", "type='set'"), "subscription='to'", "name='J &amp; R'")
	contains(t, romeo.element("presence", "type='subscribed'"), "from='juliet@localhost'")
	contains(t, romeo.element("presence", "from='juliet@localhost/balcony'"), "to='romeo@localhost/orchard'")

	juliet.stanza("<presence><show>away</show><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='x' ver='y'/></presence>")
	contains(t, romeo.element("presence", "from='juliet@localhost/balcony'"), "<show>away</show>", "ver='y'")
	romeo.stanza("<presence><status>I see her</status></presence>")
	juliet.not("I see her")

	garden := dial(t, s.Addr.TCP).login("romeo", "garden").present()
	contains(t, garden.element("presence", "from='juliet@localhost/balcony'"), "<show>away</show>")
	garden.element("presence", "from='romeo@localhost/orchard'")

	juliet.stanza("<presence to='romeo@localhost' type='unsubscribed'/>")
	contains(t, romeo.element("presence", "type='unsubscribed'"), "from='juliet@localhost'")
	contains(t, romeo.element("presence", "type='unavailable'"), "from='juliet@localhost/balcony'")
	contains(t, romeo.roster(), "subscription='none'")
	contains(t, juliet.roster(), "subscription='none'")
}

// TestRemoval checks that who is taken out of a roster is not seen any more, and sees nothing.
func TestRemoval(t *testing.T) {
	s := start(t, testConfig(t))
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony").present()
	romeo.roster()
	juliet.roster()
	befriend(romeo, juliet)
	contains(t, romeo.roster(), "subscription='both'")
	romeo.stanza("<iq type='set' id='gone'><query xmlns='jabber:iq:roster'><item jid='juliet@localhost' subscription='remove'/></query></iq>")
	romeo.element("iq", "id='gone'")
	contains(t, romeo.got+juliet.got, "subscription='remove'")
	juliet.element("presence", "type='unsubscribe'")
	juliet.element("presence", "type='unsubscribed'")
	contains(t, juliet.roster(), "subscription='none'")
	romeo.stanza("<iq type='set' id='again'><query xmlns='jabber:iq:roster'><item jid='juliet@localhost' subscription='remove'/></query></iq>")
	contains(t, romeo.element("iq", "id='again'"), "<item-not-found ")
}

// TestGone checks that others learn that a client has gone, however it went.
func TestGone(t *testing.T) {
	s := start(t, testConfig(t))
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	romeo.roster()
	juliet := dial(t, s.Addr.TCP).login("juliet", "hall").present()
	juliet.roster()
	befriend(romeo, juliet)
	for how, goes := range map[string]func(*raw){
		"says so":      func(c *raw) { c.stanza("<presence type='unavailable'><status>bye</status></presence>") },
		"in order":     func(c *raw) { c.leave() },
		"without word": func(c *raw) { c.conn.Close() },
	} {
		t.Run(how, func(t *testing.T) {
			balcony := dial(t, s.Addr.TCP).login("juliet", "balcony").present()
			romeo.element("presence", "from='juliet@localhost/balcony'")
			nurse := dial(t, s.Addr.TCP).login("nurse", how[:2])
			balcony.stanza("<presence to='nurse@localhost/%s'/>", how[:2])
			nurse.element("presence", "from='juliet@localhost/balcony'")
			goes(balcony)
			if how == "says so" {
				contains(t, balcony.element("presence", "type='unavailable'"), "from='juliet@localhost/balcony'")
			}
			contains(t, romeo.element("presence", "from='juliet@localhost/balcony'"), "type='unavailable'")
			contains(t, nurse.element("presence", "from='juliet@localhost/balcony'"), "type='unavailable'")
		})
	}
}

// TestIQ sends questions to clients, accounts and the server.
func TestIQ(t *testing.T) {
	s := start(t, testConfig(t))
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony")
	for i, test := range []struct{ to, kind, payload, want string }{
		{"", "get", "<ping xmlns='urn:xmpp:ping'/>", "type='result'"},
		{"localhost", "get", "<ping xmlns='urn:xmpp:ping'/>", "type='result'"},
		{"localhost", "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "<identity category='server' type='im'"},
		{"localhost", "get", "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>", "item-not-found"},
		{"localhost", "get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", "type='result'"},
		{"localhost", "get", "<query xmlns='jabber:iq:last'/>", "service-unavailable"},
		{"romeo@localhost", "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "<identity category='account'"},
		{"romeo@localhost", "get", "<query xmlns='jabber:iq:last'/>", "service-unavailable"},
		{"juliet@localhost", "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "service-unavailable"},
		{"juliet@localhost", "get", "<vCard xmlns='vcard-temp'/>", "<vCard "},
		{"juliet@localhost/gone", "get", "<ping xmlns='urn:xmpp:ping'/>", "service-unavailable"},
		{"capulet.example", "get", "<ping xmlns='urn:xmpp:ping'/>", "remote-server-not-found"},
		{"@", "get", "<ping xmlns='urn:xmpp:ping'/>", "jid-malformed"},
		{"localhost", "ask", "<ping xmlns='urn:xmpp:ping'/>", "bad-request"},
		{"", "set", "<query xmlns='jabber:iq:roster'/>", "bad-request"},
		{"", "set", "<query xmlns='jabber:iq:roster'><item jid='@'/></query>", "jid-malformed"},
		{"", "set", "<query xmlns='jabber:iq:roster'><item jid='romeo@localhost'/></query>", "not-allowed"},
		{"", "set", "<query xmlns='jabber:iq:roster'><item jid='a@localhost' name='" + strings.Repeat("x", 2000) + "'/></query>", "not-acceptable"},
		{"", "set", "<query xmlns='jabber:iq:roster'><item jid='a@localhost'><group>A</group><group>B</group><group>A</group></item></query>", "bad-request"},
		{"", "get", "", "bad-request"},
		{"juliet@localhost/balcony", "get", "<ping xmlns='urn:xmpp:ping'/><query xmlns='jabber:iq:last'/>", "bad-request"},
		{"", "set", "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>", "type='result'"},
		{"juliet@localhost/balcony", "get", "<ping xmlns='urn:xmpp:ping'/>", "<pong/>"},
	} {
		address := ""
		if test.to != "" {
			address = "to='" + test.to + "'"
		}
		romeo.stanza("<iq %s type='%s' id='q%d'>%s</iq>", address, test.kind, i, test.payload)
		if test.want == "<pong/>" {
			contains(t, juliet.element("iq", "type='get'"), "from='romeo@localhost/orchard'")
			juliet.stanza("<iq to='romeo@localhost/orchard' type='result' id='q%d'><pong/></iq>", i)
		}
		contains(t, romeo.element("iq", fmt.Sprintf("id='q%d'", i)), test.want)
	}
	romeo.stanza("<iq to='juliet@localhost/gone' type='result' id='unasked'/>")
	romeo.not("unasked")
}

// TestBlocking plays how one who is blocked hears nothing, and is not heard.
func TestBlocking(t *testing.T) {
	s := start(t, testConfig(t))
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony").present()
	romeo.roster()
	juliet.roster()
	befriend(romeo, juliet)
	juliet.stanza("<iq type='get' id='list'><blocklist xmlns='urn:xmpp:blocking'/></iq>")
	juliet.element("iq", "id='list'")
	juliet.stanza("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='romeo@localhost'/></block></iq>")
	juliet.await("<block xmlns='urn:xmpp:blocking'><item jid='romeo@localhost'/></block></iq>")
	contains(t, romeo.element("presence", "type='unavailable'"), "from='juliet@localhost/balcony'")

	romeo.stanza("<message to='juliet@localhost' id='m1' type='chat'>%s</message>", ask)
	contains(t, romeo.element("message", "id='m1'"), "service-unavailable")
	romeo.stanza("<iq to='juliet@localhost/balcony' id='q' type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
	contains(t, romeo.element("iq", "id='q'"), "service-unavailable")
	romeo.stanza("<presence><status>unseen</status></presence>")
	juliet.not("unseen")
	juliet.not("m1")
	juliet.stanza("<message to='romeo@localhost' id='m2' type='chat'>%s</message>", ask)
	contains(t, juliet.element("message", "id='m2'"), "not-acceptable")

	romeo.sync()
	romeo.got = ""
	juliet.stanza("<iq type='set' id='u'><unblock xmlns='urn:xmpp:blocking'/></iq>")
	juliet.element("iq", "id='u'")
	contains(t, romeo.element("presence", "from='juliet@localhost/balcony'"), "<presence to='romeo@localhost' from") // no type: she is back
	romeo.stanza("<message to='juliet@localhost' id='m3' type='chat'>%s</message>", ask)
	juliet.element("message", "id='m3'")
}

// TestCapabilities checks that a client which says that it acknowledges, and is asked whether
// that is so, gets again what it has read and not acknowledged when it died.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	config := testConfig(t)
	config.AckWait = 200 * time.Millisecond
	s := start(t, config)
	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony")
	juliet.stanza("<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://capulet.example' ver='XHm5YmZfbgbqnd5KJ77AUrKN72k='/></presence>")
	question := juliet.element("iq", "type='get'")
	contains(t, question, `node="https://capulet.example#XHm5YmZfbgbqnd5KJ77AUrKN72k="`, "from='localhost'")
	_, id, _ := strings.Cut(question, " id='")
	id, _, _ = strings.Cut(id, "'")
	juliet.stanza("<iq type='result' id='%s' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'>"+
		"<identity category='client' type='phone'/><feature var='urn:xmpp:receipts'/></query></iq>", id)
	juliet.sync()

	nurse := dial(t, s.Addr.TCP).login("nurse", "kitchen")
	nurse.stanza("<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://capulet.example' ver='XHm5YmZfbgbqnd5KJ77AUrKN72k='/></presence>")
	nurse.not("disco#info") // it is known by now

	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	romeo.stanza("<message to='juliet@localhost' id='m1' type='chat'>%s</message>", ask)
	juliet.element("message", "id='m1'")
	for s.keeper.Count(untilack.Parked) == 0 {
		juliet.sync() // and answers pings
	}
	juliet.conn.Close()
	juliet = dial(t, s.Addr.TCP).login("juliet", "garden").present()
	juliet.element("message", "id='m1'")
	juliet.acknowledge("romeo@localhost/orchard", "m1")
	s.empties(t)
}

// TestManyPresences checks that who has the roster read too often has to wait, and nobody else.
func TestManyPresences(t *testing.T) {
	t.Parallel()
	s := start(t, testConfig(t))
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony").present()
	began := time.Now()
	for i := range 60 { // ten of them beyond what may come at once
		if i%2 == 0 {
			romeo.stanza("<presence><status>%d</status></presence>", i)
		} else {
			romeo.stanza("<iq type='get' id='r%d'><query xmlns='jabber:iq:roster'/></iq>", i)
		}
	}
	juliet.roster()
	romeo.sync()
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("60 looks at the roster took %v, want a second at least", took)
	}
}
