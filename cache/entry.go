// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"time"

	"github.com/untilack/untilack/internal/wheel"
)

// A state says what an entry is.
type state uint8

const (
	waiting   state = iota // for a receipt
	taken                  // claimed for an action
	tombstone              // finished; remembered for its receipts
)

// An entry is a packet, and later its tombstone.
// All of it is guarded by the lock of its shard, but for what says otherwise.
type entry struct {
	packet Packet
	orders orders // of packet.Copies
	timer  wheel.Timer[*entry]

	pair, hash   uint64   // of its name
	sibling      *entry   // the next one with the same hash
	account      *account // while it is no tombstone
	older, newer *entry   // neighbours in the account

	state  state
	due    bool // its deadline has passed and a loop over Due is about to yield it
	late   bool // a receipt came while it was taken
	shared bool // packet.Copies was handed out: it may grow, but not change

	grave grave
}

// show returns the packet as others may see it.
func (e *entry) show() Packet {
	p := e.packet
	p.Taken = e.state == taken
	if p.Copies != nil {
		e.shared = true
		p.Copies = p.Copies[:len(p.Copies):len(p.Copies)]
	}
	return p
}

// here reports whether e is a packet that is not finished.
func (e *entry) here() bool { return e != nil && e.state != tombstone }

// bury makes a tombstone of e. What has to be removed for it is returned: see
// graveyard.add.
func (c *PacketCache) bury(s *shard, e *entry, now time.Time) (crowded *entry) {
	s.disarm(e)
	s.leave(e)
	size := int64(len(e.packet.Stanza))
	c.packets.release(1)
	c.bytes.release(size)
	if e.state == taken {
		s.taken--
	}
	e.state, e.late = tombstone, false
	e.packet.Stanza = nil
	crowded, added := c.graves.add(e, now.Sub(c.start(now)))
	if !added {
		s.index.remove(e)
		return nil
	}
	c.thin(s, e)
	return crowded
}
