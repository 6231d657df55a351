// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package clients

import (
	"encoding/json"
	"iter"
	"slices"
	"sync"
	"testing"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/internal/integration/servers"
	"github.com/untilack/untilack/internal/link"
)

// A sender that ends while the recipient is not there learns in its next process that all
// was delivered.
func TestSenderRestarts(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		account := s.Account(t, "juliet")
		romeo := newEnd(t, s, s.Account(t, "romeo"), settings{policy: client.Always})
		all := newLetters("there", 50)
		romeo.sendAll(account.Address, all)
		if !romeo.flush(patience) {
			t.Fatal("the server does not take the messages")
		}
		romeo.end()
		file, err := json.Marshal(slices.Collect(romeo.tracker.All()))
		if err != nil {
			t.Fatal(err)
		}

		juliet := newEnd(t, s, account, settings{policy: client.Always})
		juliet.ledger.await(t, len(all))
		var waited []client.Waited
		if err := json.Unmarshal(file, &waited); err != nil {
			t.Fatal(err)
		}
		romeo = newEnd(t, s, romeo.account, settings{policy: client.Always, waited: waited})
		known := romeo.results(romeo.waiting)
		wantDelivered(t, known, juliet.address().String())
		if len(known) != len(all) {
			t.Errorf("%d messages waited, want %d", len(known), len(all))
		}
		bodies, times := juliet.ledger.shown()
		wantShown(t, all, bodies, times, true)
	})
}

// A bot that ends when its receipts are lost shows nothing a second time in its next
// process, and acknowledges it.
func TestBotRestarts(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		behind, network := s.Behind(t)
		account := s.Account(t, "juliet")
		romeo := newEnd(t, behind, s.Account(t, "romeo"), settings{policy: client.Always, retention: shortly})
		all, to := newLetters("there", 50), account.Address
		sent := romeo.sendAll(to, all)
		romeo.flush(patience)
		network.Fail(link.Swallow)
		o := settings{policy: client.Always, journal: &journal{}}
		juliet := newEnd(t, s, account, o)
		juliet.ledger.await(t, len(all))
		juliet.flush(patience) // the receipts are at the server, and go into the dark from there
		juliet.end()
		network.Restore() // for the connections that follow
		network.Cut()
		known := romeo.results(sent)
		bodies, _ := juliet.ledger.shown()
		if _, untold := judge(t, known, bodies); untold != len(all) {
			t.Errorf("of %d the receipts were lost, want %d", untold, len(all))
		}

		o.before = juliet
		next := newEnd(t, s, account, o)
		romeo.sendAgain(to, all, sent)
		bodies, times := next.ledger.shown()
		wantShown(t, all, bodies, times, true)
	})
}

// A journal is what outlives a bot.
type journal struct {
	mutex sync.Mutex
	seen  []client.Seen
}

func (j *journal) Add(s client.Seen) error {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	j.seen = append(j.seen, s)
	return nil
}

func (j *journal) All() iter.Seq2[client.Seen, error] {
	return func(yield func(client.Seen, error) bool) {
		j.mutex.Lock()
		defer j.mutex.Unlock()
		for _, s := range j.seen {
			if !yield(s, nil) {
				return
			}
		}
	}
}
