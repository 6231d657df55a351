// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"crypto/rand"
	"encoding/xml"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"
)

// An Ack is a receipt: the message that acknowledges another one.
// It never asks for a receipt itself (XEP-0184 §5.4).
type Ack struct {
	ID       string             // its own id
	To       string             // who sent the acknowledged message
	From     string             // who acknowledges it; if empty the server fills it in
	Type     stanza.MessageType // the same as that of the acknowledged message
	Received string             // the id of the acknowledged message
	Store    bool               // with the hint that it be stored
	RoomUser bool               // with the mark of private messages in rooms
}

// Ack returns the receipt for the message, or an error that wraps [ErrNoAck] and
// says why there is none, see [Message.MayAck].
//
// The receipt has the message's type (XEP-0184 §7), an id of its own, and is
// addressed to the message's from exactly as received. It has one child, except
// that a private message in a room is answered with that fact marked
// (XEP-0045 §7.5).
//
// Send it only after the message was processed, and decrypted if it is encrypted
// (XEP-0364 §4.5).
func (m *Message) Ack(o *AckOptions) (Ack, error) {
	from, err := m.sender(o)
	if err != nil {
		return Ack{}, err
	}
	if o == nil {
		o = &AckOptions{}
	}
	a := Ack{
		ID:       o.ID,
		To:       m.From.String(),
		From:     o.Account.String(),
		Type:     m.Type,
		Received: m.ID.String(),
		Store:    o.Store,
		RoomUser: m.Marks.Has(RoomUser) && m.Type != stanza.GroupChatMessage,
	}
	if a.ID == "" {
		a.ID = rand.Text()
	}
	if a.From == "" && o.Component {
		a.From = m.To.String()
	}
	if m.Type == stanza.GroupChatMessage || o.ToBare && !a.RoomUser {
		a.To = from.Bare().String()
	}
	return a, nil
}

// start returns the tag of the message.
func (a Ack) start() xml.StartElement {
	start := xml.StartElement{Name: xml.Name{Local: "message"}}
	for _, attr := range [...]struct{ name, value string }{
		{"type", string(a.Type)}, {"id", a.ID}, {"to", a.To}, {"from", a.From},
	} {
		if attr.value != "" {
			start.Attr = append(start.Attr, xml.Attr{
				Name: xml.Name{Local: attr.name}, Value: attr.value,
			})
		}
	}
	return start
}

// TokenReader implements xmlstream.Marshaler.
// As with mellium's own stanzas, the namespace of the message is left to the
// session that sends it.
func (a Ack) TokenReader() xml.TokenReader {
	children := []xml.TokenReader{Received{ID: a.Received}.TokenReader()}
	if a.RoomUser {
		children = append(children, empty(nsRoom, "x"))
	}
	if a.Store {
		children = append(children, empty(nsHints, "store"))
	}
	return xmlstream.Wrap(xmlstream.MultiReader(children...), a.start())
}

// empty returns the tokens of an empty element.
func empty(space, local string) xml.TokenReader {
	return xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: space, Local: local}})
}

// WriteXML implements xmlstream.WriterTo.
// It fails with [ErrNoID], and writes nothing, if there is nothing that the
// receipt acknowledges.
func (a Ack) WriteXML(w xmlstream.TokenWriter) (int, error) {
	if a.Received == "" {
		return 0, ErrNoID
	}
	return xmlstream.Copy(w, a.TokenReader())
}

// MarshalXML implements xml.Marshaler.
func (a Ack) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	_, err := a.WriteXML(e)
	return err
}

// AppendTo appends the receipt's bytes to b, for a stream whose default
// namespace is that of the stanzas.
// Without [Ack.Received], or with characters that XML can not carry, there is
// nothing that can be written, and b is returned unchanged.
func (a Ack) AppendTo(b []byte) []byte {
	if a.Received == "" {
		return b
	}
	dst, err := AppendTokens(b, a.TokenReader(), stanza.NSClient)
	if err != nil {
		return b
	}
	return dst
}
