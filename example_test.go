// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"context"
	"fmt"
	"log"
	"regexp"
	"time"

	"github.com/untilack/untilack"
)

// A phone is what a server with a router and XML types of its own knows of a
// client: here, where to put bytes.
type phone chan []byte

// Write puts a stanza where the phone can read it.
func (p phone) Write(_ context.Context, stanza []byte) error {
	select {
	case p <- stanza:
		return nil
	default:
		return untilack.ErrBusy
	}
}

// End would close the connection.
func (p phone) End(context.Context, untilack.Reason) error { return nil }

// A server of any make drives a Keeper with bytes and addresses alone.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	keeper, err := untilack.New(untilack.Config{Domain: "capulet.example"})
	if err != nil {
		log.Fatal(err)
	}
	go keeper.Run(ctx)

	// Juliet's client binds a resource, and Romeo writes to her.
	balcony := make(phone, 8)
	session, err := keeper.Attach("juliet@capulet.example/balcony", balcony, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, id := range []string{"m1", "m2"} {
		message := fmt.Appendf(nil, "<message from='romeo@montague.example/orchard' to='juliet@capulet.example'"+
			" type='chat' id='%s'><body>…</body><request xmlns='urn:xmpp:receipts'/></message>", id)
		if err := session.Deliver(ctx, message); err != nil {
			log.Fatal(err)
		}
		<-balcony // the client reads it
	}

	// A receipt for the first comes back; route it to Romeo. Then a tunnel.
	forward := session.Receive([]byte("<message to='romeo@montague.example/orchard'>" +
		"<received xmlns='urn:xmpp:receipts' id='m1'/></message>"))
	fmt.Println("route the receipt:", forward)
	session.Close()

	// Juliet comes back, and gets what she has not acknowledged.
	garden := make(phone, 8)
	if _, err := keeper.Attach("juliet@capulet.example/garden", garden, nil); err != nil {
		log.Fatal(err)
	}
	stamp := regexp.MustCompile("stamp='[^']*'")
	fmt.Printf("%s\n", stamp.ReplaceAll(<-garden, []byte("stamp='…'")))

	// Output:
	// route the receipt: true
	// <message from='romeo@montague.example/orchard' to='juliet@capulet.example' type='chat' id='m2'><body>…</body><request xmlns='urn:xmpp:receipts'/><delay xmlns='urn:xmpp:delay' from='capulet.example' stamp='…'/></message>
}

// An operator looks at what waits for somebody, and gives one message up.
func ExampleKeeper_Drop() {
	keeper, err := untilack.New(untilack.Config{Domain: "capulet.example"})
	if err != nil {
		log.Fatal(err)
	}
	session, err := keeper.Attach("juliet@capulet.example/balcony", make(phone, 8), nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, id := range []string{"m1", "m2"} {
		message := fmt.Appendf(nil, "<message from='romeo@montague.example/orchard' to='juliet@capulet.example'"+
			" type='chat' id='%s'><body>…</body><request xmlns='urn:xmpp:receipts'/></message>", id)
		if err := session.Deliver(context.Background(), message); err != nil {
			log.Fatal(err)
		}
	}
	for _, packet := range keeper.Waiting("juliet@capulet.example") {
		if packet.ID == "m1" {
			keeper.Drop(time.Now(), packet.Identity)
		}
	}
	for _, packet := range keeper.Waiting("juliet@capulet.example") {
		fmt.Println(packet.ID, "waits")
	}
	fmt.Println(keeper.Count(untilack.Dropped), "was dropped")

	// Output:
	// m2 waits
	// 1 was dropped
}
