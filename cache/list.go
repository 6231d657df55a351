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
		return c.waitingFor(recipient, func(*shard, *record) bool { return true })
	})
}

// On yields those of the packets of a recipient of which a copy was delivered to a
// stream, in the way of Of.
func (c *PacketCache) On(recipient string, stream uint64) iter.Seq[Packet] {
	return c.list(func() []turn {
		return c.waitingFor(recipient, func(s *shard, r *record) bool {
			for ref := r.copies; ref != 0; {
				d, next := s.next(ref)
				if d.stream == stream {
					return true
				}
				ref = next
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
			for j := range s.accounts.slots {
				for _, p := range s.places(&s.accounts.slots[j].value) {
					if p.tag != 0 {
						r := s.record(p.value)
						turns = append(turns, turn{r.seq, c.hash(r.string(to)), p.value})
					}
				}
			}
			s.mu.Unlock()
		}
		return inOrder(turns)
	})
}

// waitingFor returns what waits for a recipient and passes, in order of Seq.
func (c *PacketCache) waitingFor(recipient string, pass func(*shard, *record) bool) (turns []turn) {
	account := c.hash(recipient)
	s := c.shard(account)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.places(s.account(account)) {
		if p.tag == 0 {
			continue
		}
		if r := s.record(p.value); r.string(to) == recipient && pass(s, r) {
			turns = append(turns, turn{r.seq, account, p.value})
		}
	}
	return inOrder(turns)
}

// list yields what gather has found, as far as it still waits.
func (c *PacketCache) list(gather func() []turn) iter.Seq[Packet] {
	return func(yield func(Packet) bool) {
		var b binder
		for _, t := range gather() {
			if p, ok := c.look(t, &b); ok && !yield(p) {
				return
			}
		}
	}
}

func (c *PacketCache) look(t turn, b *binder) (Packet, bool) {
	s := c.shard(t.account)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.waiting(t.account, t.seq)
	if e.record == nil {
		return Packet{}, false
	}
	return c.packet(s, e.record, b), true
}
