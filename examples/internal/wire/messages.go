// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package wire

import (
	"encoding/xml"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// NSReceipts is the namespace of XEP-0184, Message Delivery Receipts.
const NSReceipts = "urn:xmpp:receipts"

// Message returns a message that asks for a receipt.
func Message(to jid.JID, id, body string) xml.TokenReader {
	return stanza.Message{ID: id, To: to, Type: stanza.ChatMessage}.Wrap(xmlstream.MultiReader(
		xmlstream.Wrap(
			xmlstream.Token(xml.CharData(body)),
			xml.StartElement{Name: xml.Name{Local: "body"}},
		),
		xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: NSReceipts, Local: "request"}}),
	))
}

// Asked reports whether a message asks for a receipt.
func Asked(e Element) bool {
	_, asked := e.Child(NSReceipts, "request")
	return asked
}

// Receipt returns the receipt for a message, with an id of its own.
func Receipt(message Element, id string) (xml.TokenReader, error) {
	sender, err := jid.Parse(message.Get("from"))
	if err != nil {
		return nil, err
	}
	kind := stanza.MessageType(message.Get("type"))
	return stanza.Message{ID: id, To: sender, Type: kind}.Wrap(xmlstream.Wrap(nil, xml.StartElement{
		Name: xml.Name{Space: NSReceipts, Local: "received"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "id"}, Value: message.Get("id")}},
	})), nil
}

// Intact reports whether a message is still what Message made with that body,
// but for a note that it was delayed.
func Intact(e Element, want string) bool {
	var body string
	depth, elements, delays := 0, 0, 0
	inBody := false
	for _, token := range e {
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			inBody = depth == 2 && t.Name.Local == "body"
			if t.Name == (xml.Name{Space: "urn:xmpp:delay", Local: "delay"}) {
				delays++
			} else {
				elements++
			}
		case xml.CharData:
			if inBody {
				body += string(t)
			}
		case xml.EndElement:
			depth--
			inBody = false
		}
	}
	return body == want && e.Get("type") == "chat" && elements == 3 && delays <= 1
}
