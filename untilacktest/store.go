// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// ErrStore is the error of a store that was told to fail.
var ErrStore = errors.New("untilacktest: the store was told to fail")

// A Store is a World's store: another one, with faults. What it is told to do
// holds from now on.
type Store struct {
	world   *World
	inner   actions.Store
	lasting bool
	chance  *rand.Rand

	failing int // calls
	lying   int
	flaky   int
	down    bool
	slow    time.Duration
}

// Fails has the next n calls fail: nothing is written, and the caller gets an error.
func (s *Store) Fails(n int) {
	s.world.note("store", "fails", fmt.Sprint(n, " calls"))
	s.failing = n
}

// Lies has the next n calls succeed, and the caller gets an error all the same: the
// answer to a commit was lost.
func (s *Store) Lies(n int) {
	s.world.note("store", "lies", fmt.Sprint(n, " calls"))
	s.lying = n
}

// Flaky has one in n calls fail or lie, by chance. With 0 none does.
func (s *Store) Flaky(n int) {
	s.world.note("store", "is flaky", fmt.Sprint("one call in ", n))
	s.flaky = n
}

// Slow adds to the time that every call takes.
func (s *Store) Slow(d time.Duration) {
	s.world.note("store", "is slow", d.String())
	s.slow = d
}

// GoesDown has all calls fail until ComesBack.
func (s *Store) GoesDown() {
	s.world.note("store", "goes down", "")
	s.down = true
}

// ComesBack ends all faults.
func (s *Store) ComesBack() {
	s.world.note("store", "comes back", "")
	s.failing, s.lying, s.flaky, s.slow, s.down = 0, 0, 0, 0, false
}

// latency returns how long the next call takes.
func (s *Store) latency() time.Duration {
	return s.world.stretch(s.world.options.StoreLatency, s.chance) + s.slow
}

// stretch returns d, or, in an unruly World, any time up to many times that.
func (w *World) stretch(d time.Duration, chance *rand.Rand) time.Duration {
	if !w.options.Unruly {
		return d
	}
	switch n := chance.IntN(16); {
	case n < 4:
		return 0
	case n < 15:
		return time.Duration(chance.Int64N(int64(4*d) + 1))
	default:
		return time.Duration(chance.Int64N(int64(100*d) + 1))
	}
}

// trouble decides whether a call fails, and whether it is done all the same.
func (s *Store) trouble(method string) (fails, done bool) {
	switch {
	case s.down:
		fails = true
	case s.failing > 0:
		s.failing--
		fails = true
	case s.lying > 0:
		s.lying--
		fails, done = true, true
	case s.flaky > 0 && s.chance.IntN(s.flaky) == 0:
		fails, done = true, s.chance.IntN(2) == 0
	}
	if fails {
		s.world.note("store", "fails in "+method, map[bool]string{true: "and it is done all the same"}[done])
	}
	return fails, !fails || done
}

// Put puts rows into the store inside.
func (s *Store) Put(ctx context.Context, rows ...actions.Row) (errs []error) {
	fails, done := s.trouble("Put")
	for _, r := range rows {
		m, _ := s.world.ledger.of(string(r.Packet.Stanza))
		if m == nil {
			s.world.breach("same message", nil, "a row holds what nobody has sent: %q", r.Packet.Stanza)
			continue
		}
		m.identity, m.placed = r.Packet.Identity(), true
		if fails {
			m.hurt = true
			m.account.wears()
		}
		if done && m.neverStored() {
			s.world.breach("never stored", m, "it is put into a store that lasts")
		}
	}
	if done {
		errs = s.inner.Put(ctx, rows...)
	}
	if fails {
		errs = make([]error, len(rows))
		for i := range errs {
			errs[i] = ErrStore
		}
	}
	return errs
}

// Delete deletes rows from the store inside.
func (s *Store) Delete(ctx context.Context, ids ...cache.Identity) error {
	fails, done := s.trouble("Delete")
	for _, id := range ids {
		if a := s.world.accounts[id.To]; a != nil && fails {
			a.wears()
		}
		for m := s.world.ledger.named(cache.Key{To: id.To, From: cache.Bare(id.From), ID: id.ID}); m != nil && fails; m = m.twin {
			m.hurt = true
		}
	}
	if done {
		if err := s.inner.Delete(ctx, ids...); err != nil {
			return err
		}
	}
	return errorIf(fails)
}

// List lists rows of the store inside.
func (s *Store) List(ctx context.Context, recipient string, after uint64, limit int) ([]actions.Row, error) {
	if fails, _ := s.trouble("List"); fails {
		s.world.account(recipient).wears()
		return nil, ErrStore
	}
	return s.inner.List(ctx, recipient, after, limit)
}

// Stands looks for rows in the store inside.
func (s *Store) Stands(ctx context.Context, ids ...cache.Identity) ([]bool, error) {
	if fails, _ := s.trouble("Stands"); fails {
		return nil, ErrStore
	}
	return s.inner.Stands(ctx, ids...)
}

// News returns what is new in the store inside.
func (s *Store) News(ctx context.Context, recipients []string, since string, limit int) ([]actions.Row, string, error) {
	if fails, _ := s.trouble("News"); fails {
		return nil, "", ErrStore
	}
	return s.inner.News(ctx, recipients, since, limit)
}

// Volatile reports whether the store is lost in a crash.
func (s *Store) Volatile() bool { return !s.lasting }

func errorIf(fails bool) error {
	if fails {
		return ErrStore
	}
	return nil
}

// stands returns which of some messages have a row.
func (s *Store) stands(ms []*Message) map[*Message]bool {
	found := make(map[*Message]bool, len(ms))
	var ids []cache.Identity
	var placed []*Message
	for _, m := range ms {
		if m.placed {
			ids, placed = append(ids, m.identity), append(placed, m)
		}
	}
	if len(ids) == 0 {
		return found
	}
	stand, err := s.inner.Stands(context.Background(), ids...)
	if err != nil {
		s.world.fatal("untilacktest: the store does not answer: %v", err)
	}
	for i, m := range placed {
		found[m] = stand[i]
	}
	return found
}
