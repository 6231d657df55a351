// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import "slices"

// maxCopies bounds what is noted about one packet: a sender may have it delivered
// again as often as it likes.
const maxCopies = 64

// orders are the places of a packet's copies in the order of all deliveries.
// The first has a field of its own because mostly there is no other.
type orders struct {
	first uint64
	more  []uint64
}

// at returns the place of the copy with this index.
func (o *orders) at(i int) uint64 {
	if i == 0 {
		return o.first
	}
	return o.more[i-1]
}

// add adds the place of the last of n copies.
func (o *orders) add(n int, order uint64) {
	if n == 1 {
		o.first = order
		return
	}
	o.more = append(o.more, order)
}

// remove removes the place of the copy with this index.
func (o *orders) remove(i int) {
	switch {
	case i > 0:
		o.more = slices.Delete(o.more, i-1, i)
	case len(o.more) > 0:
		o.first = o.more[0]
		o.more = slices.Delete(o.more, 0, 1)
	default:
		o.first = 0
	}
}

// Deliver notes that a copy of the packet is about to go to a stream, and reports
// whether it may: false if the packet is gone, or if a receipt came for it while it
// was taken.
// It must be called before the copy is written, because the receipt can come before
// the write returns. Acked is reset.
//
// At most 64 copies of one packet are noted; then the oldest is forgotten, one that
// is answered first.
func (c *PacketCache) Deliver(r Ref, copy Copy) bool {
	s, e := c.lock(r)
	defer s.mu.Unlock()
	if !e.here() || e.late {
		return false
	}
	if len(e.packet.Copies) >= maxCopies {
		e.removeCopy(max(0, slices.IndexFunc(e.packet.Copies, isAcked)))
	}
	copy.Acked = false
	s.deliveries++
	e.packet.Copies = append(e.packet.Copies, copy)
	e.orders.add(len(e.packet.Copies), s.deliveries)
	return true
}

// Undeliver takes back the note of the last copy on a stream that no receipt has
// answered: nothing of it was written.
// It reports whether there was one. The packet may be finished meanwhile.
func (c *PacketCache) Undeliver(r Ref, stream uint64) bool {
	s, e := c.lock(r)
	defer s.mu.Unlock()
	if e == nil {
		return false
	}
	for i := len(e.packet.Copies) - 1; i >= 0; i-- {
		if copy := e.packet.Copies[i]; copy.Stream == stream && !copy.Acked {
			e.removeCopy(i)
			if e.state == tombstone {
				c.graves.sort(e)
			}
			return true
		}
	}
	return false
}

// removeCopy forgets the copy with this index.
func (e *entry) removeCopy(i int) {
	e.ownCopies()
	e.packet.Copies = slices.Delete(e.packet.Copies, i, i+1)
	e.orders.remove(i)
}

// acknowledge notes that the copy with this index was answered, and returns it.
func (e *entry) acknowledge(i int) Copy {
	e.ownCopies()
	e.packet.Copies[i].Acked = true
	return e.packet.Copies[i]
}

// ownCopies makes sure that nobody else sees a change of the copies.
func (e *entry) ownCopies() {
	if e.shared {
		e.packet.Copies = slices.Clone(e.packet.Copies)
		e.shared = false
	}
}

// answered reports whether no copy waits for its receipt.
func (e *entry) answered() bool {
	return !slices.ContainsFunc(e.packet.Copies, func(c Copy) bool { return !c.Acked })
}

func isAcked(c Copy) bool { return c.Acked }
