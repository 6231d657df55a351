// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/jid"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/receipts"
)

var (
	_ info.FeatureIter = (*client.Responder)(nil)
	_ client.Journal   = (*journal)(nil)
)

// The addresses of the recipient's tests.
const (
	richard = "kingrichard@royalty.england.lit"
	percy   = "northumberland@shakespeare.lit"
	desk    = percy + "/westminster"
	york    = percy + "/york"
)

// wants is the element that asks for a receipt.
const wants = `<request xmlns='urn:xmpp:receipts'/>`

// newResponder returns a Responder that must be possible.
func newResponder(t testing.TB, o client.ResponderOptions) *client.Responder {
	t.Helper()
	r, err := client.NewResponder(&o)
	if err != nil {
		t.Fatalf("NewResponder: %v", err)
	}
	return r
}

// asker returns a message to Richard that asks for a receipt.
func asker(from, id, body string) []byte {
	return []byte(`<message type='chat' from='` + from + `' to='` + richard + `' id='` + id + `'><body>` + body + `</body>` + wants + `</message>`)
}

// told tells in words what an Arrival's Ack gives: the receipt, or why there is none.
func told(ack receipts.Ack, err error) string {
	switch {
	case err == nil && len(ack.ID) < 22:
		return "a receipt whose id is " + ack.ID
	case err == nil:
		ack.ID = "r"
		return string(ack.AppendTo(nil))
	case errors.Is(err, receipts.ErrNoAck):
		_, reason, _ := strings.Cut(err.Error(), "sent: ")
		return reason
	}
	return err.Error()
}

