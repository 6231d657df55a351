// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/untilack/untilack/client"

	"mellium.im/xmpp/jid"
)

var (
	// now stands for the clock, and write for the stream, of a program with its own XML.
	now   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	write = func(stanza []byte) { fmt.Printf("%s\n", stanza) }
)

// A program with its own XML: Track before the write, Receive for all that is read.
func ExampleTracker() {
	tracker := client.NewTracker(&client.TrackerOptions{Account: jid.MustParse("romeo@montague.lit/orchard")})
	out, sent, err := tracker.Track(now, nil, []byte("<message to='juliet@capulet.lit' type='chat' id='m1'><body>Art thou there?</body></message>"))
	if err != nil {
		fmt.Println(err)
		return
	}
	write(out)
	tracker.Receive(now.Add(time.Second), []byte("<message from='juliet@capulet.lit/balcony' id='r1'><received xmlns='urn:xmpp:receipts' id='m1'/></message>"))
	fmt.Println(sent.Result())
	// Output:
	// <message to='juliet@capulet.lit' type='chat' id='m1'><body>Art thou there?</body><request xmlns='urn:xmpp:receipts'/></message>
	// delivered by juliet@capulet.lit/balcony after 1s
}

// Many messages, and what became of each, as it becomes known.
func ExampleTracker_Results() {
	tracker := client.NewTracker(&client.TrackerOptions{Retention: time.Minute})
	var sent []*client.Sent
	for i, to := range []string{"nurse@capulet.lit", "tybalt@capulet.lit", "juliet@capulet.lit"} {
		_, s, err := tracker.Track(now, nil, fmt.Appendf(nil, "<message to='%s' id='m%d'><body>Good morrow</body></message>", to, i))
		if err != nil {
			fmt.Println(err)
			return
		}
		sent = append(sent, s)
	}
	go func() { // of a real program: what reads the stream, and a timer
		tracker.Receive(now, []byte("<message from='nurse@capulet.lit/kitchen'><received xmlns='urn:xmpp:receipts' id='m0'/></message>"))
		tracker.Receive(now, []byte("<message from='capulet.lit' type='error' id='m1'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"))
		for range tracker.Due(now.Add(time.Minute)) {
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for result := range tracker.Results(ctx, sent...) {
		switch result.State {
		case client.Delivered:
			fmt.Println(result.To, "has a client that got it:", result.By)
		case client.Bounced:
			fmt.Println(result.To, "refused it:", result.Err)
		default:
			fmt.Println(result.To, "gave no sign")
		}
	}
	// Output:
	// nurse@capulet.lit has a client that got it: nurse@capulet.lit/kitchen
	// tybalt@capulet.lit refused it: item-not-found
	// juliet@capulet.lit gave no sign
}

// What waits outlives the program.
func ExampleTracker_Expect() {
	tracker := client.NewTracker(nil)
	if _, _, err := tracker.Track(now, nil, []byte("<message to='juliet@capulet.lit' id='m1'><body>Good night!</body></message>")); err != nil {
		fmt.Println(err)
		return
	}
	// At the end of the program.
	var file bytes.Buffer
	encoder := json.NewEncoder(&file)
	for w := range tracker.All() {
		if err := encoder.Encode(w); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Print(file.String())

	// At its next start.
	tracker = client.NewTracker(&client.TrackerOptions{Result: func(r client.Result) { fmt.Println(r.ID, r) }})
	for decoder := json.NewDecoder(&file); decoder.More(); {
		var w client.Waited
		if err := decoder.Decode(&w); err != nil {
			fmt.Println(err)
			return
		}
		if _, err := tracker.Expect(now, w); err != nil {
			fmt.Println(err)
		}
	}
	tracker.Receive(now.Add(time.Hour), []byte("<message from='juliet@capulet.lit/balcony'><received xmlns='urn:xmpp:receipts' id='m1'/></message>"))
	// Output:
	// {"ID":"m1","To":"juliet@capulet.lit","From":"","Room":false,"Sent":"2026-03-01T12:00:00Z"}
	// m1 delivered by juliet@capulet.lit/balcony after 1h0m0s
}

// The time is the caller's: a loop that ends what has waited for too long.
func ExampleTracker_Due() {
	tracker := client.NewTracker(&client.TrackerOptions{Retention: time.Hour})
	if _, _, err := tracker.Track(now, nil, []byte("<message to='juliet@capulet.lit' id='m1'><body>Good night!</body></message>")); err != nil {
		fmt.Println(err)
		return
	}
	for {
		next, ok := tracker.Next()
		if !ok {
			return
		}
		for result := range tracker.Due(next) { // of a real program: sleep until next
			fmt.Println(result.ID, result)
		}
	}
	// Output:
	// m1 expired after 1h0m0s
}

// A program that must not lose track in a crash: what is to be kept is written before the
// message, and taken back if the message was not.
func ExampleSent_Waited() {
	tracker := client.NewTracker(nil)
	_, sent, err := tracker.Track(now, nil, []byte("<message to='juliet@capulet.lit' id='m1'><body>Good night!</body></message>"))
	if err != nil {
		fmt.Println(err)
		return
	}
	w := sent.Waited() // to a file or a row
	fmt.Println(w.ID, w.To)
	if broken := true; broken { // the connection
		fmt.Println(sent.Cancel(now), sent.Result().State)
	}
	// Output:
	// m1 juliet@capulet.lit
	// true cancelled
}
