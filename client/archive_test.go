// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/receipts"
)

// fetched returns a result from the archive of Richard.
func fetched(stanza string) []byte {
	return []byte(`<message from='` + richard + `' to='` + richard + `/throne'><result xmlns='urn:xmpp:mam:2' id='1' queryid='q'>` +
		`<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>` +
		strings.Replace(stanza, "<message", "<message xmlns='jabber:client'", 1) + `</forwarded></result></message>`)
}

// receiptFrom returns a receipt.
func receiptFrom(from, to string, ids ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<message from='%s' to='%s'>`, from, to)
	for _, id := range ids {
		fmt.Fprintf(&b, `<received xmlns='urn:xmpp:receipts' id='%s'/>`, id)
	}
	return b.String() + `</message>`
}

// idsOf returns for which messages receipts are.
func idsOf(acks []receipts.Ack) []string {
	var ids []string
	for _, a := range acks {
		ids = append(ids, a.To+" "+a.Received)
	}
	return ids
}

// archivist returns a Responder with an address of its own, which AckArchived needs.
func archivist(t testing.TB, o client.ResponderOptions) *client.Responder {
	o.Ack = &receipts.AckOptions{Account: addressOf(richard + "/throne")}
	return newResponder(t, o)
}

func TestR60AckArchived(t *testing.T) {
	ask := func(from, id string) []byte { return fetched(string(asker(from, id, "a"))) }
	both := func(from, id string) []string { return []string{from + " " + id} }
	for _, c := range []struct {
		name    string
		results [][]byte
		want    []string
	}{
		{"each in order", [][]byte{ask(desk, "1"), ask("a@b/c", "1"), ask(desk, "0")}, []string{desk + " 1", "a@b/c 1", desk + " 0"}},
		{"once", [][]byte{ask(desk, "1"), ask(desk, "1")}, both(desk, "1")},
		{"R55 no receipt for a receipt", [][]byte{fetched(receiptFrom(desk, richard, "1"))}, nil},
		{"what does not ask", [][]byte{fetched(`<message from='a@b/c' to='` + richard + `' id='1'><body/></message>`)}, nil},
		{"another client of ours has answered", [][]byte{ask(desk, "1"), ask(desk, "2"), fetched(receiptFrom(richard+"/crown", desk, "1"))}, both(desk, "2")},
		{"it has answered before, to the bare address, and several", [][]byte{fetched(receiptFrom(richard+"/crown", percy, "1", "2")), ask(desk, "1"), ask(desk, "2"), ask(desk, "3")}, both(desk, "3")},
		{"it has answered somebody else", [][]byte{ask(desk, "1"), fetched(receiptFrom(richard+"/crown", "a@b/c", "1"))}, both(desk, "1")},
		{"somebody else has answered", [][]byte{ask(desk, "1"), fetched(receiptFrom("mallory@e", desk, "1"))}, both(desk, "1")},
		{"its answer has come back", [][]byte{ask(desk, "1"), fetched(strings.Replace(receiptFrom(richard+"/crown", desk, "1"), "<message", "<message type='error'", 1))}, both(desk, "1")},
		{"our own messages", [][]byte{ask(richard+"/crown", "1")}, nil},
		{"R188 an archive of somebody else's", [][]byte{[]byte(strings.Replace(string(ask(desk, "1")), "from='"+richard+"'", "from='mallory@e'", 1))}, nil},
		{"R188 a client of ours is no archive", [][]byte{[]byte(strings.Replace(string(ask(desk, "1")), "from='"+richard+"'", "from='"+richard+"/crown'", 1))}, nil},
		{"R188 an archive without an address", [][]byte{[]byte(strings.Replace(string(ask(desk, "1")), "from='"+richard+"'", "", 1))}, both(desk, "1")},
		{"R188 a receipt from an archive of somebody else's", [][]byte{ask(desk, "1"), []byte(strings.Replace(string(fetched(receiptFrom(richard+"/crown", desk, "1"))), "from='"+richard+"'", "from='mallory@e'", 1))}, both(desk, "1")},
		{"R62 a carbon copy is no archive", [][]byte{[]byte(strings.NewReplacer("<result xmlns='urn:xmpp:mam:2'", "<received xmlns='urn:xmpp:carbons:2'", "</result>", "</received>").Replace(string(ask(desk, "1"))))}, nil},
		{"R70 a message of a room", [][]byte{fetched(`<message type='groupchat' from='r@m/a' to='` + richard + `' id='1'>` + wants + `</message>`)}, nil},
		{"what is no result", [][]byte{asker(desk, "1", ""), []byte("<message"), nil}, nil},
		{"nothing", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := archivist(t, client.ResponderOptions{Policy: client.Always})
			acks := r.AckArchived(now, c.results...)
			if diff := cmp.Diff(c.want, idsOf(acks)); diff != "" {
				t.Error(diff)
			}
			for _, a := range acks {
				if a.From != richard+"/throne" || len(a.ID) < 22 {
					t.Errorf("got %+v", a)
				}
			}
			if acks := r.AckArchived(now, c.results...); acks != nil {
				t.Errorf("the second time: got %v, want none", acks)
			}
		})
	}
}

// What came live is not acknowledged once more, and what the archive gave is known when it comes.
func TestR60TheArchiveAndTheStream(t *testing.T) {
	r := archivist(t, client.ResponderOptions{Policy: client.Always})
	live, lost := string(asker(desk, "live", "a")), string(asker(desk, "lost", "a"))
	if !ackOf(t, r, now, []byte(live)) {
		t.Fatal("there is no receipt")
	}
	hand := string(asker(desk, "hand", "a"))
	a := r.Receive(now, []byte(hand))
	if diff := cmp.Diff([]string{desk + " lost"}, idsOf(r.AckArchived(now, fetched(live), fetched(lost), fetched(hand)))); diff != "" {
		t.Error(diff)
	}
	if _, err := a.Ack(now); err != nil {
		t.Errorf("what was in hand: %v", err)
	}
	b := r.Receive(now, []byte(lost))
	if _, err := b.Ack(now); !b.Copy() || err != nil {
		t.Errorf("a copy of what the archive gave: got %t, %v", b.Copy(), err)
	}
}

// Policy, rates and Journal count; what got no receipt for them gets one later.
func TestR60WhatForbidsAnAnswer(t *testing.T) {
	j := &journal{}
	r := archivist(t, client.ResponderOptions{Journal: j, SenderRate: 0.001, SenderBurst: 2})
	var results [][]byte
	for i := range 3 {
		results = append(results, fetched(string(asker(desk, fmt.Sprint(i), ""))))
	}
	if acks := r.AckArchived(now, results...); acks != nil {
		t.Errorf("R63 a stranger: got %v", acks)
	}
	r.Roster().Set(addressOf(percy), "both")
	j.err = errDisk
	if acks := r.AckArchived(now, results...); acks != nil {
		t.Errorf("a journal that fails: got %v", acks)
	}
	j.err = nil
	if diff := cmp.Diff([]string{desk + " 0", desk + " 1"}, idsOf(r.AckArchived(now, results...))); diff != "" {
		t.Error(diff)
	}
	if len(j.rows) != 2 {
		t.Errorf("got %d rows, want 2", len(j.rows))
	}
	if diff := cmp.Diff([]string{desk + " 2"}, idsOf(r.AckArchived(now.AddDate(0, 0, 1), results[2]))); diff != "" {
		t.Error(diff)
	}
}

// What a room's archive or history says is never answered, whatever the options.
func TestR60R70NoRoomIsAnsweredFromAnArchive(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{
		Policy: client.Always,
		Ack:    &receipts.AckOptions{Account: addressOf(richard), GroupChat: true},
		Own:    func(jid.JID) bool { return false },
	})
	message := `<message type='groupchat' from='r@m/a' to='` + richard + `' id='1'>` + wants + `</message>`
	if acks := r.AckArchived(now, fetched(message)); acks != nil {
		t.Errorf("got %v, want none", acks)
	}
	if _, err := r.Receive(now, []byte(message)).Ack(now); err != nil {
		t.Errorf("live: %v", err)
	}
}

// Several that catch up at once give one receipt for each message.
func TestR60TwoCatchUpsAtOnce(t *testing.T) {
	defer goleak.VerifyNone(t)
	r := archivist(t, client.ResponderOptions{Policy: client.Always, Journal: new(journal)})
	var results [][]byte
	for i := range 200 {
		results = append(results, fetched(string(asker(desk, fmt.Sprint(i), ""))))
	}
	var acks atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { acks.Add(int64(len(r.AckArchived(now, results...)))) })
	}
	all.Wait()
	if got, want := acks.Load(), int64(len(results)); got != want {
		t.Errorf("got %d receipts, want %d", got, want)
	}
}

func TestR188WithoutAnAccountNoArchiveIsTrusted(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always})
	if acks := r.AckArchived(now, fetched(string(asker(desk, "1", "")))); acks != nil {
		t.Errorf("got %v, want none", acks)
	}
}
