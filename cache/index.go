// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import "hash/maphash"

// A name is everything that a receipt says about the message it answers, if it is
// addressed to the sender's bare address (XEP-0184 §7; many clients do so).
type name struct {
	to, sender, id string
	account        uint64 // hash of to
	pair           uint64 // hash of to and sender
	tag            uint32 // hash of all three
}

// A hasher makes hashes. They depend on a secret of the process, so that nobody can
// choose names that lie in one place. Nothing that can be seen depends on them, but for
// which of too many tombstones go first.
type hasher struct {
	seed maphash.Seed
	bits uint64 // that count: all but in tests
}

func (h *hasher) hash(text string) uint64 { return maphash.String(h.seed, text) & h.bits }

// name returns the name that a message with this id has, whose sender's address is
// from, full or bare.
func (h *hasher) name(to, from, id string) name {
	const odd = 0x9e3779b97f4a7c15 // makes the order of the parts count
	n := name{to: to, sender: Bare(from), id: id, account: h.hash(to)}
	n.pair = n.account*odd ^ h.hash(n.sender)
	n.tag = tagOf((n.pair*odd ^ h.hash(id)) & h.bits)
	return n
}

// shard returns the shard of an account with this hash.
func (c *PacketCache) shard(account uint64) *shard { return &c.shards[account>>(c.shift&63)] }

// numberTag returns the tag of a number.
func numberTag(seq uint64) uint32 { return tagOf(seq * 0x9e3779b97f4a7c15) }

// named returns the first record with the tag of a name, and nextNamed the one after e,
// if there is one.
func (s *shard) named(tag uint32) entry { return s.inSlot(firstAt(s.names.slots, tag)) }

func (s *shard) nextNamed(tag uint32, e entry) entry {
	return s.inSlot(nextAt(s.names.slots, tag, int(e.slot)))
}

func (s *shard) inSlot(at int) entry {
	if at < 0 {
		return entry{}
	}
	place := s.names.slots[at].value
	return entry{s.record(place), place, int32(at)}
}

// waiting returns the packet of an account with a number, if it waits.
func (s *shard) waiting(account, seq uint64) entry {
	a := s.account(account)
	places, tag := s.places(a), numberTag(seq)
	for at := a.firstOf(places, tag); at >= 0; at = a.nextOf(places, tag, at) {
		if e := s.entry(places[at].value); e.seq == seq {
			return e
		}
	}
	return entry{}
}

// find returns the record with a number, if there is one.
func (s *shard) find(account, seq uint64) entry {
	if e := s.waiting(account, seq); e.record != nil {
		return e
	}
	return s.tombstone(seq)
}
