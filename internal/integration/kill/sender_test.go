// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package kill

import (
	"context"
	"math/rand/v2"

	"github.com/untilack/untilack/internal/integration/crashtest"
)

// A sender sends messages to recipients by chance, as fast as they are acknowledged.
type sender struct {
	*crashtest.Client
	number int
	ledger *ledger
	random *rand.Rand
	done   chan struct{} // closed when it sends no more, and no answer is to come
}

func newSender(relay string, number int, l *ledger, seed uint64) (*sender, error) {
	c, err := crashtest.NewSender(relay, number, l.Ledger)
	return &sender{Client: c, number: number, ledger: l, random: rand.New(rand.NewPCG(seed, uint64(number)))}, err
}

// A part is some messages and the answer to what was sent after them.
type part struct {
	ids    []string
	answer <-chan crashtest.Stanza
}

// unanswered is how many parts a sender has under way.
const unanswered = 3

// sendAll sends until ctx or the stream ends.
func (s *sender) sendAll(ctx context.Context, recipients int) {
	parts := make(chan part, unanswered)
	go s.acknowledge(parts)
	defer close(parts)
	for ctx.Err() == nil {
		p := part{}
		for range 1 + s.random.IntN(8) {
			text, id := crashtest.Compose(s.ledger.Ledger, crashtest.Pair{Sender: s.number, Recipient: s.random.IntN(recipients)}, s.random)
			if !s.Write(text) {
				return
			}
			p.ids = append(p.ids, id)
		}
		p.answer = s.Ask(crashtest.Ping)
		parts <- p // acknowledge takes it, at the end of the stream too
	}
}

// acknowledge waits for the answers.
func (s *sender) acknowledge(parts <-chan part) {
	defer close(s.done)
	for p := range parts {
		if _, err := s.Wait(context.Background(), p.answer); err == nil {
			s.ledger.Acknowledge(p.ids)
		}
	}
}