func TestResponder(t *testing.T) {
	const (
		body  = `<body>a</body>`
		plain = `<message type='chat' id='r' to='a@b/c'><received xmlns='urn:xmpp:receipts' id='1'/></message>`
	)
	message := func(attributes, content string) string {
		return `<message ` + attributes + `>` + content + `</message>`
	}
	usual := func(content string) string { return message(`type='chat' id='1' from='a@b/c' to='d@e/f'`, content) }
	rooms := client.ResponderOptions{
		Ack: &receipts.AckOptions{GroupChat: true},
		Own: func(occupant jid.JID) bool { return occupant.Resourcepart() == "us" },
	}
	for _, c := range []struct {
		name    string
		stanza  string
		options client.ResponderOptions // with Policy Always
		want    string
	}{
		{name: "R49 R50 R51 R52 R53 the receipt", stanza: usual(body + wants), want: plain},
		{name: "R18 several requests get one receipt", stanza: usual(wants + wants), want: plain},
		{name: "R54 a receipt does not ask", stanza: usual(body + wants), want: plain},
		{name: "R55 a receipt gets none", stanza: usual(`<received xmlns='urn:xmpp:receipts' id='2'/>`), want: "it is a receipt"},
		{name: "R55 a receipt that asks gets none", stanza: usual(wants + `<received xmlns='urn:xmpp:receipts' id='2'/>`), want: "it is a receipt"},
		{name: "R56 an error gets none", stanza: message(`type='error' id='1' from='a@b/c' to='d@e/f'`, wants), want: "it is an error"},
		{name: "R57 a message without an id gets none", stanza: message(`from='a@b/c' to='d@e/f'`, wants), want: "it has no id"},
		{name: "R57 nor one with an empty one", stanza: message(`id='' from='a@b/c' to='d@e/f'`, wants), want: "it has no id"},
		{name: "R58 an archive's result gets none", stanza: usual(`<result xmlns='urn:xmpp:mam:2'/>` + wants), want: "it is a copy"},
		{name: "R59 a message from the offline store gets one", stanza: usual(body + wants + `<delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>`), want: plain},
		{name: "R61 the copy of what was sent gets none", stanza: usual(`<sent xmlns='urn:xmpp:carbons:2'/>` + wants), want: "it is a copy"},
		{name: "R62 the copy of what came gets none", stanza: usual(`<received xmlns='urn:xmpp:carbons:2'/>` + wants), want: "it is a copy"},
		{name: "R4 what is forwarded does not ask", stanza: usual(`<forwarded xmlns='urn:xmpp:forward:0'>` + string(asker("a@b/c", "2", "")) + `</forwarded>`), want: "it asks for none"},
		{name: "R64 our own account gets none", stanza: message(`id='1' from='d@e/x' to='d@e/f'`, wants), want: "it is from the same account"},
		{name: "R64 nor does nobody", stanza: message(`id='1' to='d@e/f'`, wants), want: "it has no from"},
		{name: "R64 the account may be given", stanza: message(`id='1' from='d@e/x'`, wants), options: client.ResponderOptions{Ack: &receipts.AckOptions{Account: jid.MustParse("d@e/f")}}, want: "it is from the same account"},
		{name: "R70 a room gets none", stanza: message(`type='groupchat' id='1' from='r@b/c' to='d@e/f'`, wants), want: "it is from a room"},
		{name: "R70 unless that is wanted", stanza: message(`type='groupchat' id='1' from='r@b/c' to='d@e/f'`, wants), options: rooms, want: `<message type='groupchat' id='r' to='r@b'><received xmlns='urn:xmpp:receipts' id='1'/></message>`},
		{name: "R70 what a room reflects gets none", stanza: message(`type='groupchat' id='1' from='r@b/us' to='d@e/f'`, wants), options: rooms, want: "it may be our own, which a room reflects"},
		{name: "R70 nobody knows what a room reflects", stanza: message(`type='groupchat' id='1' from='r@b/c' to='d@e/f'`, wants), options: client.ResponderOptions{Ack: rooms.Ack}, want: "it may be our own, which a room reflects"},
		{name: "R70 a room's history gets none", stanza: message(`type='groupchat' id='1' from='r@b/c' to='d@e/f'`, wants+`<delay xmlns='urn:xmpp:delay'/>`), options: rooms, want: "it is from a room's history"},
		{name: "R71 an occupant gets one that says so", stanza: usual(`<x xmlns='http://jabber.org/protocol/muc#user'/>` + wants), options: client.ResponderOptions{Ack: &receipts.AckOptions{ToBare: true}}, want: `<message type='chat' id='r' to='a@b/c'><received xmlns='urn:xmpp:receipts' id='1'/><x xmlns='http://jabber.org/protocol/muc#user'/></message>`},
		{name: "R73 a headline gets one", stanza: message(`type='headline' id='1' from='a@b/c' to='d@e/f'`, wants), want: strings.Replace(plain, "chat", "headline", 1)},
		{name: "R74 the hint to store is an option", stanza: usual(wants), options: client.ResponderOptions{Ack: &receipts.AckOptions{Store: true}}, want: strings.Replace(plain, "</message>", "<store xmlns='urn:xmpp:hints'/></message>", 1)},
		{name: "the id of all receipts cannot be given", stanza: usual(wants), options: client.ResponderOptions{Ack: &receipts.AckOptions{ID: "x"}}, want: plain},
		{name: "a component has many addresses", stanza: usual(wants), options: client.ResponderOptions{Ack: &receipts.AckOptions{Component: true}}, want: strings.Replace(plain, "to='a@b/c'", "to='a@b/c' from='d@e/f'", 1)},
		{name: "R5 a query gets none", stanza: `<iq id='1' from='a@b/c' to='d@e/f'>` + wants + `</iq>`, want: "it is no message"},
		{name: "R25 what is malformed gets none", stanza: `<message`, want: "receipts: not well-formed: a tag does not end (byte 0)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.options.Policy = client.Always
			r := newResponder(t, c.options)
			stanza := []byte(c.stanza)
			a := r.Receive(now, stanza)
			clear(stanza) // which is not used any more
			if may := a.Err() == nil; may != strings.HasPrefix(c.want, "<") {
				t.Errorf("Err: got %v, want a receipt: %t", a.Err(), !may)
			}
			if a.Copy() {
				t.Error("Copy: got true, want false")
			}
			if diff := cmp.Diff(c.want, told(a.Ack(now))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Every receipt has an id of its own, and each Arrival gives one.
func TestR53EachReceiptHasAnIDOfItsOwn(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always})
	known := make(map[string]bool)
	for range 100 {
		a := r.Receive(now, asker(desk, "1", ""))
		ack, err := a.Ack(now)
		if err != nil {
			t.Fatal(err)
		}
		if known[ack.ID] || ack.ID == "1" {
			t.Fatalf("got the id %q again", ack.ID)
		}
		known[ack.ID] = true
		if _, err := a.Ack(now); !errors.Is(err, client.ErrAnswered) {
			t.Fatalf("Ack once more: got %v, want ErrAnswered", err)
		}
		if err := a.Err(); !errors.Is(err, client.ErrAnswered) {
			t.Fatalf("Err: got %v, want ErrAnswered", err)
		}
	}
}

// The shared vectors say which messages get a receipt from a client that answers the sender.
func TestVectorsOfResponder(t *testing.T) {
	data, err := os.ReadFile("../receipts/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name   string
		XML    string
		Base64 []byte `json:"xml_base64"`
		Expect struct {
			ID        string
			ShouldAck bool `json:"should_ack"`
		}
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		if v.Base64 != nil {
			v.XML = string(v.Base64)
		}
		for name, policy := range map[string]client.Policy{"Always": client.Always, "Presence": client.Presence} {
			t.Run(name+"/"+v.Name, func(t *testing.T) {
				r := newResponder(t, client.ResponderOptions{Policy: policy})
				if m, err := receipts.Scan([]byte(v.XML)); err == nil {
					if from, err := jid.Parse(m.From.String()); err == nil {
						r.Roster().Set(from, "both")
					}
				}
				ack, err := r.Receive(now, []byte(v.XML)).Ack(now)
				if got, want := err == nil, v.Expect.ShouldAck; got != want {
					t.Fatalf("got a receipt: %t (%v), want: %t", got, err, want)
				}
				if err == nil && ack.Received != v.Expect.ID {
					t.Errorf("got a receipt for %q, want for %q", ack.Received, v.Expect.ID)
				}
			})
		}
	}
	if len(vectors) != 101 {
		t.Errorf("got %d vectors, want 101", len(vectors))
	}
}

// Nobody learns of it when there is no receipt: there is nothing that could be sent.
func TestR48R63S48WhoIsAnswered(t *testing.T) {
	for subscription, want := range map[string]bool{"none": false, "to": false, "remove": false, "": false, "FROM": false, "from": true, "both": true} {
		r := newResponder(t, client.ResponderOptions{})
		if subscription != "" {
			r.Roster().Set(jid.MustParse(percy), subscription)
		}
		a := r.Receive(now, asker(desk, "1", ""))
		if got := a.Err() == nil; got != want {
			t.Errorf("Err with the subscription %q: got %v, want a receipt: %t", subscription, a.Err(), want)
		}
		ack, err := a.Ack(now)
		if got := err == nil; got != want || !want && !errors.Is(err, client.ErrPolicy) {
			t.Errorf("Ack with the subscription %q: got %v, want a receipt: %t", subscription, err, want)
		}
		if err != nil && len(ack.AppendTo(nil)) > 0 {
			t.Errorf("got %v beside an error", ack)
		}
	}
	for name, policy := range map[string]client.Policy{
		"switched off": client.Never,
		"blocked":      client.Every(client.Always, client.Not(client.Addresses(jid.MustParse(percy)))),
	} {
		r := newResponder(t, client.ResponderOptions{Policy: policy})
		r.Roster().Set(jid.MustParse(percy), "both")
		a := r.Receive(now, asker(desk, "1", ""))
		if _, err := a.Ack(now); !errors.Is(err, client.ErrPolicy) {
			t.Errorf("%s: got %v, want ErrPolicy", name, err)
		}
		if b := r.Receive(now, asker(desk, "1", "")); !b.Copy() {
			t.Errorf("%s: a copy is shown", name)
		}
		if got := r.Stats().Policy; got != 1 {
			t.Errorf("%s: got %d in Stats, want 1", name, got)
		}
	}
}

// What counts is the Policy when the message is safe, not when it came: a roster that is
// loaded meanwhile is not too late, and neither is a user who turns receipts off.
func TestR48ThePolicyOfTheMomentCounts(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{})
	a := r.Receive(now, asker(desk, "1", ""))
	r.Roster().Set(jid.MustParse(percy), "from")
	if _, err := a.Ack(now); err != nil {
		t.Errorf("in the roster meanwhile: %v", err)
	}
	b := r.Receive(now, asker(desk, "2", ""))
	r.SetPolicy(client.Never)
	if _, err := b.Ack(now); !errors.Is(err, client.ErrPolicy) {
		t.Errorf("switched off meanwhile: got %v, want ErrPolicy", err)
	}
	r.SetPolicy(client.Always)
	c := r.Receive(now, asker(desk, "2", ""))
	if !c.Copy() {
		t.Error("a copy is shown")
	}
	if _, err := c.Ack(now); err != nil {
		t.Errorf("a copy, and switched on: %v", err)
	}
}

// Two clients of one account answer each for itself.
func TestR69EachClientAnswersForItself(t *testing.T) {
	for range 2 {
		r := newResponder(t, client.ResponderOptions{Policy: client.Always})
		if a := r.Receive(now, asker(desk, "1", "")); a.Copy() || a.Err() != nil {
			t.Errorf("got Copy %t, Err %v", a.Copy(), a.Err())
		}
	}
}

func TestR75R76TheFeatureIsThereIfThePolicyIs(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{})
	has := func(node string) bool {
		found := false
		err := r.ForFeatures(node, func(f info.Feature) error {
			found = found || f == receipts.Feature
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for _, c := range []struct {
		policy        client.Policy
		changed, want bool
	}{
		{client.Presence, false, true},
		{client.Always, false, true},
		{client.Never, true, false},
		{client.Any(client.Never), false, false},
		{client.Not(client.Always), false, false},
		{client.Domains(), true, true},
		{client.Every(client.Presence, client.Never), true, false},
	} {
		if got := r.SetPolicy(c.policy); got != c.changed {
			t.Errorf("SetPolicy(%v): got %t, want %t", c.policy, got, c.changed)
		}
		if got := has(""); got != c.want {
			t.Errorf("ForFeatures after SetPolicy(%v): got %t, want %t", c.policy, got, c.want)
		}
		if has("node") {
			t.Error("a node has the feature")
		}
	}
	r.SetPolicy(client.Always)
	want := errors.New("enough")
	if err := r.ForFeatures("", func(info.Feature) error { return want }); err != want {
		t.Errorf("ForFeatures: got %v, want %v", err, want)
	}
}
