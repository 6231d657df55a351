// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"bytes"
	"encoding/xml"
	"sync"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmpp/jid"
)

// nsRoster is the namespace of rosters (RFC 6121 §2.1).
const nsRoster = "jabber:iq:roster"

// A Roster is what a Policy may know of those who write. The zero value is empty and ready
// for use. It is safe for concurrent use by multiple goroutines.
type Roster struct {
	mu    sync.RWMutex
	items map[string]bool // by bare address: whether it may see the account's presence
	shown map[string]bool // addresses that the account's presence was sent to
}

// Set takes in an item of the account's roster with its subscription ("none", "to", "from",
// "both", or "remove").
func (r *Roster) Set(contact jid.JID, subscription string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set(contact, subscription)
}

// set is Set for whoever holds the lock.
func (r *Roster) set(contact jid.JID, subscription string) {
	address := contact.Bare().String()
	if subscription == "remove" {
		delete(r.items, address)
		return
	}
	if r.items == nil {
		r.items = make(map[string]bool)
	}
	r.items[address] = subscription == "from" || subscription == "both"
}

// Receive takes in the items of a stanza that has come in, if it is the answer to a question
// for the roster or a push of the server's (RFC 6121 §2.1.6), and reports whether it is. An
// answer takes the place of all that was known of the roster; one without a roster says that
// nothing has changed. What is from anybody but the account is passed over.
func (r *Roster) Receive(stanza []byte) bool {
	if !bytes.Contains(stanza, []byte(nsRoster)) {
		return false
	}
	m, err := receipts.Scan(stanza)
	if err != nil || m.Element != receipts.IQStanza || !fromAccount(&m) {
		return false
	}
	var iq struct {
		Type  string `xml:"type,attr"`
		Query *struct {
			Items []struct {
				JID          string `xml:"jid,attr"`
				Subscription string `xml:"subscription,attr"`
			} `xml:"jabber:iq:roster item"`
		} `xml:"jabber:iq:roster query"`
	}
	if err := xml.Unmarshal(stanza, &iq); err != nil || iq.Query == nil || iq.Type != "set" && iq.Type != "result" {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if iq.Type == "result" {
		clear(r.items)
	}
	for _, item := range iq.Query.Items {
		if contact, err := jid.Parse(item.JID); err == nil {
			r.set(contact, item.Subscription)
		}
	}
	return true
}

// fromAccount reports whether a stanza is from the account that it is to: from its bare
// address, or without an address (RFC 6120 §8.1.2.1).
func fromAccount(m *receipts.Message) bool {
	return m.From.IsEmpty() || sameAddress(m.From.String(), bareOf(m.To.String()))
}

// Show says that the account has sent its presence to somebody who is not subscribed to it,
// or to a room, or has taken it back, as the end of a session does for all. Whom a bare address
// is shown to are all behind it: the clients of an account, the occupants of a room.
func (r *Roster) Show(to jid.JID, available bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !available {
		delete(r.shown, to.String())
		return
	}
	if r.shown == nil {
		r.shown = make(map[string]bool)
	}
	r.shown[to.String()] = true
}

// Has is a function for Those: it reports whether the sender is in the roster, whatever the
// subscription.
func (r *Roster) Has(from jid.JID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.items[from.Bare().String()]
	return ok
}

// MaySee is a function for Those: it reports whether the sender may see the account's presence,
// because of a subscription "from" or "both", or because it was shown.
func (r *Roster) MaySee(from jid.JID) bool {
	bare := from.Bare().String()
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.items[bare] || r.shown[bare] || r.shown[from.String()]
}
