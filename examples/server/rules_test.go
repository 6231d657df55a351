// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
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
