// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"unsafe"

	"github.com/untilack/untilack/internal/prefetch"
)

// A slot of a table holds a value under a tag, which is a hash. It is empty if the
// tag is 0.
type slot[V any] struct {
	tag   uint32
	value V
}

// A table finds values by tag: slots, in which each value lies where its tag says, or
// in one of those that follow. There may be several values under one tag: who looks
// for one compares what it means.
type table[V any] struct {
	slots []slot[V]
	count int
}

// slotsFor returns how many slots are right for a number of values: some more, at least
// one, a multiple of four.
func slotsFor(count int) int { return (count*8/7 + 4) &^ 3 }

// tagOf makes a tag of a hash.
func tagOf(hash uint64) uint32 { return max(uint32(hash>>32), 1) }

// home returns the slot where one begins to look for a tag.
func home[V any](slots []slot[V], tag uint32) int {
	return int(uint64(tag) * uint64(len(slots)) >> 32)
}

// firstAt returns the first slot with a tag, or -1.
func firstAt[V any](slots []slot[V], tag uint32) int {
	if len(slots) == 0 {
		return -1
	}
	return seek(slots, tag, home(slots, tag))
}

// nextAt returns the next slot with a tag after one that has it, or -1.
func nextAt[V any](slots []slot[V], tag uint32, at int) int {
	return seek(slots, tag, at+1)
}

func seek[V any](slots []slot[V], tag uint32, at int) int {
	for ; ; at++ {
		if at == len(slots) {
			at = 0
		}
		switch slots[at].tag {
		case tag:
			return at
		case 0:
			return -1
		}
	}
}

// insert puts a value into the first slot that is free for it. There must be one.
func insert[V any](slots []slot[V], tag uint32, value V) *V {
	at := home(slots, tag)
	for slots[at].tag != 0 {
		if at++; at == len(slots) {
			at = 0
		}
	}
	slots[at] = slot[V]{tag, value}
	return &slots[at].value
}

// remove empties a slot, and moves those that follow so that they are found.
func remove[V any](slots []slot[V], hole int) {
	for at := hole; ; {
		if at++; at == len(slots) {
			at = 0
		}
		tag := slots[at].tag
		if tag == 0 {
			slots[hole] = slot[V]{}
			return
		}
		if behind(slots, home(slots, tag), at) >= behind(slots, hole, at) {
			slots[hole] = slots[at]
			hole = at
		}
	}
}

// behind returns how many slots one goes on from one slot to another.
func behind[V any](slots []slot[V], from, to int) int {
	if to < from {
		return to - from + len(slots)
	}
	return to - from
}

// move puts all values of some slots into others.
func move[V any](from, to []slot[V]) {
	for i := range from {
		if from[i].tag != 0 {
			insert(to, from[i].tag, from[i].value)
		}
	}
}

// expect has the processor fetch what looking for a tag will read.
func (t *table[V]) expect(tag uint32) {
	if len(t.slots) > 0 {
		prefetch.Line(unsafe.Pointer(&t.slots[home(t.slots, tag)]), 0)
	}
}

// expectMany does so where values are large.
func (t *table[V]) expectMany(tag uint32) {
	if len(t.slots) > 0 {
		prefetch.Lines(unsafe.Pointer(&t.slots[home(t.slots, tag)]), 0)
	}
}

// add adds a value, and returns where it lies until the table changes.
func (t *table[V]) add(tag uint32, value V) *V {
	t.count++
	if want := slotsFor(t.count); want > len(t.slots) {
		t.resize(max(want, len(t.slots)/4*5))
	}
	return insert(t.slots, tag, value)
}

// remove removes the value in a slot.
func (t *table[V]) remove(at int) {
	remove(t.slots, at)
	t.count--
}

// slotOf returns the slot with a value, which must be there.
func slotOf[V comparable](slots []slot[V], tag uint32, value V) int {
	at := firstAt(slots, tag)
	for slots[at].value != value {
		at = nextAt(slots, tag, at)
	}
	return at
}

// trim gives up memory if most of it is empty.
func (t *table[V]) trim() {
	if t.count == 0 {
		t.slots = nil
	} else if want := slotsFor(t.count); want*2 <= len(t.slots) {
		t.resize(want)
	}
}

func (t *table[V]) resize(slots int) {
	old := t.slots
	t.slots = make([]slot[V], slots)
	move(old, t.slots)
}
