// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/untilack/untilack/internal/integration/crashtest"
)

// A recipient roams between nodes.
type recipient struct {
	number  int
	cluster *cluster
	ledger  *ledger
	random  *rand.Rand
	now     *crashtest.Recipient   // where it is now; nil: nowhere
	dark    []*crashtest.Recipient // what it has left behind
}

// roam logs in here and there until ctx ends.
func (r *recipient) roam(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.logIn(); err != nil { // the node has just died
			continue
		}
		r.stay(ctx)
		switch r.random.IntN(3) {
		case 0: // it is there still when the next stream opens
		case 1:
			r.logOut()
			pause(ctx, r.random, 200*time.Millisecond)
		case 2:
			r.now.Dark.Store(true)
			r.dark = append(r.dark, r.now)
			r.now = nil
		}
	}
}

// logIn logs in at some node, with the usual resource or with another.
func (r *recipient) logIn() error {
	resource := "phone"
	if r.random.IntN(2) == 0 {
		resource = fmt.Sprintf("phone-%d", r.random.Uint32())
	}
	next, err := crashtest.NewRecipient(r.cluster.any(r.random), crashtest.Juliet(r.number)+"/"+resource, r.ledger.Ledger)
	if err != nil {
		return err
	}
	r.logOut()
	r.now = next
	return nil
}

func (r *recipient) logOut() {
	if r.now != nil {
		r.now.Leave()
		r.now = nil
	}
}

// stay waits some time at most, or until the node ends the stream.
func (r *recipient) stay(ctx context.Context) {
	select {
	case <-r.now.Ended:
	case <-time.After(part(r.random, 400*time.Millisecond)):
	case <-ctx.Done():
	}
}

// pause waits some time at most.
func pause(ctx context.Context, random *rand.Rand, most time.Duration) {
	select {
	case <-time.After(part(random, most)):
	case <-ctx.Done():
	}
}

func part(random *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(most)))
}

// close closes all connections.
func (r *recipient) close() {
	r.logOut()
	for _, p := range r.dark {
		p.Leave()
	}
}

// A sender sends by way of one node as long as that lives.
type sender struct {
	number  int
	cluster *cluster
	ledger  *ledger
	random  *rand.Rand
	node    int // by which it sends
	client  *crashtest.Client
}

// sendAll sends so many messages, and returns when all are acknowledged.
func (s *sender) sendAll(ctx context.Context, messages, recipients int) error {
	for messages > 0 {
		texts, ids := s.compose(min(messages, 1+s.random.IntN(8)), recipients)
		if err := s.send(ctx, texts, ids); err != nil {
			return err
		}
		if messages -= len(ids); messages > 0 {
			pause(ctx, s.random, 250*time.Millisecond) // or all would be sent before a deadline comes
		}
	}
	return nil
}

func (s *sender) compose(messages, recipients int) (texts, ids []string) {
	for range messages {
		text, id := crashtest.Compose(s.ledger.Ledger, crashtest.Pair{Sender: s.number, Recipient: s.random.IntN(recipients)}, s.random)
		texts, ids = append(texts, text), append(ids, id)
	}
	return texts, ids
}

// send sends messages until they are acknowledged, by one node or another.
func (s *sender) send(ctx context.Context, texts, ids []string) error {
	for tries := 0; ; tries++ {
		if err := s.connect(ctx); err != nil {
			return err
		}
		s.ledger.WriteTo(s.client.Server, ids, tries > 0)
		for _, text := range texts {
			s.client.Write(text)
		}
		_, err := s.client.Await(ctx, crashtest.Ping)
		if err == nil {
			s.ledger.Acknowledge(ids)
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		s.close()
	}
}

// connect sees to it that there is a connection, to the next node that lives.
func (s *sender) connect(ctx context.Context) (err error) {
	for ; s.client == nil; s.node++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		address, lives := s.cluster.address(s.node)
		if !lives {
			continue
		}
		if s.client, err = crashtest.NewSender(address, s.number, s.ledger.Ledger); err == nil {
			return nil
		}
		s.client = nil
	}
	return nil
}

func (s *sender) close() {
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
}
