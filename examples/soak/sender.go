// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/untilack/untilack/examples/internal/wire"
	"mellium.im/xmpp/jid"
)

// A sender is a client on a good connection. It asks for a receipt of each
// message, and notes the receipts that come back.
type sender struct {
	ledger *ledger
	stream *wire.Stream
	wait   sync.WaitGroup
}

func senderName(i int) string { return fmt.Sprintf("alice-%d", i) }
func clientName(i int) string { return fmt.Sprintf("bob-%d", i) }

// newSender logs a sender in.
func newSender(ctx context.Context, addr string, transport wire.Transport, i int, ledger *ledger, log *slog.Logger) (*sender, error) {
	stream, err := wire.Dial(ctx, addr, transport, senderName(i), "desk", nil)
	if err != nil {
		return nil, fmt.Errorf("a sender cannot log in: %w", err)
	}
	s := &sender{ledger: ledger, stream: stream}
	s.wait.Go(func() {
		err := stream.Each(s.handle)
		log.Info("a sender's stream ended", "sender", senderName(i), "error", err)
	})
	return s, nil
}

// send writes the next message of a pair.
func (s *sender) send(from, to int) error {
	address, err := jid.New(clientName(to), wire.Domain, "")
	if err != nil {
		return err
	}
	id := s.ledger.noteSent(from, to)
	if err := wire.Write(s.stream.Session, wire.Message(address, id, body(id))); err != nil {
		return fmt.Errorf("a sender cannot write: %w", err)
	}
	return nil
}

// body is the body of the message with the given id: mostly short.
func body(id string) string {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id))
	random := rand.New(rand.NewPCG(hash.Sum64(), 1))
	length := random.IntN(200)
	if random.IntN(20) == 0 {
		length = random.IntN(8 << 10)
	}
	return "This is <" + id + "> & it wants to be read. " + strings.Repeat("é", length/2)
}

// handle notes what comes back to the sender.
func (s *sender) handle(e wire.Element) error {
	receipt, received := e.Child(wire.NSReceipts, "received")
	switch {
	case wire.IsRequest(e):
		return wire.Write(s.stream.Session, wire.Answer(e))
	case e.Get("type") == "error":
		s.ledger.noteBounce()
	case received:
		s.ledger.noteReceipt(wire.Attribute(receipt, "id"), e.Get("from"))
	}
	return nil
}

func (s *sender) close() {
	s.stream.Sever()
	s.wait.Wait()
}

// maxLate is how much time is made up for by sending faster, after the machine
// was busy with something else.
const maxLate = time.Second

// sendAll sends messages at a steady rate until ctx ends, from one sender after
// the other, to anybody.
func sendAll(ctx context.Context, senders []*sender, clients int, rate float64, random *rand.Rand) error {
	interval := time.Duration(float64(time.Second) / rate)
	due := time.Now()
	for i := 0; sleep(ctx, time.Until(due)); i++ {
		due = due.Add(max(interval, time.Since(due)-maxLate))
		from := i % len(senders)
		if err := senders[from].send(from, random.IntN(clients)); err != nil {
			return err
		}
	}
	return nil
}
