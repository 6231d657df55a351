// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package wheel

import (
	"math"
	"time"
)

// An instant is a number of ticks from the wheel's origin.
// It is shifted so that instants before the origin can be compared, and taken apart
// into digits, like all others.
type instant uint64

// zero is the wheel's origin.
const zero instant = 1 << 63

// roundUp returns the first instant that is not before since.
func (w *Wheel) roundUp(since time.Duration) instant {
	ticks := since / w.tick
	if ticks*w.tick < since {
		ticks++
	}
	return zero + instant(ticks)
}

// roundDown returns the last instant that is not after since.
func (w *Wheel) roundDown(since time.Duration) instant {
	ticks := since / w.tick
	if ticks*w.tick > since {
		ticks--
	}
	return zero + instant(ticks)
}

// time returns when i is, as far as a duration can tell.
func (w *Wheel) time(i instant) time.Duration {
	const latest, earliest = time.Duration(math.MaxInt64), time.Duration(math.MinInt64)
	ticks := time.Duration(i - zero)
	return max(min(ticks, latest/w.tick), earliest/w.tick) * w.tick
}
