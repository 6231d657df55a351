// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/untilack/untilack/internal/arena"
	"github.com/untilack/untilack/internal/wheel"
)

const (
	shardBits  = 6
	shardCount = 1 << shardBits // enough that two processors rarely meet
)

// A shard holds the packets of some accounts, all guarded by one lock. What it holds
// millions of lies in its arena, where the garbage collector need not look:
//
//	accounts ─▶ an account ─▶ its names ─▶ records ◀─ numbers
//	                                         ▲  ▲
//	                        graves ──────────┘  └────── wheel
//
// Of a receipt one knows the account and the name, of a Ref the number.
type shard struct {
	mu         sync.Mutex
	arena      arena.Arena
	accounts   table[account]   // for which packets wait
	numbers    table[arena.Ref] // records by their Seq
	graves     graves
	crowded    map[uint64]map[uint64]int // packets by pair, of accounts that have many
	wake       atomic.Int64              // a time before which nothing is due, since the cache's origin
	wheel      *wheel.Wheel[*shard]      // made with the first deadline
	deliveries uint64                    // how many there were: the order of copies
	taken      int                       // packets that are taken
	out        binder                    // of the stanzas that settlements bring
	counters   counters
}

// lock locks the shard of a Ref, and returns it with the record that is meant, if
// there is one.
func (c *PacketCache) lock(r Ref) (*shard, entry) {
	s := c.shard(c.hash(r.To))
	s.mu.Lock()
	e := s.find(r.Seq)
	if e.record != nil && (e.string(to) != r.To || e.state == tombstone && c.graves.isGone(e)) {
		e = entry{}
	}
	return s, e
}

// arm sets the deadline of a packet; it has none if wait is not positive.
func (c *PacketCache) arm(s *shard, e entry, since, wait time.Duration) {
	e.flags &^= due
	switch {
	case wait <= 0:
		s.disarm(e)
		return
	case s.wheel == nil:
		s.wheel = wheel.New(s, c.tick)
	}
	s.wheel.Add(uint32(e.place), after(since, wait))
	if int64(after(since, wait)) < s.wake.Load() {
		s.setWake()
	}
}

// noDeadline is the wake time of a shard in which nothing has one.
const noDeadline = math.MaxInt64

// setWake notes until when the wheel need not be looked at.
func (s *shard) setWake() {
	next := time.Duration(noDeadline)
	if s.wheel != nil {
		if at, ok := s.wheel.Next(); ok {
			next = at
		}
	}
	s.wake.Store(int64(next))
}

// disarm takes the deadline away.
func (s *shard) disarm(e entry) {
	e.flags &^= due
	if e.timer.Waiting() {
		s.wheel.Remove(uint32(e.place))
		if s.wheel.Len() == 0 {
			s.wake.Store(noDeadline)
		}
	}
}

// bury finishes a packet with a name, and makes a tombstone of it. There are so many
// tombstones of that name already.
func (c *PacketCache) bury(s *shard, e entry, n *name, others int, since time.Duration) {
	s.disarm(e)
	c.budget.packets.release(1)
	c.budget.bytes.release(int64(e.size))
	if e.state == taken {
		s.taken--
	}
	s.leave(n, arena.Ref(e.place), int(e.size))
	_, at := s.waiting(e.seq)
	s.numbers.remove(at)
	if c.graves.space == 0 {
		s.freeDeliveries(e.record)
	} else {
		s.entomb(&c.graves, e, n.tag, since)
		if others >= tombstonesPerName {
			s.thin(&c.graves, n)
		}
		s.crowd(&c.graves, sweepStep)
		s.expire(&c.graves, since, 2)
		s.graves.expectNext()
	}
	s.arena.Free(arena.Ref(e.place))
}
