// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import "hash/maphash"

// A name is everything that a receipt says about the message it answers, if it is
// addressed to the sender's bare address (XEP-0184 §7; many clients do so).
type name struct {
	to, sender, id string

	// The hashes depend on a secret of the process, so that nobody can choose names
	// that lie in one place. Nothing that can be seen depends on them.
	pair uint64 // of to and sender
	hash uint64 // of all three
}

// An index finds the entries of a shard, tombstones included.
type index struct {
	seed    maphash.Seed
	entries map[uint64]*entry // by the packet's Seq
	named   map[uint64]*entry // by the name's hash: a list, by sibling, in no order
}

// init makes x ready for use.
func (x *index) init(seed maphash.Seed) {
	x.seed = seed
	x.entries = make(map[uint64]*entry)
	x.named = make(map[uint64]*entry)
}

// name returns the name that a message with this id has, whose sender's address is
// from, full or bare.
func (x *index) name(to, from, id string) name {
	const odd = 0x9e3779b97f4a7c15 // makes the order of the parts count
	n := name{to: to, sender: Bare(from), id: id}
	n.pair = maphash.String(x.seed, to)*odd ^ maphash.String(x.seed, n.sender)
	n.hash = n.pair*odd ^ maphash.String(x.seed, id)
	return n
}

// get returns the entry of the packet with this Seq, or nil.
func (x *index) get(seq uint64) *entry { return x.entries[seq] }

// find returns an entry with a name, or nil. The next one is e.sibling.with(n).
func (x *index) find(n *name) *entry { return x.named[n.hash].with(n) }

// with returns the first of e and its siblings that has a name, or nil.
// Nearly always all of them have, but hashes may be equal by chance.
func (e *entry) with(n *name) *entry {
	for ; e != nil; e = e.sibling {
		if k := &e.packet.Key; k.ID == n.id && k.To == n.to && k.Sender() == n.sender {
			return e
		}
	}
	return nil
}

// peers returns the list in which e is: those with the same name, and perhaps others
// by chance.
func (x *index) peers(e *entry) *entry { return x.named[e.hash] }

// add adds e.
func (x *index) add(e *entry) {
	x.entries[e.packet.Seq] = e
	if first := x.named[e.hash]; first != nil {
		e.sibling, first.sibling = first.sibling, e
		return
	}
	x.named[e.hash] = e
}

// remove removes e, which must be there.
func (x *index) remove(e *entry) {
	delete(x.entries, e.packet.Seq)
	first := x.named[e.hash]
	switch {
	case first != e:
		for first.sibling != e {
			first = first.sibling
		}
		first.sibling = e.sibling
	case e.sibling != nil:
		x.named[e.hash] = e.sibling
	default:
		delete(x.named, e.hash)
	}
	e.sibling = nil
}
