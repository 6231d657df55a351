// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/examples/internal/login"
	"github.com/untilack/untilack/middleware"

	"mellium.im/xmpp"
	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"
)

// A bot stores what comes for an account, and acknowledges it.
type bot struct {
	account   login.Account
	responder *client.Responder // of all sessions
	mail      *mailbox
	out       io.Writer
}

// serve works until the session or ctx ends.
func (b *bot) serve(ctx context.Context, session *xmpp.Session) error {
	c, err := middleware.NewClient(session, &middleware.ClientOptions{Responder: b.responder, Inbox: 1024})
	if err != nil {
		return err
	}
	defer c.Close()
	served := make(chan error, 1)
	go func() { served <- c.Serve(mux.New(stanza.NSClient, disco.Handle(), mux.Feature(b.responder))) }()
	go b.account.Watch(c)
	if err := c.LoadRoster(ctx); err != nil {
		slog.Warn("no roster", "error", err) // it knows nobody who may see that it is online
	}
	if err := login.Greet(ctx, c); err != nil {
		return err
	}
	for m := range c.Messages(ctx) {
		if err := b.take(m); err != nil {
			slog.Error("not stored", "error", err)
			m.Again() // no receipt: if the message comes again, it counts as new
			continue
		}
		if err := m.Ack(); err != nil {
			slog.Debug("no receipt", "error", err) // a copy will get one
		}
	}
	_ = c.Close()
	return <-served
}

// A message is what is looked at of one.
type message struct {
	stanza.Message
	Body    string    `xml:"body"`
	Request *struct{} `xml:"urn:xmpp:receipts request"`
}

// take stores a message with a body, and prints it if it was not there.
func (b *bot) take(m *middleware.Message) error {
	var in message
	if err := m.Decode(&in); err != nil || in.Body == "" {
		return nil // it is nothing to keep
	}
	added, err := b.mail.add(&in)
	if err == nil && added {
		_, err = fmt.Fprintf(b.out, "%s: %q\n", in.From, in.Body)
	}
	return err
}
