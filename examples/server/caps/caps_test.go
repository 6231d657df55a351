// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package caps

import (
	"fmt"
	"strings"
	"testing"
)

// answer is that of XEP-0115's own example (§5.2), and ver its hash.
const (
	answer = "<iq type='result' id='x' xmlns='jabber:client'><query xmlns='http://jabber.org/protocol/disco#info' node='n#v'>" +
		"<identity category='client' name='Exodus 0.9.1' type='pc'/><feature var='http://jabber.org/protocol/caps'/>" +
		"<feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/>" +
		"<feature var='http://jabber.org/protocol/muc'/></query></iq>"
	ver = "QgayPKawpkPSDYmwT/WM94uAlu0="

	address = "juliet@localhost/balcony"
)

func TestIn(t *testing.T) {
	for presence, want := range map[string]bool{
		"<presence/>": false,
		"<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/></presence>":                                true,
		"<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-256' node='n' ver='v'/></presence>":                              true,
		"<presence><c xmlns='http://jabber.org/protocol/caps' hash='md5' node='n' ver='v'/></presence>":                                  false,
		"<presence><c xmlns='http://jabber.org/protocol/caps' ver='v'/></presence>":                                                      false,
		"<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n'/></presence>":                                        false,
		"<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='" + strings.Repeat("n", 300) + "' ver='v'/></presence>": false,
		"not XML": false,
	} {
		if _, got := In([]byte(presence)); got != want {
			t.Errorf("%s: got %v, want %v", presence, got, want)
		}
	}
}

func TestLearn(t *testing.T) {
	receipts := strings.Replace(answer, "</query>", "<feature var='urn:xmpp:receipts'/></query>", 1)
	for name, test := range map[string]struct {
		caps                   Caps
		answer                 string
		believed, acknowledges bool
	}{
		"without receipts": {Caps{"sha-1", "n", ver}, answer, true, false},
		"with receipts":    {Caps{"sha-1", "n", "7NWlybTAudzZWUeeDQzwhOAe9kA="}, receipts, true, true},
		"other hash":       {Caps{"sha-1", "n", ver}, receipts, false, false},
		"other algorithm":  {Caps{"sha-256", "n", ver}, answer, false, false},
		"no query":         {Caps{"sha-1", "n", ver}, "<iq type='result'/>", false, false},
		"empty form":       {Caps{"sha-1", "n", ver}, strings.Replace(answer, "</query>", "<x xmlns='jabber:x:data' type='result'/></query>", 1), false, false},
		"not XML":          {Caps{"sha-1", "n", ver}, "<iq>", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			k := New()
			if !k.Set(address, 1, test.caps) {
				t.Error("nothing is known, and nobody is asked")
			}
			if got := k.Learn(test.caps, []byte(test.answer)); got != test.believed {
				t.Errorf("got that the answer is believed %v, want %v", got, test.believed)
			}
			if got := k.Acknowledge(address); got != test.acknowledges {
				t.Errorf("got that it acknowledges %v, want %v", got, test.acknowledges)
			}
			if ask := k.Set("romeo@localhost/orchard", 2, test.caps); ask == test.believed {
				t.Errorf("got that the next one is asked %v, want %v", ask, !test.believed)
			}
			k.Remove(address, 3)
			if k.Acknowledge(address) != test.acknowledges {
				t.Error("another session's end has changed that")
			}
			k.Remove(address, 1)
			if k.Acknowledge(address) {
				t.Error("one who has gone acknowledges")
			}
		})
	}
}

func TestClientsAreBounded(t *testing.T) {
	k := New()
	for i := range most {
		k.known[fmt.Sprint(i)] = true
		k.Learn(Caps{"sha-1", "n", ver}, []byte(answer))
	}
	if len(k.known) > most {
		t.Errorf("%d hashes are known, want %d at most", len(k.known), most)
	}
}
