// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"unsafe"

	"github.com/untilack/untilack/internal/arena"
	"github.com/untilack/untilack/internal/prefetch"
)

// few is how many packets of an account have their places in it. Going from an account
// to a table of its own costs as much as all the rest.
const few = 14

// An account is what waits for one recipient: records by the tags of their numbers.
// Accounts are told apart by hash alone: two with the same one share their limits.
type account struct {
	hash    uint32 // the half that is not in the tag
	packets uint32
	bytes   int64
	many    arena.Ref // a table, if there were more than a few, or 0
	slots   uint32    // of that table
	near    [few]place
}

// A place is where a record lies.
type place = slot[arena.Ref]

// account returns the account with this hash, or nil. The pointer is good until an
// account is added or removed.
func (s *shard) account(hash uint64) *account {
	if at := s.accountAt(hash); at >= 0 {
		return &s.accounts.slots[at].value
	}
	return nil
}

func (s *shard) accountAt(hash uint64) int {
	if len(s.accounts.slots) == 0 {
		return -1
	}
	tag := accountTag(hash)
	at := home(s.accounts.slots, tag)
	prefetch.Lines(unsafe.Pointer(&s.accounts.slots[at]), 64) // an account takes three lines
	at = seek(s.accounts.slots, tag, at)
	for at >= 0 && s.accounts.slots[at].value.hash != uint32(hash) {
		at = nextAt(s.accounts.slots, tag, at)
	}
	return at
}

// accountTag returns the tag of an account. The first bits have chosen the shard.
func accountTag(hash uint64) uint32 { return tagOf(hash << mostShardBits) }

// places returns the places of an account's records; those with tag 0 are empty.
func (s *shard) places(a *account) []place {
	switch {
	case a == nil:
		return nil
	case a.many == 0:
		return a.near[:a.packets]
	}
	return unsafe.Slice((*place)(s.arena.At(a.many)), a.slots)
}

// firstOf returns the first of an account's places with a tag, or -1.
func (a *account) firstOf(places []place, tag uint32) int {
	if a != nil && a.many != 0 {
		return firstAt(places, tag)
	}
	return scan(places, tag, 0)
}

// nextOf returns the next after the one at.
func (a *account) nextOf(places []place, tag uint32, at int) int {
	if a.many != 0 {
		return nextAt(places, tag, at)
	}
	return scan(places, tag, at+1)
}

func scan(places []place, tag uint32, at int) int {
	for ; at < len(places); at++ {
		if places[at].tag == tag {
			return at
		}
	}
	return -1
}

// join adds a record to an account, which is nil if there is none yet.
func (s *shard) join(a *account, n *name, e entry) {
	if a == nil {
		a = s.accounts.add(accountTag(n.account), account{hash: uint32(n.account)})
	}
	want := slotsFor(int(a.packets) + 1)
	switch {
	case a.many == 0 && a.packets < few:
		a.near[a.packets] = place{numberTag(e.seq), e.place}
	case want > int(a.slots):
		s.spread(a, max(want, int(a.slots)/16*20))
		fallthrough
	default:
		insert(s.places(a), numberTag(e.seq), e.place)
	}
	a.packets++
	a.bytes += int64(e.size)
	if pairs := s.crowded[n.account]; pairs != nil {
		pairs[n.pair]++
	}
}

// leave takes a record out of its account, and forgets an account that is empty.
func (s *shard) leave(n *name, e entry) {
	account := s.accountAt(n.account)
	a := &s.accounts.slots[account].value
	places, tag := s.places(a), numberTag(e.seq)
	at := a.firstOf(places, tag)
	for places[at].value != e.place {
		at = a.nextOf(places, tag, at)
	}
	a.packets--
	a.bytes -= int64(e.size)
	if pairs := s.crowded[n.account]; pairs != nil {
		if pairs[n.pair]--; pairs[n.pair] == 0 {
			delete(pairs, n.pair)
		}
	}
	if a.many == 0 {
		places[at] = places[a.packets]
	} else {
		remove(places, at)
		s.shrink(a)
	}
	if a.packets == 0 {
		s.accounts.remove(account)
		delete(s.crowded, n.account)
	}
}

// shrink gives up memory if an account's table is mostly empty.
func (s *shard) shrink(a *account) {
	if a.packets <= few/2 {
		old := s.places(a)
		i := 0
		for _, p := range old {
			if p.tag != 0 {
				a.near[i] = p
				i++
			}
		}
		s.arena.Free(a.many)
		a.many, a.slots = 0, 0
	} else if want := slotsFor(int(a.packets)); want*2 <= int(a.slots) {
		s.spread(a, want)
	}
}

// spread gives an account a table of its own, with so many slots.
func (s *shard) spread(a *account, slots int) {
	old, was := a.many, s.places(a)
	table := s.arena.Alloc(slots * int(unsafe.Sizeof(place{})))
	places := unsafe.Slice((*place)(s.arena.At(table)), slots)
	clear(places)
	move(was, places)
	a.many, a.slots = table, uint32(slots)
	if old != 0 {
		s.arena.Free(old)
	}
}

// fromSender returns how many packets of one sender wait for an account. While it has
// fewer packets than one sender may have, nobody asks; from then on they are counted.
func (s *shard) fromSender(h *hasher, a *account, n *name) int {
	pairs := s.crowded[n.account]
	if pairs == nil {
		pairs = make(map[uint64]int)
		for _, p := range s.places(a) {
			if p.tag != 0 {
				r := s.record(p.value)
				other := h.name(r.string(to), r.string(from), "")
				pairs[other.pair]++
			}
		}
		if s.crowded == nil {
			s.crowded = make(map[uint64]map[uint64]int)
		}
		s.crowded[n.account] = pairs
	}
	return pairs[n.pair]
}
