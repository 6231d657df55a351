// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"math"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/untilack/untilack/internal/arena"
	"github.com/untilack/untilack/internal/wheel"
)

const (
	shardsEach   = 4 // for each processor, so that two rarely meet
	fewestShards = 16
	mostShards   = 1 << mostShardBits
	// mostShardBits is how many bits of a hash may choose the shard.
	mostShardBits = 8
)

// shardBits returns how many bits of a hash choose the shard, so that there are enough
// shards for all processors. More than that would only make each of them colder.
func shardBits() int {
	count := max(fewestShards, min(mostShards, shardsEach*runtime.GOMAXPROCS(0)))
	return bits.Len(uint(count - 1))
}

// A shard holds the packets of some accounts, all guarded by one lock. What it holds
// millions of lies in its arena, where the garbage collector need not look:
//
//	                                 names ──┐  ┌── wheel
//	                                         ▼  ▼
//	accounts ─▶ an account ─▶ its numbers ─▶ records ◀─ numbers ◀─ graves
//
// Of a receipt one knows the name, of a Ref the account and the number.
type shard struct {
	mu         sync.Mutex
	arena      arena.Arena
	accounts   table[account]   // for which packets wait
	names      table[arena.Ref] // records by their names
	graves     graves
	crowded    map[uint64]map[uint64]int // packets by pair, of accounts that have many
	wake       atomic.Int64              // a time before which nothing is due, since the cache's origin
	wheel      *wheel.Wheel              // made with the first deadline
	deliveries uint64                    // how many there were: the order of copies
	taken      int                       // packets that are taken
	out        binder                    // of the stanzas that settlements bring
	counters   counters
}

// lock locks the shard of a Ref, and returns it with the record that is meant, if
// there is one.
func (c *PacketCache) lock(r Ref) (*shard, entry) {
	account := c.hash(r.To)
	s := c.shard(account)
	s.mu.Lock()
	e := s.find(account, r.Seq)
	if e.record != nil && (e.string(to) != r.To || s.isGone(&c.graves, e.record)) {
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
		s.wheel = wheel.New(&s.arena, c.tick)
	}
	s.wheel.Add(e.place, after(since, wait))
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
		s.wheel.Remove(e.place)
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
	s.leave(n, e)
	if c.graves.space == 0 {
		s.names.remove(slotOf(s.names.slots, n.tag, e.place))
		s.freeDeliveries(e.record)
		s.arena.Free(e.place)
		return
	}
	plot, grave := s.reserve(&c.graves, e.record, n.tag, s.weight(e.record), since)
	s.clear(&c.graves, c.graves.oldest(since), sweepStep) // what goes makes room
	s.entomb(e, plot, grave)
	if others >= tombstonesPerName {
		s.thin(&c.graves, n)
	}
}
