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
// All that is kept of p is copied: when Put returns, its strings and bytes are the
// caller's again, but for Key.To, which is in the handle. Strings that were cut from
// the stanza take no room of their own.
func (c *PacketCache) Put(now time.Time, p Packet, wait time.Duration) (Ref, error) {
	return c.put(now, &p, wait, false)
}

// Restore is Put for a packet that stands in a store already: no limit is applied,
// but it counts for those that come later.
//
// If the same packet was dropped with the mark Stored it comes back to life, with
// the copies that were noted for it. If it has ended in any other way, the row is
// one that is about to go, and the error is ErrFinished; unless the row's Received
// is later: then the sender has sent the same message once more.
func (c *PacketCache) Restore(now time.Time, p Packet, wait time.Duration) (Ref, error) {
	return c.put(now, &p, wait, true)
}

func (c *PacketCache) put(now time.Time, p *Packet, wait time.Duration, stored bool) (Ref, error) {
	if p.Key.To == "" || p.Key.From == "" || p.Key.ID == "" {
		return Ref{}, ErrKey
	}
	n := c.name(p.Key.To, p.Key.From, p.Key.ID)
	s := c.shard(n.account)
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.add(s, now, p, &n, wait, stored)
}

func (c *PacketCache) add(s *shard, now time.Time, p *Packet, n *name, wait time.Duration, stored bool) (Ref, error) {
	s.names.expect(n.tag)
	a := s.account(n.account)
	if e := s.duplicate(n, p); e != nil {
		s.counters.duplicate++
		return Ref{p.Key.To, e.seq}, ErrDuplicate
	}
	var former entry
	if stored {
		if former = c.former(s, n, p); former.record != nil && !former.marks.Has(Stored) {
			return Ref{}, ErrFinished
		}
	}
	size := int64(len(p.Stanza))
	if err := c.admit(s, a, n, size, stored); err != nil {
		s.counters.full++
		return Ref{}, err
	}
	// The lock makes the order within an account that of Seq.
	p.Seq = c.budget.seq.Add(1)
	since := c.since(now)
	e := c.write(s, p)
	if former.record != nil {
		e.copies, former.copies = former.copies, 0
		s.forget(&c.graves, former.record)
	}
	s.join(a, n, e)
	s.names.add(n.tag, e.place)
	c.arm(s, e, since, wait)
	s.counters.put++
	return Ref{p.Key.To, p.Seq}, nil
}

// former returns the tombstone of the very packet p, if there is one. Stores keep times
// to the microsecond.
func (c *PacketCache) former(s *shard, n *name, p *Packet) entry {
	for e := s.named(n.tag); e.record != nil; e = s.nextNamed(n.tag, e) {
		if e.state != tombstone || !e.is(n) || s.isGone(&c.graves, e.record) || e.string(from) != p.Key.From || e.sum != p.Sum {
			continue
		}
		var was Packet
		if c.describe(&was, e.record); p.Received.Sub(was.Received) < time.Microsecond {
			return e
		}
	}
	return entry{}
}

// Remembered returns a packet that waits, or what is remembered of one that is
// finished, and says which: a packet that is finished has no Stanza.
func (c *PacketCache) Remembered(r Ref) (p Packet, waits, ok bool) {
	s, e := c.lock(r)
	defer s.mu.Unlock()
	if e.record == nil {
		return Packet{}, false, false
	}
	return c.packet(s, e.record, &binder{}), e.here(), true
}

// admit counts a packet of this size, and applies the limits unless it is stored.
func (c *PacketCache) admit(s *shard, a *account, n *name, size int64, stored bool) error {
	if stored {
		c.budget.packets.spend(1)
		c.budget.bytes.spend(size)
		return nil
	}
	return c.reserve(s, a, n, size)
}

// duplicate returns the record in which p waits already, or nil.
func (s *shard) duplicate(n *name, p *Packet) *record {
	for e := s.named(n.tag); e.record != nil; e = s.nextNamed(n.tag, e) {
		if e.here() && e.sum == p.Sum && e.is(n) && e.string(from) == p.Key.From && bytes.Equal(e.stanza(), p.Stanza) {
			return e.record
		}
	}
	return nil
}
