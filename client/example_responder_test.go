// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/receipts"
)

// toJuliet returns a message from Romeo that asks for a receipt, as it would be read.
func toJuliet(id, body string) []byte {
	return fmt.Appendf(nil, "<message from='romeo@montague.lit/orchard' to='juliet@capulet.lit' id='%s'>"+
		"<body>%s</body><request xmlns='urn:xmpp:receipts'/></message>", id, body)
}

// A program with its own XML: one call for all that is read, one when the work is done.
func ExampleResponder() {
	responder, err := client.NewResponder(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	responder.Roster().Set(jid.MustParse("romeo@montague.lit"), "both")

	for range 2 { // the first receipt was lost
		arrival := responder.Receive(now, toJuliet("m1", "Art thou there?"))
		if !arrival.Copy() {
			fmt.Println("shown") // and safe
		}
		if ack, err := arrival.Ack(now); err == nil {
			fmt.Println("receipt for", ack.Received, "to", ack.To) // write ack.AppendTo(nil)
		}
	}
	// Output:
	// shown
	// receipt for m1 to romeo@montague.lit/orchard
	// receipt for m1 to romeo@montague.lit/orchard
}

// A bot that answers later: the loop that reads stanzas hands the messages to others, who do the
// work. A receipt says that the work is done. Work that fails leaves no trace, and when the message
// comes again it is done again.
func ExampleArrival() {
	responder, err := client.NewResponder(&client.ResponderOptions{Policy: client.Always})
	if err != nil {
		fmt.Println(err)
		return
	}
	type job struct {
		body    string
		arrival *client.Arrival
	}
	jobs := make(chan job, 16)
	read := func(id, body string) {
		if a := responder.Receive(now, toJuliet(id, body)); !a.Copy() {
			jobs <- job{body, a}
		} else if _, err := a.Ack(now); err != nil {
			fmt.Println("a copy of", id, "came:", err)
		}
	}
	work := func(broken bool) {
		j := <-jobs
		if broken {
			j.arrival.Again()
			fmt.Println("failed:", j.body)
			return
		}
		fmt.Println("done:", j.body)
		if ack, err := j.arrival.Ack(now.Add(time.Minute)); err == nil {
			fmt.Println("receipt for", ack.Received)
		}
	}

	read("m1", "Fetch me a ladder.")
	read("m1", "Fetch me a ladder.") // nobody is through with it
	read("m2", "And a lamp.")
	work(true)
	work(false)
	read("m1", "Fetch me a ladder.")
	work(false)
	// Output:
	// a copy of m1 came: client: message is not known to be safe
	// failed: Fetch me a ladder.
	// done: And a lamp.
	// receipt for m2
	// done: Fetch me a ladder.
	// receipt for m1
}

// Colleagues and friends, but not Tybalt.
func ExamplePolicy() {
	roster := new(client.Roster)
	roster.Set(jid.MustParse("romeo@montague.lit"), "to") // a friend who may not see the presence
	responder, err := client.NewResponder(&client.ResponderOptions{
		Roster: roster,
		Policy: client.Every(
			client.Not(client.Addresses(jid.MustParse("tybalt@capulet.lit"))),
			client.Any(client.Domains(jid.MustParse("capulet.lit")), client.Presence, client.Those(roster.Has)),
		),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, from := range []string{"nurse@capulet.lit", "tybalt@capulet.lit", "romeo@montague.lit", "paris@verona.lit"} {
		arrival := responder.Receive(now, fmt.Appendf(nil, "<message from='%s/a' to='juliet@capulet.lit' id='1'><request xmlns='urn:xmpp:receipts'/></message>", from))
		fmt.Println(from, arrival.Err())
	}
	// The user turns receipts off: presence with new capabilities has to go out.
	fmt.Println(responder.SetPolicy(client.Never))
	// Output:
	// nurse@capulet.lit <nil>
	// tybalt@capulet.lit client: sender is not answered
	// romeo@montague.lit <nil>
	// paris@verona.lit client: sender is not answered
	// true
}

// After a time offline, what the archive has is fetched, stored, and acknowledged. One of the messages
// was acknowledged by another client of the account meanwhile.
func ExampleResponder_AckArchived() {
	responder, err := client.NewResponder(&client.ResponderOptions{
		Policy: client.Always,
		Ack:    &receipts.AckOptions{Account: jid.MustParse("juliet@capulet.lit/balcony")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	result := func(stanza string) []byte {
		return []byte("<message to='juliet@capulet.lit/balcony' from='juliet@capulet.lit'><result xmlns='urn:xmpp:mam:2'>" +
			"<forwarded xmlns='urn:xmpp:forward:0'>" + stanza + "</forwarded></result></message>")
	}
	fetched := [][]byte{
		result("<message xmlns='jabber:client' from='romeo@montague.lit/orchard' to='juliet@capulet.lit' id='m1'><body>Art thou there?</body><request xmlns='urn:xmpp:receipts'/></message>"),
		result("<message xmlns='jabber:client' from='juliet@capulet.lit/phone' to='romeo@montague.lit/orchard'><received xmlns='urn:xmpp:receipts' id='m1'/></message>"),
		result("<message xmlns='jabber:client' from='nurse@capulet.lit/a' to='juliet@capulet.lit' id='m2'><body>Madam!</body><request xmlns='urn:xmpp:receipts'/></message>"),
	}
	for _, ack := range responder.AckArchived(now, fetched...) {
		fmt.Println("receipt for", ack.Received, "to", ack.To)
	}
	// Output:
	// receipt for m2 to nurse@capulet.lit/a
}

// A lines is a Journal of JSON in a file. One for a program that must not show a message twice after
// its machine has lost power would call Sync in Add.
type lines struct {
	mu   sync.Mutex
	file *os.File
}

func (l *lines) Add(s client.Seen) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return json.NewEncoder(l.file).Encode(s)
}

func (l *lines) All() iter.Seq2[client.Seen, error] {
	return func(yield func(client.Seen, error) bool) {
		if _, err := l.file.Seek(0, io.SeekStart); err != nil {
			yield(client.Seen{}, err)
			return
		}
		for decoder := json.NewDecoder(l.file); ; {
			var s client.Seen
			err := decoder.Decode(&s)
			if err == io.EOF || !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// A message that was acknowledged before the program ended is not shown by the next one.
func ExampleJournal() {
	file, err := os.CreateTemp("", "journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = file.Close(); _ = os.Remove(file.Name()) }()

	for range 2 { // two lives of a program
		responder, err := client.NewResponder(&client.ResponderOptions{Policy: client.Always, Journal: &lines{file: file}})
		if err != nil {
			fmt.Println(err)
			return
		}
		arrival := responder.Receive(now, toJuliet("m1", "Art thou there?"))
		_, err = arrival.Ack(now)
		fmt.Println("copy:", arrival.Copy(), "error:", err)
	}
	// Output:
	// copy: false error: <nil>
	// copy: true error: <nil>
}
