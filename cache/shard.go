// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/untilack/untilack/internal/wheel"
)

// shardCount is the number of parts with a lock of their own.
// It is a power of two.
const shardCount = 64

// A shard holds everything of some of the recipients.
type shard struct {
	mu         sync.Mutex
	index      index
	accounts   map[string]*account  // those for which packets wait
	pairs      map[uint64]int       // packets that wait, by the hash of sender and recipient
	wheel      *wheel.Wheel[*entry] // made with the first deadline
	deliveries uint64               // how many there were: the order of copies
	taken      int                  // packets that are taken
	counters   counters
}

// init makes s ready for use.
func (s *shard) init(seed maphash.Seed) {
	s.index.init(seed)
	s.accounts = make(map[string]*account)
	s.pairs = make(map[uint64]int)
}

// shard returns where the packets of a recipient are. It depends on the address
// alone, and is the same in every process (FNV-1a).
func (c *PacketCache) shard(recipient string) *shard {
	const offset, prime = 14695981039346656037, 1099511628211
	hash := uint64(offset)
	for i := range len(recipient) {
		hash = (hash ^ uint64(recipient[i])) * prime
	}
	return &c.shards[(hash^hash>>32)%shardCount]
}

// lock locks the shard of the packet that r names and returns the shard, and the
// packet's entry: nil if there is none.
func (c *PacketCache) lock(r Ref) (*shard, *entry) {
	s := c.shard(r.To)
	s.mu.Lock()
	e := s.index.get(r.Seq)
	if e != nil && e.packet.Key.To != r.To {
		e = nil
	}
	return s, e
}

// arm sets e's deadline, or takes it away if wait is not positive.
func (c *PacketCache) arm(s *shard, e *entry, now time.Time, wait time.Duration) {
	s.disarm(e)
	if wait <= 0 {
		return
	}
	if s.wheel == nil {
		s.wheel = wheel.New[*entry](c.start(now), c.tick)
	}
	s.wheel.Add(&e.timer, now.Add(wait))
}

// disarm takes e's deadline away.
func (s *shard) disarm(e *entry) {
	e.due = false
	if e.timer.Waiting() {
		s.wheel.Remove(&e.timer)
	}
}
