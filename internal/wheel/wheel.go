// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package wheel keeps deadlines and hands out those that have passed.
//
// It is a hierarchical timing wheel: a deadline is a number of ticks, and the
// highest digit (of six bits) in which it differs from the wheel's own time says
// in which ring it waits.
// Each time the wheel reaches a slot of an outer ring, the timers in it move
// inwards; from the innermost ring they are handed out.
// Adding and removing cost the same however many timers there are, and a jump of
// the clock costs only as much as there are timers to move.
//
// A timer is the beginning of a piece of memory in an arena. Nothing in it is a pointer,
// so that the garbage collector need not look at millions of them.
//
// The package reads no clock and starts no goroutine: the time is an argument.
package wheel

import (
	"iter"
	"math/bits"
	"time"
	"unsafe"

	"github.com/untilack/untilack/internal/arena"
	"github.com/untilack/untilack/internal/prefetch"
)

// A Wheel holds timers until their deadlines have passed. All times are durations since
// some origin, which is its user's affair.
// It is not safe for concurrent use.
type Wheel struct {
	arena  *arena.Arena
	tick   time.Duration
	now    instant // what the wheel has turned to
	late   instant // the earliest deadline in the slot at now, if a timer is there
	moving slot    // of which some timers were moved inwards, and not yet all; in ring 0: none
	length int
	rings  [ringCount]*ring // each made when it is first needed
}

// New returns an empty wheel for timers that lie in an arena.
// A tick that is not positive counts as one nanosecond.
func New(a *arena.Arena, tick time.Duration) *Wheel {
	return &Wheel{arena: a, tick: max(tick, 1), now: zero}
}

// timer returns the timer that is the beginning of a piece.
func (w *Wheel) timer(r arena.Ref) *Timer { return (*Timer)(w.arena.At(r)) }

// Len returns the number of timers in the wheel.
func (w *Wheel) Len() int { return w.length }

// Add puts a timer into the wheel, or moves it if it is there already.
// The deadline is rounded up to the next tick, so that a timer never comes early.
// A deadline that has passed is due at the next Advance.
func (w *Wheel) Add(r arena.Ref, deadline time.Duration) {
	t := w.timer(r)
	if t.Waiting() {
		w.unlink(t)
	}
	t.setDeadline(w.roundUp(deadline))
	w.link(r, t)
}

// AddBack puts a timer that was taken out into the wheel again, with the deadline
// that it had.
func (w *Wheel) AddBack(r arena.Ref) {
	w.Remove(r)
	w.link(r, w.timer(r))
}

// Remove takes a timer out of the wheel and reports whether it was there.
func (w *Wheel) Remove(r arena.Ref) bool {
	t := w.timer(r)
	if !t.Waiting() {
		return false
	}
	w.unlink(t)
	return true
}

// Deadline returns the deadline of a timer, rounded up to its tick, and false if it is in no
// wheel.
func (w *Wheel) Deadline(r arena.Ref) (time.Duration, bool) {
	t := w.timer(r)
	return w.time(t.getDeadline()), t.Waiting()
}

// Expect has the processor fetch what Remove will change, and what lies around the
// timer that comes after it: often that is the next to be removed.
func (w *Wheel) Expect(t *Timer) {
	if t.next != 0 {
		prefetch.Lines(unsafe.Pointer(w.timer(t.next)), 0)
	}
	if t.prev != 0 {
		prefetch.Line(unsafe.Pointer(w.timer(t.prev)), 0)
	}
}

// Advance turns the wheel to now, and takes out and yields every
// timer that is due by then.
//
// They come in order of the tick at which they fell due, and within a tick in the
// order of Add; one that was late on arrival counts as due at the tick that the
// wheel had reached then.
// If the loop ends early, the rest stays in the wheel and is due at the next call.
// The loop's body may add and remove timers; one that it adds and that is due
// comes in the same loop.
// After many timers were moved inwards it yields 0, so that one who holds a lock can
// end the loop and go on later. What is added meanwhile may then come before others of
// its tick.
//
// If now is before the time of an earlier call, only what is due at now is taken.
func (w *Wheel) Advance(now time.Duration) iter.Seq[arena.Ref] {
	return func(yield func(arena.Ref) bool) {
		until := w.roundDown(now)
		w.turnBack(until)
		for r, more := w.pop(until); more; r, more = w.pop(until) {
			if !yield(r) {
				return
			}
		}
	}
}

// Next returns a time before which nothing is due, and false if the wheel is
// empty.
// It is never later than the earliest deadline, rounded up to its tick.
// It may be earlier while that deadline is far away, but is then still later than
// the time of the last Advance: one who sleeps until Next and then calls Advance
// wakes a few times for a far deadline, and never without end.
func (w *Wheel) Next() (time.Duration, bool) {
	s, ok := w.first()
	if !ok {
		return 0, false
	}
	if s.start == w.now {
		return w.time(w.late), true
	}
	return w.time(s.start), true
}

// pop takes out the first timer that is due at until, or turns the wheel there and
// reports that there is none. It returns 0 for a timer if there is more to move first.
func (w *Wheel) pop(until instant) (r arena.Ref, more bool) {
	for {
		s, ok := w.first()
		if !ok || s.start > until {
			w.turn(max(w.now, until))
			return 0, false
		}
		w.turn(s.start)
		if s.ring == 0 {
			first := w.rings[0].lists[s.number].first
			w.unlink(w.timer(first))
			return first, true
		}
		if w.cascade(s); w.moving.ring > 0 {
			return 0, true
		}
	}
}

// turn sets the wheel's time. Every slot that starts by then must be empty, but for the
// one that starts at that very instant.
func (w *Wheel) turn(now instant) {
	if now != w.now {
		w.now, w.late = now, now
	}
}

// turnBack sets the wheel to an earlier time, but only if there is a timer that
// is due at that time and that the wheel keeps for later: one that was added while
// the clock stood back.
func (w *Wheel) turnBack(now instant) {
	s, ok := w.first()
	if now >= w.now || !ok || s.start != w.now || w.late > now {
		return
	}
	old := w.rings
	w.rings, w.moving = [ringCount]*ring{}, slot{}
	w.turn(now)
	for _, r := range old {
		if r == nil {
			continue
		}
		for occupied := r.occupied; occupied != 0; occupied &= occupied - 1 {
			w.linkAll(r.lists[bits.TrailingZeros64(occupied)].first)
		}
	}
}

// cascadeStep is how many timers are moved at once.
const cascadeStep = 256

// cascade moves timers of a slot inwards; if there are many, some of them.
// They keep their order, because timers with the same deadline always lie in the
// same slot.
func (w *Wheel) cascade(s slot) {
	w.moving = s
	l := &w.rings[s.ring].lists[s.number]
	for count := 0; l.first != 0; count++ {
		if count == cascadeStep {
			return
		}
		r := l.first
		t := w.timer(r)
		w.unlink(t)
		w.link(r, t)
	}
	w.moving = slot{}
}
