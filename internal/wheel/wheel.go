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
// The package reads no clock and starts no goroutine: the time is an argument.
package wheel

import (
	"iter"
	"math/bits"
	"time"
)

// A Wheel holds timers until their deadlines have passed.
// It is not safe for concurrent use.
type Wheel[T any] struct {
	origin time.Time
	tick   time.Duration
	now    instant // what the wheel has turned to
	late   instant // the earliest deadline in the slot at now, if a timer is there
	length int
	rings  [ringCount]*ring[T] // each made when it is first needed
}

// New returns an empty wheel that turns once every tick, counted from origin.
// All times given to it should come from the same clock as origin.
// A tick that is not positive counts as one nanosecond.
func New[T any](origin time.Time, tick time.Duration) *Wheel[T] {
	return &Wheel[T]{origin: origin, tick: max(tick, 1), now: zero}
}

// Len returns the number of timers in the wheel.
func (w *Wheel[T]) Len() int { return w.length }

// Add puts t into the wheel, or moves it if it is there already.
// The deadline is rounded up to the next tick, so that a timer never comes early.
// A deadline that has passed is due at the next Advance.
func (w *Wheel[T]) Add(t *Timer[T], deadline time.Time) {
	w.Remove(t)
	t.deadline = w.roundUp(deadline)
	w.link(t)
}

// AddBack puts a timer that was taken out into the wheel again, with the deadline
// that it had.
func (w *Wheel[T]) AddBack(t *Timer[T]) {
	w.Remove(t)
	w.link(t)
}

// Remove takes t out of the wheel and reports whether it was there.
func (w *Wheel[T]) Remove(t *Timer[T]) bool {
	if !t.Waiting() {
		return false
	}
	w.unlink(t)
	return true
}

// Advance turns the wheel to now, and takes out and yields the value of every
// timer that is due by then.
//
// They come in order of the tick at which they fell due, and within a tick in the
// order of Add; one that was late on arrival counts as due at the tick that the
// wheel had reached then.
// If the loop ends early, the rest stays in the wheel and is due at the next call.
// The loop's body may add and remove timers; one that it adds and that is due
// comes in the same loop.
//
// If now is before the time of an earlier call, only what is due at now is taken.
func (w *Wheel[T]) Advance(now time.Time) iter.Seq[T] {
	return func(yield func(T) bool) {
		until := w.roundDown(now)
		w.turnBack(until)
		for t := w.pop(until); t != nil; t = w.pop(until) {
			if !yield(t.Value) {
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
func (w *Wheel[T]) Next() (time.Time, bool) {
	s, ok := w.first()
	if !ok {
		return time.Time{}, false
	}
	if s.start == w.now {
		return w.time(w.late), true
	}
	return w.time(s.start), true
}

// pop takes out the first timer that is due at until, or turns the wheel there
// and returns nil if there is none.
func (w *Wheel[T]) pop(until instant) *Timer[T] {
	for {
		s, ok := w.first()
		if !ok || s.start > until {
			w.turn(max(w.now, until))
			return nil
		}
		w.turn(s.start)
		if s.ring == 0 {
			t := w.rings[0].first[s.number]
			w.unlink(t)
			return t
		}
		w.cascade(s)
	}
}

// turn sets the wheel's time. Every slot that starts by then must be empty, but for the
// one that starts at that very instant.
func (w *Wheel[T]) turn(now instant) {
	if now != w.now {
		w.now, w.late = now, now
	}
}

// turnBack sets the wheel to an earlier time, but only if there is a timer that
// is due at that time and that the wheel keeps for later: one that was added while
// the clock stood back.
func (w *Wheel[T]) turnBack(now instant) {
	s, ok := w.first()
	if now >= w.now || !ok || s.start != w.now || w.late > now {
		return
	}
	old := w.rings
	w.rings = [ringCount]*ring[T]{}
	w.length = 0
	w.turn(now)
	for _, r := range old {
		if r == nil {
			continue
		}
		for occupied := r.occupied; occupied != 0; occupied &= occupied - 1 {
			w.linkAll(r.first[bits.TrailingZeros64(occupied)])
		}
	}
}

// cascade moves the timers of a slot inwards.
// They keep their order, because timers with the same deadline always lie in the
// same slot.
func (w *Wheel[T]) cascade(s slot) {
	r := w.rings[s.ring]
	first := r.first[s.number]
	w.length -= r.empty(s.number)
	w.linkAll(first)
}
