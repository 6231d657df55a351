// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"

	"github.com/untilack/untilack/receipts"
)

var (
	_ xml.Marshaler       = receipts.Ack{}
	_ xmlstream.Marshaler = receipts.Ack{}
	_ xmlstream.WriterTo  = receipts.Ack{}
)

// request is the element that asks for a receipt.
const request = `<request xmlns='urn:xmpp:receipts'/>`

func TestAck(t *testing.T) {
	const body = `<body>a</body>`
	options := func(o receipts.AckOptions) *receipts.AckOptions {
		o.ID = "r"
		return &o
	}
	for _, c := range []struct {
		name    string
		stanza  string
		options *receipts.AckOptions
		want    string // the receipt, or the reason why there is none
	}{
		{
			name:    "R49 R50 R51 R52 the receipt mirrors the type and goes to the full address",
			stanza:  `<message type='chat' id='1' from='a@b/c' to='d@e/f'>` + body + request + `</message>`,
			options: options(receipts.AckOptions{}),
			want:    `<message type='chat' id='r' to='a@b/c'><received xmlns='urn:xmpp:receipts' id='1'/></message>`,
		},
		{
			name:    "R51 a message without a type is normal",
			stanza:  `<message id='1' from='a@b/c' to='d@e/f'>` + body + request + `</message>`,
			options: options(receipts.AckOptions{}),
			want:    `<message type='normal' id='r' to='a@b/c'><received xmlns='urn:xmpp:receipts' id='1'/></message>`,
		},
		{
			name:    "R52 the address is taken as received",
			stanza:  `<message id='1' from='A@B.example/&apos;C&amp;' to='d@e/f'>` + request + `</message>`,
			options: options(receipts.AckOptions{}),
			want:    `<message type='normal' id='r' to='A@B.example/&apos;C&amp;'><received xmlns='urn:xmpp:receipts' id='1'/></message>`,
		},
		{
			name:    "R52 the receipt may go to the bare address",
			stanza:  `<message id='1' from='a@b/c' to='d@e/f'>` + request + `</message>`,
			options: options(receipts.AckOptions{ToBare: true}),
			want:    `<message type='normal' id='r' to='a@b'><received xmlns='urn:xmpp:receipts' id='1'/></message>`,
		},
		{
			name:    "R15 ids are escaped again",
			stanza:  `<message id='a&amp;b&lt;c&gt;d&quot;e&apos;f' from='a@b/c' to='d@e/f'>` + request + `</message>`,
			options: options(receipts.AckOptions{}),
			want:    `<message type='normal' id='r' to='a@b/c'><received xmlns='urn:xmpp:receipts' id='a&amp;b&lt;c&gt;d&quot;e&apos;f'/></message>`,
		},
		{
			name:    "R71 a private message in a room is answered to the occupant",
			stanza:  `<message type='chat' id='1' from='r@b/c' to='d@e/f'><x xmlns='http://jabber.org/protocol/muc#user'/>` + request + `</message>`,
			options: options(receipts.AckOptions{ToBare: true}),
			want:    `<message type='chat' id='r' to='r@b/c'><received xmlns='urn:xmpp:receipts' id='1'/><x xmlns='http://jabber.org/protocol/muc#user'/></message>`,
		},
		{
			name:    "R73 a headline is answered",
			stanza:  `<message type='headline' id='1' from='a@b/c' to='d@e/f'>` + request + `</message>`,
			options: options(receipts.AckOptions{}),
			want:    `<message type='headline' id='r' to='a@b/c'><received xmlns='urn:xmpp:receipts' id='1'/></message>`,
		},
		{
			name:    "R74 the hint to store is an option",
			stanza:  `<message id='1' from='a@b/c' to='d@e/f'>` + request + `</message>`,
			options: options(receipts.AckOptions{Store: true}),
			want:    `<message type='normal' id='r' to='a@b/c'><received xmlns='urn:xmpp:receipts' id='1'/><store xmlns='urn:xmpp:hints'/></message>`,
		},
		{
			name:    "R70 a room is answered at its bare address if that is wanted",
			stanza:  `<message type='groupchat' id='1' from='r@b/c' to='d@e/f'><x xmlns='http://jabber.org/protocol/muc#user'/>` + request + `</message>`,
			options: options(receipts.AckOptions{GroupChat: true}),
			want:    `<message type='groupchat' id='r' to='r@b'><received xmlns='urn:xmpp:receipts' id='1'/></message>`,
		},
		{
			name:    "R70 a room's history is not answered",
			stanza:  `<message type='groupchat' id='1' from='r@b/c' to='d@e/f'><delay xmlns='urn:xmpp:delay'/>` + request + `</message>`,
			options: options(receipts.AckOptions{GroupChat: true}),
			want:    "it is from a room's history",
		},
		{
			name:   "R70 a room is not answered",
			stanza: `<message type='groupchat' id='1' from='r@b/c' to='d@e/f'>` + request + `</message>`,
			want:   "it is from a room",
		},
		{
			name:    "R64 the own address may be given",
			stanza:  `<message id='1' from='a@b/c'>` + request + `</message>`,
			options: options(receipts.AckOptions{Account: jid.MustParse("d@e/f")}),
			want:    `<message type='normal' id='r' to='a@b/c' from='d@e/f'><received xmlns='urn:xmpp:receipts' id='1'/></message>`,
		},
		{
			name:    "a component answers with the address that was written to",
			stanza:  `<message id='1' from='a@b/c' to='D@E/&apos;f'>` + request + `</message>`,
			options: options(receipts.AckOptions{Component: true}),
			want:    `<message type='normal' id='r' to='a@b/c' from='D@E/&apos;f'><received xmlns='urn:xmpp:receipts' id='1'/></message>`,
		},
		{
			name:    "a component that says who it is answers so",
			stanza:  `<message id='1' from='a@b/c' to='d@e'>` + request + `</message>`,
			options: options(receipts.AckOptions{Component: true, Account: jid.MustParse("d@e/f")}),
			want:    `<message type='normal' id='r' to='a@b/c' from='d@e/f'><received xmlns='urn:xmpp:receipts' id='1'/></message>`,
		},
		{
			name:    "R64 a component does not answer an address to itself",
			stanza:  `<message id='1' from='a@b/c' to='a@b'>` + request + `</message>`,
			options: options(receipts.AckOptions{Component: true}),
			want:    "it is from the same account",
		},
		{
			name:    "R64 a message from the own address is not answered",
			stanza:  `<message id='1' from='a@b/c' to='x@y'>` + request + `</message>`,
			options: options(receipts.AckOptions{Account: jid.MustParse("a@b/d")}),
			want:    "it is from the same account",
		},
		{
			name:   "R64 addresses are compared in their normal form",
			stanza: `<message id='1' from='A@B.example/c' to='a@b.EXAMPLE'>` + request + `</message>`,
			want:   "it is from the same account",
		},
		{
			name:   "R64 a message without from is not answered",
			stanza: `<message id='1' to='a@b'>` + request + `</message>`,
			want:   "it has no from",
		},
		{
			name:   "R64 a message without to is not answered",
			stanza: `<message id='1' from='a@b/c'>` + request + `</message>`,
			want:   "it is to its sender's own account",
		},
		{
			name:   "a malformed from is not answered",
			stanza: `<message id='1' from='@b' to='a@b'>` + request + `</message>`,
			want:   "its from is malformed",
		},
		{
			name:   "a from that is too long is not answered",
			stanza: `<message id='1' from='a@b/` + strings.Repeat("c", 4000) + `' to='a@b'>` + request + `</message>`,
			want:   "its from is malformed",
		},
		{
			name:   "a malformed to is not answered",
			stanza: `<message id='1' from='a@b' to='@c'>` + request + `</message>`,
			want:   "its to is malformed",
		},
		{
			name:   "R55 a receipt is not answered",
			stanza: `<message id='1' from='a@b/c' to='d@e/f'>` + receipt("a") + `</message>`,
			want:   "it is a receipt",
		},
		{
			name:   "R55 a receipt that asks for one is not answered",
			stanza: `<message id='1' from='a@b/c' to='d@e/f'>` + request + receipt("a") + `</message>`,
			want:   "it is a receipt",
		},
		{
			name:   "R56 an error is not answered",
			stanza: `<message type='error' id='1' from='a@b/c' to='d@e/f'>` + request + `</message>`,
			want:   "it is an error",
		},
		{
			name:   "R57 a message with an empty id is not answered",
			stanza: `<message id='' from='a@b/c' to='d@e/f'>` + request + `</message>`,
			want:   "it has no id",
		},
		{
			name:   "a message that does not ask is not answered",
			stanza: `<message id='1' from='a@b/c' to='d@e/f'/>`,
			want:   "it asks for none",
		},
		{
			name:   "R61 a carbon is not answered",
			stanza: `<message id='1' from='a@b/c' to='d@e/f'><sent xmlns='urn:xmpp:carbons:2'/>` + request + `</message>`,
			want:   "it is a copy",
		},
		{
			name:   "R58 a result of an archive is not answered",
			stanza: `<message id='1' from='a@b/c' to='d@e/f'><result xmlns='urn:xmpp:mam:2'/>` + request + `</message>`,
			want:   "it is a copy",
		},
		{
			name:   "R5 a query is not answered",
			stanza: `<iq type='get' id='1' from='a@b/c' to='d@e/f'>` + request + `</iq>`,
			want:   "it is no message",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := receipts.Scan([]byte(c.stanza))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if a, err := m.Ack(c.options); err == nil {
				got = string(a.AppendTo(nil))
			} else if errors.Is(err, receipts.ErrNoAck) {
				_, got, _ = strings.Cut(err.Error(), "sent: ")
			} else {
				t.Fatalf("the error is of another kind: %v", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if may := m.MayAck(c.options) == nil; may != strings.HasPrefix(got, "<") {
				t.Errorf("MayAck says %t", may)
			}
		})
	}
}

func TestR53EveryReceiptHasAnIDOfItsOwn(t *testing.T) {
	m, err := receipts.Scan([]byte(asking))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{m.ID.String(): true}
	for range 1000 {
		a, err := m.Ack(nil)
		if err != nil {
			t.Fatal(err)
		}
		if seen[a.ID] || len(a.ID) < 22 {
			t.Fatalf("the id %q is not new, or too short", a.ID)
		}
		seen[a.ID] = true
	}
}

func TestR11AnAckWithoutIDIsNotEncoded(t *testing.T) {
	var b bytes.Buffer
	e := xml.NewEncoder(&b)
	_, err := receipts.Ack{To: "a@b"}.WriteXML(e)
	if !errors.Is(err, receipts.ErrNoID) {
		t.Errorf("the error is %v", err)
	}
	if _, err := xml.Marshal(receipts.Ack{To: "a@b"}); !errors.Is(err, receipts.ErrNoID) {
		t.Errorf("the error is %v", err)
	}
	if got := (receipts.Ack{To: "a@b"}).AppendTo([]byte("kept")); string(got) != "kept" {
		t.Errorf("it is %q", got)
	}
	if got := (receipts.Ack{To: "a@b", Received: "\x00"}).AppendTo([]byte("kept")); string(got) != "kept" {
		t.Errorf("it is %q", got)
	}
}

func TestAckMarshal(t *testing.T) {
	a := receipts.Ack{ID: "r", To: "a@b/c", Type: "chat", Received: "<1>", Store: true, RoomUser: true}
	got, err := xml.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	const want = `<message type="chat" id="r" to="a@b/c"><received xmlns="urn:xmpp:receipts" id="&lt;1&gt;"></received>` +
		`<x xmlns="http://jabber.org/protocol/muc#user"></x><store xmlns="urn:xmpp:hints"></store></message>`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}
