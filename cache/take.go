// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"math"
	"time"
)

// Get returns a packet, and false if it is finished.
func (c *PacketCache) Get(r Ref) (Packet, bool) {
	s, e := c.lock(r)
	defer s.mu.Unlock()
	if !e.here() {
		return Packet{}, false
	}
	return c.packet(s, e.record, &binder{}), true
}

// Mark sets and clears marks. It works for a packet that is finished too, as long
// as it is remembered; it returns false for one that is not known.
func (c *PacketCache) Mark(r Ref, set, clear Marks) bool {
	s, e := c.lock(r)
	defer s.mu.Unlock()
	if e.record == nil {
		return false
	}
	e.marks = e.marks&^clear | set
	return true
}

// Count counts one more attempt. It returns false if the packet is finished.
func (c *PacketCache) Count(r Ref) bool {
	s, e := c.lock(r)
	defer s.mu.Unlock()
	if !e.here() {
		return false
	}
	if e.attempt < math.MaxUint16 {
		e.attempt++
	}
	return true
}

// Take claims a packet for an action, so that no receipt settles it meanwhile, and
// takes its deadline away.
// It returns false if the packet is finished or was taken by another: of all calls
// of Take and Settle, one wins.
// The action ends with Again or Drop.
func (c *PacketCache) Take(r Ref) (Packet, bool) {
	s, e := c.lock(r)
	defer s.mu.Unlock()
	if !e.here() || e.state != waiting {
		return Packet{}, false
	}
	s.disarm(e)
	e.state = taken
	s.taken++
	return c.packet(s, e.record, &binder{}), true
}

// Again sets a new deadline at now+wait, none if wait is not positive, and gives
// back a packet that was taken.
// It returns false if the packet is finished. That is so too if a receipt came while
// it was taken: then it is finished now.
func (c *PacketCache) Again(now time.Time, r Ref, wait time.Duration) bool {
	s, e := c.lock(r)
	defer s.mu.Unlock()
	if !e.here() {
		return false
	}
	if e.flags&late != 0 {
		c.finish(s, e, now)
		return false
	}
	if e.state == taken {
		e.state = waiting
		s.taken--
	}
	c.arm(s, e, c.since(now), wait)
	return true
}

// Drop finishes a packet. It is remembered for a while, with its marks.
// Answered reports whether a receipt came while it was taken; ok is false if it was
// finished before.
func (c *PacketCache) Drop(now time.Time, r Ref) (answered, ok bool) {
	s, e := c.lock(r)
	defer s.mu.Unlock()
	if !e.here() {
		return false, false
	}
	answered = e.flags&late != 0
	s.counters.dropped++
	c.finish(s, e, now)
	return answered, true
}

// finish ends a packet without a receipt.
func (c *PacketCache) finish(s *shard, e entry, now time.Time) {
	n := c.name(e.string(to), e.string(from), e.string(id))
	s.names.expect(n.tag)
	c.bury(s, e, &n, tombstonesPerName, c.since(now)) // how many there are is not known
}
