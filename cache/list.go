// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import "iter"

// Of yields the packets that wait for a recipient, in order of Seq; those that are
// taken have Taken set.
//
// What there is is gathered when the loop starts; each packet is shown as it is when
// its turn comes, and not at all if it is finished by then.
// No lock is held while the loop's body runs.
func (c *PacketCache) Of(recipient string) iter.Seq[Packet] {
	return c.list(func() []turn {
		return c.waitingFor(recipient, func(*entry) bool { return true })
	})
}

// On yields those of the packets of a recipient of which a copy was delivered to a
// stream, in the way of Of.
func (c *PacketCache) On(recipient string, stream uint64) iter.Seq[Packet] {
	return c.list(func() []turn {
		return c.waitingFor(recipient, func(e *entry) bool {
			for i := range e.packet.Copies {
				if e.packet.Copies[i].Stream == stream {
					return true
				}
			}
			return false
		})
	})
}

// All yields all packets that wait, in the way of Of.
func (c *PacketCache) All() iter.Seq[Packet] {
	return c.list(func() (turns []turn) {
		for i := range c.shards {
			s := &c.shards[i]
			s.mu.Lock()
			for _, a := range s.accounts {
				for e := a.oldest; e != nil; e = e.newer {
					turns = append(turns, turn{e.packet.Seq, e})
				}
			}
			s.mu.Unlock()
		}
		return inOrder(turns)
	})
}

// waitingFor returns those of a recipient's entries that pass, in order of Seq.
func (c *PacketCache) waitingFor(recipient string, pass func(*entry) bool) (turns []turn) {
	s := c.shard(recipient)
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[recipient]
	if a == nil {
		return nil
	}
	for e := a.oldest; e != nil; e = e.newer {
		if pass(e) {
			turns = append(turns, turn{e.packet.Seq, e})
		}
	}
	return turns
}

// list yields what is gathered, as far as it still waits.
func (c *PacketCache) list(gather func() []turn) iter.Seq[Packet] {
	return func(yield func(Packet) bool) {
		for _, t := range gather() {
			if p, ok := c.look(t.entry); ok && !yield(p) {
				return
			}
		}
	}
}

// look returns the packet of an entry that is not finished.
func (c *PacketCache) look(e *entry) (Packet, bool) {
	s := c.shard(e.packet.Key.To)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !e.here() {
		return Packet{}, false
	}
	return e.show(), true
}
