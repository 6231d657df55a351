// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

import (
	"encoding/xml"
	"fmt"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// A message that is to be followed needs an id and a request.
func ExampleAsk() {
	message := stanza.Message{To: jid.MustParse("juliet@capulet.lit"), Type: stanza.ChatMessage}
	body := xmlstream.Wrap(xmlstream.Token(xml.CharData("Art thou there?")), xml.StartElement{Name: xml.Name{Local: "body"}})
	ask := receipts.Ask(&receipts.RequestOptions{NewID: func() string { return "m1" }})
	out, err := receipts.Encode(ask(message.Wrap(body))) // or session.Send
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(out))
	// Output:
	// <message type='chat' to='juliet@capulet.lit' id='m1'><body>Art thou there?</body><request xmlns='urn:xmpp:receipts'/></message>
}

func ExampleAppendAsked() {
	options := &receipts.RequestOptions{
		NewID: func() string { return "m1" },
		Lacks: func(to string) bool { return to == "nurse@capulet.lit/kitchen" },
	}
	for _, message := range []string{
		"<message to='juliet@capulet.lit'><body>Art thou there?</body></message>",
		"<message to='nurse@capulet.lit/kitchen' id='m2'><body>Peter!</body></message>",
	} {
		out, m, err := receipts.AppendAsked(nil, []byte(message), options)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: %s\n%s\n", m.ID, m.Kind, out)
	}
	// Output:
	// m1: request
	// <message id='m1' to='juliet@capulet.lit'><body>Art thou there?</body><request xmlns='urn:xmpp:receipts'/></message>
	// m2: none
	// <message to='nurse@capulet.lit/kitchen' id='m2'><body>Peter!</body></message>
}

func ExampleMessage_MayAsk() {
	for _, message := range []string{
		"<message to='juliet@capulet.lit'><body>Good morrow</body></message>",
		"<message to='juliet@capulet.lit'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
		"<message to='hall@rooms.capulet.lit' type='groupchat'><body>Good morrow</body></message>",
	} {
		m, err := receipts.Scan([]byte(message))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.MayAsk(nil))
	}
	// Output:
	// <nil>
	// receipts: no receipt may be asked for: there is nothing in it
	// receipts: no receipt may be asked for: it is to a room
}

func ExampleUnwrap() {
	f, err := receipts.Unwrap([]byte("<message from='romeo@montague.lit'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>" +
		"<message xmlns='jabber:client' from='juliet@capulet.lit/balcony'><received xmlns='urn:xmpp:receipts' id='m1'/></message></forwarded></received></message>"))
	if err != nil || f.From.String() != "romeo@montague.lit" {
		fmt.Println("forged:", err)
		return
	}
	m, _ := receipts.Scan(f.Stanza)
	for id := range m.Received() {
		fmt.Println("acknowledged:", id)
	}
}
