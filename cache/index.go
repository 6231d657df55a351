// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

// A name is everything that a receipt says about the message it answers, if it is
// addressed to the sender's bare address (XEP-0184 §7; many clients do so).
type name struct {
	to, sender, id string
}

// name returns what receipts for e are found by.
func (e *entry) name() name {
	k := &e.packet.Key
	return name{k.To, k.Sender(), k.ID}
}

// An index finds the entries of a shard, tombstones included.
type index struct {
	entries map[uint64]*entry // by the packet's Seq
	named   map[name]*entry   // a list, by sibling; its order means nothing
}

// init makes x ready for use.
func (x *index) init() {
	x.entries = make(map[uint64]*entry)
	x.named = make(map[name]*entry)
}

// get returns the entry of the packet with this Seq, or nil.
func (x *index) get(seq uint64) *entry { return x.entries[seq] }

// find returns the list of all entries with a name, or nil.
func (x *index) find(n name) *entry { return x.named[n] }

// add adds e.
func (x *index) add(e *entry) {
	x.entries[e.packet.Seq] = e
	n := e.name()
	if first := x.named[n]; first != nil {
		e.sibling, first.sibling = first.sibling, e
		return
	}
	x.named[n] = e
}

// remove removes e, which must be there.
func (x *index) remove(e *entry) {
	delete(x.entries, e.packet.Seq)
	n := e.name()
	first := x.named[n]
	switch {
	case first != e:
		for first.sibling != e {
			first = first.sibling
		}
		first.sibling = e.sibling
	case e.sibling != nil:
		x.named[n] = e.sibling
	default:
		delete(x.named, n)
	}
	e.sibling = nil
}
