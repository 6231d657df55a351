// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package wheel

import "math/bits"

const (
	digit     = 6                        // bits of an instant that one ring tells apart
	slotCount = 1 << digit               // slots of a ring
	ringCount = (64 + digit - 1) / digit // enough for every instant: nothing lies outside
)

// A Timer is one deadline, meant to be a part of what it belongs to.
// The zero value with a Value is ready for use.
// It must be in one wheel at a time and must not be copied while it is in one.
type Timer[T any] struct {
	Value T // what Advance yields

	next, prev *Timer[T] // neighbours in the slot, in a circle
	deadline   instant
	place      uint16 // the slot's number over all rings, plus one; 0: in no wheel
}

// Waiting reports whether t is in a wheel.
func (t *Timer[T]) Waiting() bool { return t.place != 0 }

// A ring is one level of the wheel. Its slots are lists in order of Add.
type ring[T any] struct {
	occupied uint64 // one bit for each slot that is not empty
	first    [slotCount]*Timer[T]
}

// empty takes every timer out of a slot and returns how many there were.
func (r *ring[T]) empty(number int) (count int) {
	first := r.first[number]
	r.first[number] = nil
	r.occupied &^= 1 << number
	for t := first; ; {
		t.place = 0
		count++
		if t = t.next; t == first {
			return count
		}
	}
}

// A slot says where timers lie and when the first of them can be due.
type slot struct {
	ring, number int
	start        instant
}

// slotOf returns the slot in which a timer with this deadline belongs now.
// What is late belongs in the slot that the wheel stands at.
func (w *Wheel[T]) slotOf(deadline instant) slot {
	at := max(deadline, w.now)
	differing := uint64(w.now^at) | (slotCount - 1)
	level := (bits.Len64(differing) - 1) / digit
	return slot{ring: level, number: int(at >> (level * digit) % slotCount), start: at}
}

// first returns the slot that starts first of those with timers.
// An inner ring lies wholly before the next slot of an outer one, and within a ring
// nothing lies before the slot that the wheel stands at.
func (w *Wheel[T]) first() (slot, bool) {
	for level, r := range w.rings {
		if r == nil || r.occupied == 0 {
			continue
		}
		number := bits.TrailingZeros64(r.occupied)
		start := w.now &^ (1<<((level+1)*digit) - 1)
		start |= instant(number) << (level * digit)
		return slot{ring: level, number: number, start: start}, true
	}
	return slot{}, false
}

// link puts t, which is in no slot, at the end of the slot of its deadline.
func (w *Wheel[T]) link(t *Timer[T]) {
	s := w.slotOf(t.deadline)
	if w.rings[s.ring] == nil {
		w.rings[s.ring] = new(ring[T])
	}
	r := w.rings[s.ring]
	first := r.first[s.number]
	if s.start == w.now && (first == nil || t.deadline < w.late) {
		w.late = t.deadline
	}
	if first == nil {
		t.next, t.prev = t, t
		r.first[s.number] = t
		r.occupied |= 1 << s.number
	} else {
		t.next, t.prev = first, first.prev
		first.prev.next = t
		first.prev = t
	}
	t.place = uint16(s.ring*slotCount + s.number + 1)
	w.length++
}

// linkAll links every timer of a circle that was taken out of its slot, in order.
func (w *Wheel[T]) linkAll(first *Timer[T]) {
	last := first.prev
	for t := first; ; {
		next := t.next
		w.link(t)
		if t == last {
			return
		}
		t = next
	}
}

// unlink takes t out of its slot.
func (w *Wheel[T]) unlink(t *Timer[T]) {
	level, number := int(t.place-1)/slotCount, int(t.place-1)%slotCount
	r := w.rings[level]
	if t.next == t {
		r.first[number] = nil
		r.occupied &^= 1 << number
	} else {
		t.next.prev, t.prev.next = t.prev, t.next
		if r.first[number] == t {
			r.first[number] = t.next
		}
	}
	t.next, t.prev, t.place = nil, nil, 0
	w.length--
}
