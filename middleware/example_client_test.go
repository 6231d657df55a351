// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"context"
	"encoding/xml"
	"fmt"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/middleware"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/receipts"
	"mellium.im/xmpp/stanza"
)

// bot acknowledges a message when it is stored, and not before. It says by service
// discovery that it does.
func bot(ctx context.Context, session *xmpp.Session, store func(from, id, body string) error) error {
	responder, err := client.NewResponder(nil) // answers those in the roster who may see that it is online
	if err != nil {
		return err
	}
	c, err := middleware.NewClient(session, &middleware.ClientOptions{Responder: responder, Inbox: 1024})
	if err != nil {
		return err
	}
	go func() { _ = c.Serve(mux.New(stanza.NSClient, disco.Handle(), mux.Feature(responder))) }()
	defer c.Close()
	if err := c.LoadRoster(ctx); err != nil {
		return err
	}
	for m := range c.Messages(ctx) {
		var in struct {
			stanza.Message
			Body string `xml:"body"`
		}
		if m.Decode(&in) == nil && in.Body != "" && store(in.From.String(), in.ID, in.Body) != nil {
			m.Again() // no receipt: if the message comes again, it counts as new
			continue
		}
		_ = m.Ack() // if that fails, a copy will be acknowledged
	}
	return c.Err()
}

// A bot that acknowledges what it has stored.
func ExampleClient_Messages() {
	romeos, juliets, end := lovers()
	defer end()
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() {
		stopped <- bot(ctx, juliets, func(from, _, body string) error {
			fmt.Printf("stored: %s (%s)\n", body, from)
			return nil
		})
	}()

	c, _ := middleware.NewClient(romeos, nil)
	go func() { _ = c.Serve(nil) }()
	sent, _ := c.Encode(ctx, chat("Art thou there?"))
	result, _ := sent.Wait(ctx)
	fmt.Println(result.State, "by", result.By)
	_ = c.Close()
	cancel()
	fmt.Println("bot:", <-stopped)
	// Output:
	// stored: Art thou there? (romeo@montague.lit/orchard)
	// delivered by juliet@capulet.lit/balcony
	// bot: <nil>
}

// chat is a message to Juliet.
func chat(body string) any {
	return struct {
		stanza.Message
		Body string `xml:"body"`
	}{stanza.Message{To: juliet.Bare(), Type: stanza.ChatMessage}, body}
}

// A sender that prints what became of each message.
func ExampleClient() {
	session, juliets, end := lovers()
	defer end()
	juliet, err := middleware.NewClient(juliets, &middleware.ClientOptions{Responder: always()})
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { _ = juliet.Serve(shown) }()

	ctx := context.Background()
	c, err := middleware.NewClient(session, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { _ = c.Serve(nil) }()
	var sent []*client.Sent
	for _, line := range []string{"O, wilt thou leave me so unsatisfied?", "Art thou there?"} {
		s, err := c.Encode(ctx, chat(line))
		if err != nil {
			fmt.Println(err)
			return
		}
		sent = append(sent, s)
	}
	done := 0
	for result := range c.Tracker().Results(ctx, sent...) {
		done++
		fmt.Printf("%d of %d: %v by %v\n", done, len(sent), result.State, result.By)
	}
	_ = c.Close()
	// Output:
	// 1 of 2: delivered by juliet@capulet.lit/balcony
	// 2 of 2: delivered by juliet@capulet.lit/balcony
}

// always is a Responder that answers everybody.
func always() *client.Responder {
	r, _ := client.NewResponder(&client.ResponderOptions{Policy: client.Always})
	return r
}

// shown is a handler that shows a message.
var shown = xmpp.HandlerFunc(func(xmlstream.TokenReadEncoder, *xml.StartElement) error { return nil })

// Mellium's own receipts and these, in one program: Handler goes around the mux.
func ExampleClient_Handler() {
	session, juliets, end := lovers()
	defer end()
	juliet, _ := middleware.NewClient(juliets, &middleware.ClientOptions{Responder: always()})
	go func() { _ = juliet.Serve(shown) }()

	c, _ := middleware.NewClient(session, nil)
	theirs := new(receipts.Handler)
	go func() {
		_ = session.Serve(c.Handler(mux.New(stanza.NSClient, receipts.Handle(theirs))))
		_ = c.Close()
	}()
	ctx := context.Background()
	message := stanza.Message{To: juliets.LocalAddr(), Type: stanza.ChatMessage}
	body := xmlstream.Wrap(xmlstream.Token(xml.CharData("hi")), xml.StartElement{Name: xml.Name{Local: "body"}})
	fmt.Println("theirs:", theirs.SendMessageElement(ctx, session, body, message))
	sent, _ := c.Encode(ctx, chat("hi"))
	result, _ := sent.Wait(ctx)
	fmt.Println("ours:", result.State)
	// Output:
	// theirs: <nil>
	// ours: delivered
}
