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
