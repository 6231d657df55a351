// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"time"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// AckArchived returns the receipts for messages that were fetched from the account's archive to
// catch up after a time offline, and that the application has stored: each once, in order, and
// none for those that the archive shows to have been acknowledged by another client of the
// account (XEP-0184 §5.5, XEP-0313 §6). It is not for messages that a user looks up.
//
// The stanzas are the wrappers, as they came: results of one catch-up belong into one call.
// Those whose sender is not the account are passed over; it is that of Ack.Account, without
// which there is no receipt at all. Messages of rooms are passed over as well. The Policy, the
// rates and the Journal count as for Arrival.Ack: a message that gets no receipt because of them
// gets one by a later call, if nothing forbids it then.
func (r *Responder) AckArchived(now time.Time, results ...[]byte) []receipts.Ack {
	account := r.options.Ack.Account.Bare()
	if account.Equal(jid.JID{}) {
		return nil
	}
	var asking [][]byte
	answered := make(map[string]bool)
	for _, result := range results {
		f, err := receipts.Unwrap(result)
		if err != nil || !f.Archived || !isAccount(f.From, account) {
			continue
		}
		m, err := receipts.Scan(f.Stanza)
		switch {
		case err != nil:
		case m.Kind.Has(receipts.KindReceived):
			noteReceipts(answered, &m, account)
		case m.Kind.Has(receipts.KindRequest):
			asking = append(asking, f.Stanza)
		}
	}
	var acks []receipts.Ack
	for _, message := range asking {
		a, _ := r.look(message)
		if a.err != nil || a.ack.Type == stanza.GroupChatMessage || answered[ofAccount(a.from, a.seen.ID)] || !r.claim(now, a) {
			continue
		}
		if ack, err := a.Ack(now); err == nil {
			acks = append(acks, ack)
		} else {
			r.disclaim(a)
		}
	}
	return acks
}

// isAccount reports whether what an archive gives is from the account: from its bare address, or
// without an address.
func isAccount(from receipts.Text, account jid.JID) bool {
	return from.IsEmpty() || sameAddress(from.String(), account.String())
}

// noteReceipts takes in which messages a receipt of the account's own is for.
func noteReceipts(answered map[string]bool, m *receipts.Message, account jid.JID) {
	if !sameBare(m.From.String(), account.String()) || m.Type == stanza.ErrorMessage {
		return
	}
	to, err := jid.Parse(m.To.String())
	if err != nil {
		return
	}
	for id := range m.Received() {
		answered[ofAccount(to, id.String())] = true
	}
}

// ofAccount stands for the message of an account with an id.
func ofAccount(account jid.JID, id string) string { return account.Bare().String() + "\x00" + id }

// claim takes a message in hand, and reports whether it was not in the window.
func (r *Responder) claim(now time.Time, a *Arrival) bool {
	known := r.answers(a.from)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(now)
	if r.find(a.key) != nil {
		return false
	}
	r.enter(now, a, known)
	return true
}

// disclaim forgets a message that got no receipt.
func (r *Responder) disclaim(a *Arrival) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.find(a.key); e != nil && e.owner == a.number && e.fate != acked {
		e.window.remove(e)
	}
}
