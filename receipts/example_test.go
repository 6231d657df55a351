// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"github.com/untilack/untilack/receipts"
)

func ExampleScan() {
	m, err := receipts.Scan([]byte(`<message from='romeo@montague.example/orchard' id='m1' type='chat'>
	<body>Wilt thou leave me so unsatisfied?</body>
	<request xmlns='urn:xmpp:receipts'/>
</message>`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Element, m.Type, m.Kind, m.ID, m.From)
	fmt.Println(m.Marks)
	// Output:
	// message chat request m1 romeo@montague.example/orchard
	// Body|Content
}

func ExampleRead() {
	d := xml.NewDecoder(strings.NewReader(
		`<message xmlns='jabber:client'><received xmlns='urn:xmpp:receipts' id='m1'/></message>`))
	m, err := receipts.Read(d)
	if err != nil {
		fmt.Println(err)
		return
	}
	for id := range m.Received() {
		fmt.Println("acknowledged:", id)
	}
	// Output:
	// acknowledged: m1
}

func ExampleMessage_Ack() {
	m, err := receipts.Scan([]byte(`<message id='m1' type='chat'
		from='romeo@montague.example/orchard' to='juliet@capulet.example/balcony'>
	<body>Wilt thou leave me so unsatisfied?</body>
	<request xmlns='urn:xmpp:receipts'/>
</message>`))
	if err != nil {
		fmt.Println(err)
		return
	}
	ack, err := m.Ack(&receipts.AckOptions{ID: "r1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(ack.AppendTo(nil)))
	// Output:
	// <message type='chat' id='r1' to='romeo@montague.example/orchard'><received xmlns='urn:xmpp:receipts' id='m1'/></message>
}

func ExampleAppendDelayed() {
	out, err := receipts.AppendDelayed(nil, []byte(`<message id='m1'><body>Good night!</body></message>`),
		receipts.Delay{
			From:  "capulet.example",
			Stamp: time.Date(2026, time.July, 10, 23, 8, 25, 0, time.UTC),
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(out))
	// Output:
	// <message id='m1'><body>Good night!</body><delay xmlns='urn:xmpp:delay' from='capulet.example' stamp='2026-07-10T23:08:25Z'/></message>
}
