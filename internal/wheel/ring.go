// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package wheel

import (
	"math/bits"

	"github.com/untilack/untilack/internal/arena"
)

const (
	digit     = 6                        // bits of an instant that one ring tells apart
	slotCount = 1 << digit               // slots of a ring
	ringCount = (64 + digit - 1) / digit // enough for every instant: nothing lies outside
)

// A Timer is one deadline, meant to be a part of what it belongs to.
// The zero value is ready for use.
// It must be in one wheel at a time and must not be copied while it is in one.
type Timer struct {
	next, prev arena.Ref // neighbours in the slot, 0 at its ends
	deadline   [2]uint32 // an instant in two halves, so that a Timer takes 20 bytes
	place      uint32    // the slot's number over all rings, plus one; 0: in no wheel
}

// Waiting reports whether t is in a wheel.
func (t *Timer) Waiting() bool { return t.place != 0 }

func (t *Timer) setDeadline(i instant) { t.deadline = [2]uint32{uint32(i), uint32(i >> 32)} }

func (t *Timer) getDeadline() instant { return instant(t.deadline[0]) | instant(t.deadline[1])<<32 }

// A ring is one level of the wheel.
type ring struct {
	occupied uint64 // one bit for each slot that is not empty
	lists    [slotCount]list
}

// A list is what waits in a slot, in order of Add.
type list struct{ first, last arena.Ref }

// A slot says where timers lie and when the first of them can be due.
type slot struct {
	ring, number int
	start        instant
}

// slotOf returns the slot in which a timer with this deadline belongs now.
// What is late belongs in the slot that the wheel stands at.
func (w *Wheel) slotOf(deadline instant) slot {
	at := max(deadline, w.now)
	differing := uint64(w.now^at) | (slotCount - 1)
	level := (bits.Len64(differing) - 1) / digit
	return slot{ring: level, number: int(at >> (level * digit) % slotCount), start: at}
}

// first returns the slot that starts first of those with timers.
// An inner ring lies wholly before the next slot of an outer one, and within a ring
// nothing lies before the slot that the wheel stands at.
func (w *Wheel) first() (slot, bool) {
	if m := w.moving; m.ring > 0 {
		if w.rings[m.ring].lists[m.number].first != 0 {
			return m, true
		}
		w.moving = slot{}
	}
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

// link adds a timer at the end of the slot where it belongs.
func (w *Wheel) link(r arena.Ref, t *Timer) {
	w.length++
	w.enlist(r, t)
}

func (w *Wheel) enlist(r arena.Ref, t *Timer) {
	deadline := t.getDeadline()
	s := w.slotOf(deadline)
	in := w.rings[s.ring]
	if in == nil {
		in = new(ring)
		w.rings[s.ring] = in
	}
	l := &in.lists[s.number]
	if s.start == w.now && (l.first == 0 || deadline < w.late) {
		w.late = deadline
	}
	t.next, t.prev = 0, l.last
	if l.last == 0 {
		l.first = r
		in.occupied |= 1 << s.number
	} else {
		w.timer(l.last).next = r
	}
	l.last = r
	t.place = uint32(s.ring*slotCount + s.number + 1)
}

// linkAll adds the timers of a list that was taken out, in order.
func (w *Wheel) linkAll(r arena.Ref) {
	for r != 0 {
		t := w.timer(r)
		next := t.next
		w.enlist(r, t)
		r = next
	}
}

// unlink takes a timer out of its slot.
func (w *Wheel) unlink(t *Timer) {
	r, number := w.rings[(t.place-1)/slotCount], (t.place-1)%slotCount
	l := &r.lists[number]
	if t.prev == 0 {
		l.first = t.next
	} else {
		w.timer(t.prev).next = t.next
	}
	if t.next == 0 {
		l.last = t.prev
	} else {
		w.timer(t.next).prev = t.prev
	}
	if l.first == 0 {
		r.occupied &^= 1 << number
	}
	t.next, t.prev, t.place = 0, 0, 0
	w.length--
}
