// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// A turn is an entry in a loop, with the number that decides when its turn comes.
type turn struct {
	seq   uint64
	entry *entry
}

// inOrder sorts turns in order of Seq, which depends on nothing but what was put.
func inOrder(turns []turn) []turn {
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Compare(a.seq, b.seq) })
	return turns
}

// Due yields every packet whose deadline has passed at now, in order of Seq, and takes
// its deadline away.
//
// What is due is gathered when the loop starts. A packet that is settled, taken or
// armed again before its turn is not yielded. If the loop ends early, the rest is due
// at the next call.
// No lock is held while the loop's body runs: it may call every method.
// A packet that is yielded still waits, so a receipt can settle it until it is taken.
func (c *PacketCache) Due(now time.Time) iter.Seq[Packet] {
	return func(yield func(Packet) bool) {
		rest := c.gather(now)
		c.remove(c.graves.expired(now.Sub(c.start(now)), sweepStep))
		// Deferred, so that nothing is lost if the loop's body panics.
		defer func() { c.giveBack(rest) }()
		for len(rest) > 0 {
			e := rest[0].entry
			rest = rest[1:]
			if p, ok := c.claim(e); ok && !yield(p) {
				return
			}
		}
	}
}

// gatherStep is how many entries are gathered under one lock.
const gatherStep = 256

// gather takes every deadline that has passed out of the wheels.
func (c *PacketCache) gather(now time.Time) (turns []turn) {
	for i := range c.shards {
		s := &c.shards[i]
		for more := true; more; {
			turns, more = s.gather(turns, now)
		}
	}
	return inOrder(turns)
}

// gather appends some of the entries that are due, and reports whether there may be
// more.
func (s *shard) gather(turns []turn, now time.Time) ([]turn, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wheel == nil {
		return turns, false
	}
	count := 0
	for e := range s.wheel.Advance(now) {
		e.due = true
		turns = append(turns, turn{e.packet.Seq, e})
		if count++; count == gatherStep {
			return turns, true
		}
	}
	return turns, false
}

// claim returns the packet of an entry that is still due.
func (c *PacketCache) claim(e *entry) (Packet, bool) {
	s := c.shard(e.packet.Key.To)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !e.due {
		return Packet{}, false
	}
	e.due = false
	s.counters.due++
	return e.show(), true
}

// giveBack arms what was gathered and not yielded.
func (c *PacketCache) giveBack(turns []turn) {
	for _, t := range turns {
		s := c.shard(t.entry.packet.Key.To)
		s.mu.Lock()
		if t.entry.due {
			t.entry.due = false
			s.wheel.AddBack(&t.entry.timer)
		}
		s.mu.Unlock()
	}
}

// Next returns when Due should be called next, at the latest, and false if nothing
// has a deadline.
// It may be earlier than the next deadline, but is then later than the last call of
// Due: one who calls Due at that time and asks again wakes a few times at most for
// a deadline that is far away.
func (c *PacketCache) Next() (next time.Time, ok bool) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		if s.wheel != nil {
			if t, waits := s.wheel.Next(); waits && (!ok || t.Before(next)) {
				next, ok = t, true
			}
		}
		s.mu.Unlock()
	}
	return next, ok
}
