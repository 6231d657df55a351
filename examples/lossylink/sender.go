// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/untilack/untilack/examples/internal/wire"
	"mellium.im/xmpp/jid"
)

const senderName, recipientName = "alice", "bob"

// A sender is a client on a good connection. It writes messages at a steady
// rate, asks for a receipt of each, and notes the receipts that come back.
type sender struct {
	config Config
	ledger *ledger
	stream *wire.Stream
	wait   sync.WaitGroup
}

// newSender logs a sender in.
func newSender(ctx context.Context, config Config, relay string, ledger *ledger) (*sender, error) {
	stream, err := wire.Dial(ctx, relay, config.Transport, senderName, "desk", nil)
	if err != nil {
		return nil, fmt.Errorf("the sender cannot log in: %w", err)
	}
	s := &sender{config: config, ledger: ledger, stream: stream}
	s.wait.Go(func() {
		err := stream.Each(s.handle)
		config.Log.Info("the sender's stream ended", "error", err)
	})
	return s, nil
}

// maxLate is how much time the sender makes up for by sending faster. After a
// longer pause it goes on at its rate, rather than with a burst.
const maxLate = 50 * time.Millisecond

// sendAll sends the messages, each when it is due. Until the link has failed the
// sender gets only so far ahead of the recipient: on a busy machine all might
// else have arrived before the recipient's application has read half of it.
func (s *sender) sendAll(ctx context.Context, to jid.JID, failed <-chan struct{}) error {
	most := s.config.Messages/2 + s.config.Messages/10
	interval := time.Duration(float64(time.Second) / s.config.Rate)
	due := time.Now()
	for i := range s.config.Messages {
		sleep(ctx, time.Until(due))
		if i == most {
			wait(ctx, failed)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		due = due.Add(max(interval, time.Since(due)-maxLate))
		id := fmt.Sprintf("message-%x-%d", s.config.Seed, i+1)
		s.ledger.noteSent(id)
		if err := wire.Write(s.stream.Session, wire.Message(to, id, text(id))); err != nil {
			return fmt.Errorf("the sender cannot write: %w", err)
		}
	}
	return nil
}

// text is the body of the message with the given id.
func text(id string) string { return "This is <" + id + "> & it wants to be read." }

// handle notes what comes back to the sender.
func (s *sender) handle(e wire.Element) error {
	receipt, received := e.Child(wire.NSReceipts, "received")
	switch {
	case wire.IsRequest(e):
		return wire.Write(s.stream.Session, wire.Answer(e))
	case e.Get("type") == "error":
		s.ledger.noteBounce()
	case received:
		fromRecipient := strings.HasPrefix(e.Get("from"), recipientName+"@"+wire.Domain+"/")
		s.ledger.noteReceipt(wire.Attribute(receipt, "id"), fromRecipient)
	}
	return nil
}

func (s *sender) close() {
	s.stream.Sever()
	s.wait.Wait()
}
