// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"bytes"
	"time"
)

// Put keeps p until it is settled or dropped, and sets its deadline at now+wait; if
// wait is not positive it has none.
// It sets the packet's Seq, which grows in the order of Put over the whole cache,
// and returns the packet's handle. Copies and Taken are reset.
//
// The error is ErrKey if the key is not complete, and an ErrFull that names the
// limit if one would be passed.
// It is ErrDuplicate, and the handle is that of the packet that waits already, if
// that one has the same key, sum and stanza: a retransmission, which must not have a
// second entry (RFC 6120 §8.1.3). The deadline of the one that waits does not
// change.
// The same key with another stanza is another packet.
//
// The strings of the key are kept longer than the stanza, with all of the memory that
// they were cut from.
func (c *PacketCache) Put(now time.Time, p Packet, wait time.Duration) (Ref, error) {
	return c.put(now, p, wait, false)
}

// Restore is Put for a packet that stands in a store already: no limit is applied,
// but it counts for those that come later.
//
// If the same packet was dropped with the mark Stored it comes back to life, with
// the copies that were noted for it. If it has ended in any other way, the row is
// one that is about to go, and the error is ErrFinished; unless the row's Received
// is later: then the sender has sent the same message once more.
func (c *PacketCache) Restore(now time.Time, p Packet, wait time.Duration) (Ref, error) {
	return c.put(now, p, wait, true)
}

func (c *PacketCache) put(now time.Time, p Packet, wait time.Duration, stored bool) (Ref, error) {
	if p.Key.To == "" || p.Key.From == "" || p.Key.ID == "" {
		return Ref{}, ErrKey
	}
	s := c.shard(p.Key.To)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.index.name(p.Key.To, p.Key.From, p.Key.ID)
	if e := s.duplicate(&n, &p); e != nil {
		s.counters.duplicate++
		return e.packet.Ref(), ErrDuplicate
	}
	var former *entry
	if stored {
		if former = s.former(&n, &p); former != nil && !former.packet.Marks.Has(Stored) {
			return Ref{}, ErrFinished
		}
	}
	a := s.account(p.Key.To)
	if err := c.admit(s, a, &n, int64(len(p.Stanza)), stored); err != nil {
		s.counters.full++
		return Ref{}, err
	}
	// The lock makes the order within an account that of Seq.
	p.Seq = c.seq.Add(1)
	p.Copies, p.Taken = nil, false
	e := &entry{packet: p, pair: n.pair, hash: n.hash}
	if former != nil && c.graves.take(former) {
		e.packet.Copies, e.orders, e.shared = former.packet.Copies, former.orders, former.shared
		s.index.remove(former)
	}
	e.timer.Value = e
	s.join(a, e)
	s.index.add(e)
	c.arm(s, e, now, wait)
	s.counters.put++
	return p.Ref(), nil
}

// former returns the tombstone of the very packet p, or nil. Stores keep times to
// the microsecond.
func (s *shard) former(n *name, p *Packet) *entry {
	for e := s.index.find(n); e != nil; e = e.sibling.with(n) {
		q := &e.packet
		if e.state == tombstone && q.Key == p.Key && q.Sum == p.Sum && p.Received.Sub(q.Received) < time.Microsecond {
			return e
		}
	}
	return nil
}

// Remembered returns a packet that waits, or what is remembered of one that is
// finished, and says which: a packet that is finished has no Stanza.
func (c *PacketCache) Remembered(r Ref) (p Packet, waits, ok bool) {
	s, e := c.lock(r)
	defer s.mu.Unlock()
	if e == nil {
		return Packet{}, false, false
	}
	return e.show(), e.here(), true
}

// admit counts a packet of this size, and applies the limits unless it is stored.
func (c *PacketCache) admit(s *shard, a *account, n *name, size int64, stored bool) error {
	if stored {
		c.packets.spend(1)
		c.bytes.spend(size)
		return nil
	}
	return c.reserve(s, a, n, size)
}

// duplicate returns the entry in which p waits already, or nil.
func (s *shard) duplicate(n *name, p *Packet) *entry {
	for e := s.index.find(n); e != nil; e = e.sibling.with(n) {
		q := &e.packet
		if e.here() && q.Key == p.Key && q.Sum == p.Sum && bytes.Equal(q.Stanza, p.Stanza) {
			return e
		}
	}
	return nil
}
