// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"fmt"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// AckOptions says how a message is answered.
// A nil pointer stands for the defaults.
type AckOptions struct {
	// ID is the id of the receipt itself.
	// It defaults to a new random one of at least 128 bits.
	ID string
	// Account is the address of whoever sends the receipt. It becomes the
	// receipt's from, and messages from the same account are not answered.
	// By default the receipt has no from, which is left to the server, and the
	// message's own to tells which account it is.
	Account jid.JID
	// ToBare makes the receipt go to the sender's bare address, so that all of
	// the sender's clients see it. It has no effect on messages of [RoomUser]s.
	// It defaults to false: the receipt goes to the address that the message came
	// from.
	ToBare bool
	// Store adds the hint that the receipt be stored (XEP-0334 §4.4), which makes
	// it a message of two children against the advice of XEP-0184 §7.
	// It defaults to false.
	Store bool
	// GroupChat allows to answer messages of a room, to the room's bare address.
	// XEP-0184 §5.3 does not recommend it; whoever sets it has to leave out the
	// messages that the room reflects to their sender.
	// It defaults to false.
	GroupChat bool
	// Component makes the message's to, as it stands, the receipt's from, unless
	// Account is given: a component has many addresses, and its server adds none
	// (XEP-0114). It defaults to false: the receipt has no from.
	Component bool
}

// MayAck returns nil if the message may be answered with a receipt as far as the
// message itself can tell, and otherwise an error that wraps [ErrNoAck] and says
// why not.
//
// It does not know whether the sender may see the recipient's presence (XEP-0184
// §8), whether the user wants to send receipts, or whether the message was
// processed: that is the caller's part. So is to ask only for messages that have
// just arrived, and not for forwarded or archived ones (XEP-0184 §5.5).
func (m *Message) MayAck(o *AckOptions) error {
	_, err := m.sender(o)
	return err
}

// refuse returns an error for a message that is not answered.
func refuse(reason string) error {
	return fmt.Errorf("%w: %s", ErrNoAck, reason)
}

// sender returns the address to which a message is answered before any option is
// applied, or why it is not.
func (m *Message) sender(o *AckOptions) (jid.JID, error) {
	switch {
	case m.Element != MessageStanza:
		return jid.JID{}, refuse("it is no message")
	case m.Kind.Has(KindReceived):
		return jid.JID{}, refuse("it is a receipt")
	case !m.Kind.Has(KindRequest):
		return jid.JID{}, refuse("it asks for none")
	case m.Type == stanza.ErrorMessage:
		return jid.JID{}, refuse("it is an error")
	case m.Type == stanza.GroupChatMessage && (o == nil || !o.GroupChat):
		return jid.JID{}, refuse("it is from a room")
	case m.Type == stanza.GroupChatMessage && m.Marks.Has(Delayed):
		return jid.JID{}, refuse("it is from a room's history")
	case m.Marks.Has(Carbon), m.Marks.Has(Archived):
		return jid.JID{}, refuse("it is a copy")
	case m.ID.IsEmpty():
		return jid.JID{}, refuse("it has no id")
	case m.From.IsEmpty():
		return jid.JID{}, refuse("it has no from")
	}
	from, ok := address(m.From)
	if !ok {
		return jid.JID{}, refuse("its from is malformed")
	}
	account, err := m.account(o)
	if err != nil {
		return jid.JID{}, err
	}
	if account.Equal(from.Bare()) {
		return jid.JID{}, refuse("it is from the same account")
	}
	return from, nil
}

// account returns the bare address of the recipient.
func (m *Message) account(o *AckOptions) (jid.JID, error) {
	if o != nil && !o.Account.Equal(jid.JID{}) {
		return o.Account.Bare(), nil
	}
	if m.To.IsEmpty() {
		return jid.JID{}, refuse("it is to its sender's own account") // RFC 6120 §10.3.1
	}
	to, ok := address(m.To)
	if !ok {
		return jid.JID{}, refuse("its to is malformed")
	}
	return to.Bare(), nil
}

// maxAddress is the greatest length of an address in bytes (RFC 7622 §3.1). To bring a longer
// one into its normal form would cost a hundred times what Scan costs.
const maxAddress = 3*1023 + len("@/")

// address returns an address in its normal form.
func address(t Text) (jid.JID, bool) {
	text := t.String()
	if len(text) > maxAddress {
		return jid.JID{}, false
	}
	j, err := jid.Parse(text)
	return j, err == nil
}
