// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"cmp"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/untilack/untilack/internal/arena"
)

// A turn is a packet in a loop. Its number decides when its turn comes.
type turn struct {
	seq, account uint64
	place        arena.Ref // where it lay: something else may lie there by now
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
		l := loops.Get().(*loop)
		l.turns = c.gather(l.turns[:0], now)
		c.tidy(c.since(now))
		rest := l.turns
		// Deferred, so that nothing is lost if the loop's body panics.
		defer func() {
			c.giveBack(rest)
			l.finish()
		}()
		for ahead := 0; len(rest) > 0; ahead-- {
			if ahead == 0 {
				ahead = min(len(rest), lookAhead)
				c.expect(rest[:ahead])
			}
			t := rest[0]
			rest = rest[1:]
			if p, ok := c.claim(t, &l.out); ok && !yield(p) {
				return
			}
		}
	}
}

// lookAhead is for how many turns memory is asked for at once.
const lookAhead = 16

// expect has the processor fetch the packets whose turns are next, and their accounts.
func (c *PacketCache) expect(turns []turn) {
	for _, t := range turns {
		s := c.shard(t.account)
		s.mu.Lock()
		s.accounts.expectMany(accountTag(t.account))
		s.arena.Expect(t.place)
		s.mu.Unlock()
	}
}

// A loop is what a loop over packets needs. It is used again: the turns, and the rest of the
// memory for packets.
type loop struct {
	turns []turn
	out   binder
}

var loops = sync.Pool{New: func() any { return new(loop) }}

// mostTurns is up to how many turns a loop keeps room for.
const mostTurns = 1 << 16

func (l *loop) finish() {
	if cap(l.turns) > mostTurns {
		l.turns = nil
	}
	loops.Put(l)
}

// gatherStep bounds how many packets are gathered while a shard is locked.
const gatherStep = 256

// gather takes what is due out of the wheels.
func (c *PacketCache) gather(turns []turn, now time.Time) []turn {
	since := c.since(now)
	for i := range c.shards {
		s := &c.shards[i]
		for more := s.wake.Load() <= int64(since); more; {
			turns, more = s.gather(turns, &c.hasher, since)
		}
	}
	return inOrder(turns)
}

// gather adds some of what is due in a shard to turns, and reports whether there may
// be more.
func (s *shard) gather(turns []turn, h *hasher, since time.Duration) ([]turn, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wheel == nil {
		return turns, false
	}
	count := 0
	for place := range s.wheel.Advance(since) {
		if place == 0 {
			return turns, true
		}
		r := s.record(place)
		r.flags |= due
		turns = append(turns, turn{r.seq, h.hash(r.string(to)), place})
		if count++; count == gatherStep {
			return turns, true
		}
	}
	s.setWake()
	return turns, false
}

// claim returns a packet whose turn has come, unless it was settled, taken or armed
// again meanwhile.
func (c *PacketCache) claim(t turn, b *binder) (Packet, bool) {
	s := c.shard(t.account)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.waiting(t.account, t.seq)
	if e.record == nil || e.flags&due == 0 {
		return Packet{}, false
	}
	e.flags &^= due
	s.counters.due++
	return c.packet(s, e.record, b), true
}

// giveBack puts what was gathered and not yielded into the wheels again.
func (c *PacketCache) giveBack(turns []turn) {
	for _, t := range turns {
		s := c.shard(t.account)
		s.mu.Lock()
		if e := s.waiting(t.account, t.seq); e.record != nil && e.flags&due != 0 {
			e.flags &^= due
			s.wheel.AddBack(e.place)
			s.setWake()
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
	first := int64(noDeadline)
	for i := range c.shards {
		first = min(first, c.shards[i].wake.Load())
	}
	if first == noDeadline {
		return time.Time{}, false
	}
	return c.origin.Load().Add(time.Duration(first)), true
}

// Deadline returns the deadline of a packet, to the tick, and false if it has none or does
// not wait.
func (c *PacketCache) Deadline(r Ref) (time.Time, bool) {
	s, e := c.lock(r)
	defer s.mu.Unlock()
	if !e.here() || s.wheel == nil {
		return time.Time{}, false
	}
	at, ok := s.wheel.Deadline(e.place)
	if !ok {
		return time.Time{}, false
	}
	return c.origin.Load().Add(at), true
}
