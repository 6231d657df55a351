// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"testing"

	"github.com/untilack/untilack/client"
)

// friend is an address that most stanzas below are about.
const friend = "romeo@montague.lit"

func TestRosterReceive(t *testing.T) {
	item := func(address, subscription string) string {
		return `<item jid='` + address + `' subscription='` + subscription + `'><group>a</group></item>`
	}
	roster := func(attributes, items string) string {
		return `<iq ` + attributes + `><query xmlns='jabber:iq:roster' ver='1'>` + items + `</query></iq>`
	}
	const own = `id='1' to='juliet@capulet.lit/a' `
	for _, c := range []struct {
		name   string
		stanza string
		taken  bool
		before string // the friend's subscription
		has    bool
		maySee bool
	}{
		{name: "an answer", stanza: roster(own+`type='result'`, item("a@b", "none")+item(friend, "both")), taken: true, has: true, maySee: true},
		{name: "an answer from the account", stanza: roster(own+`type='result' from='juliet@capulet.lit'`, item(friend, "from")), taken: true, has: true, maySee: true},
		{name: "an address that is not in its normal form", stanza: roster(own+`type='result'`, item("Romeo@MONTAGUE.lit", "from")), taken: true, has: true, maySee: true},
		{name: "a subscription of ours", stanza: roster(own+`type='result'`, item(friend, "to")), taken: true, has: true},
		{name: "a subscription that is asked for", stanza: roster(own+`type='result'`, `<item jid='`+friend+`' ask='subscribe'/>`), taken: true, has: true},
		{name: "an answer takes the place of what was there", stanza: roster(own+`type='result'`, item("a@b", "both")), taken: true, before: "both"},
		{name: "an empty roster", stanza: roster(own+`type='result'`, ""), taken: true, before: "both"},
		{name: "nothing has changed", stanza: `<iq ` + own + `type='result'/>`, before: "both", has: true, maySee: true},
		{name: "a malformed item is passed over", stanza: roster(own+`type='result'`, item("@", "both")+item(friend, "both")), taken: true, has: true, maySee: true},
		{name: "a push", stanza: roster(own+`type='set'`, item(friend, "both")), taken: true, has: true, maySee: true},
		{name: "a push leaves the others", stanza: roster(own+`type='set'`, item("a@b", "both")), taken: true, before: "both", has: true, maySee: true},
		{name: "a push that takes away", stanza: roster(own+`type='set'`, item(friend, "none")), taken: true, before: "both", has: true},
		{name: "a push that removes", stanza: roster(own+`type='set'`, item(friend, "remove")), taken: true, before: "both"},
		{name: "prefixes", stanza: `<iq type='set' xmlns:r='jabber:iq:roster'><r:query><r:item jid='` + friend + `' subscription='both'/></r:query></iq>`, taken: true, has: true, maySee: true},

		{name: "a forged push", stanza: roster(own+`type='set' from='mallory@e'`, item(friend, "both"))},
		{name: "a forged push from a client", stanza: roster(own+`type='set' from='juliet@capulet.lit/b'`, item(friend, "both"))},
		{name: "a forged push from the server", stanza: roster(own+`type='set' from='capulet.lit'`, item(friend, "both"))},
		{name: "a forged push to nobody", stanza: roster(`type='set' from='mallory@e'`, item(friend, "both"))},
		{name: "a forged push from nowhere", stanza: roster(own+`type='set' from='@'`, item(friend, "both"))},
		{name: "a forged push whose from is in a namespace", stanza: roster(own+`type='set' from='mallory@e' xmlns:x='urn:x' x:from=''`, item(friend, "both"))},
		{name: "a forged answer", stanza: roster(own+`type='result' from='mallory@e'`, ""), before: "both", has: true, maySee: true},
		{name: "an error that echoes", stanza: roster(own+`type='error'`, item(friend, "both"))},
		{name: "a question", stanza: roster(own+`type='get'`, item(friend, "both"))},
		{name: "a message", stanza: `<message><query xmlns='jabber:iq:roster'>` + item(friend, "both") + `</query></message>`},
		{name: "another namespace", stanza: `<iq type='set'><query xmlns='jabber:iq:roster2'>` + item(friend, "both") + `</query></iq>`},
		{name: "one level too deep", stanza: `<iq type='set'><a>` + roster(`type='set'`, item(friend, "both")) + `</a></iq>`},
		{name: "items of another namespace", stanza: roster(own+`type='set'`, `<item xmlns='urn:x' jid='`+friend+`' subscription='both'/>`), taken: true},
		{name: "malformed", stanza: roster(own+`type='set'`, item(friend, "both")) + `<`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r client.Roster
			if c.before != "" {
				r.Set(addressOf(friend), c.before)
			}
			if got := r.Receive([]byte(c.stanza)); got != c.taken {
				t.Errorf("Receive: got %t, want %t", got, c.taken)
			}
			if got := r.Has(addressOf(friend + "/a")); got != c.has {
				t.Errorf("Has: got %t, want %t", got, c.has)
			}
			if got := r.MaySee(addressOf(friend + "/a")); got != c.maySee {
				t.Errorf("MaySee: got %t, want %t", got, c.maySee)
			}
		})
	}
}

func TestR63RosterShow(t *testing.T) {
	var r client.Roster
	r.Show(addressOf("a@b"), true)
	r.Show(addressOf("c@d/e"), true)
	r.Show(addressOf("room@muc"), true)
	r.Show(addressOf("room@muc"), false)
	for from, want := range map[string]bool{
		"a@b/x": true, "a@b": true, "c@d/e": true, "c@d/x": false, "c@d": false, "room@muc/x": false, "a@d/x": false,
	} {
		if got := r.MaySee(addressOf(from)); got != want {
			t.Errorf("MaySee(%s): got %t, want %t", from, got, want)
		}
		if r.Has(addressOf(from)) {
			t.Errorf("Has(%s): got true, want false", from)
		}
	}
}
