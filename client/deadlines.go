// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"time"
	"unsafe"

	"github.com/untilack/untilack/internal/arena"
	"github.com/untilack/untilack/internal/wheel"
)

// tick is how exact deadlines are.
const tick = time.Millisecond

// deadlines are until when messages wait, on one wheel for all.
type deadlines struct {
	arena  arena.Arena
	wheel  *wheel.Wheel // made with the first deadline, to which times are relative
	origin time.Time
	sent   []*Sent // by the numbers of their records
	free   []uint32
}

// A record is what the wheel has of a message.
type record struct {
	wheel.Timer
	number uint32
}

// record returns what a Ref names.
func (d *deadlines) record(r arena.Ref) *record { return (*record)(d.arena.At(r)) }

// add gives a message a deadline.
func (d *deadlines) add(now time.Time, s *Sent, deadline time.Time) {
	if d.wheel == nil {
		d.wheel, d.origin = wheel.New(&d.arena, tick), now
	}
	s.deadline = d.arena.Alloc(int(unsafe.Sizeof(record{})))
	at := d.record(s.deadline)
	*at = record{number: d.place(s)}
	d.wheel.Add(s.deadline, deadline.Sub(d.origin))
}

// place returns the number of a place for a message.
func (d *deadlines) place(s *Sent) uint32 {
	if last := len(d.free) - 1; last >= 0 {
		number := d.free[last]
		d.free = d.free[:last]
		d.sent[number] = s
		return number
	}
	d.sent = append(d.sent, s)
	return uint32(len(d.sent) - 1)
}

// remove takes the deadline of a message away, if it has one.
func (d *deadlines) remove(s *Sent) {
	if s.deadline == 0 {
		return
	}
	d.wheel.Remove(s.deadline)
	number := d.record(s.deadline).number
	d.arena.Free(s.deadline)
	s.deadline, d.sent[number] = 0, nil
	if d.free = append(d.free, number); len(d.free) == len(d.sent) && len(d.sent) >= worthwhile {
		d.sent, d.free = nil, nil
		d.arena.Trim()
	}
}

// due returns a message whose deadline has passed, the first one before others, or nil.
func (d *deadlines) due(now time.Time) *Sent {
	if d.wheel == nil {
		return nil
	}
	for r := range d.wheel.Advance(now.Sub(d.origin)) {
		if r != 0 {
			return d.sent[d.record(r).number]
		}
	}
	return nil
}

// next returns a time before which nothing is due, and false if nothing has a deadline.
func (d *deadlines) next() (time.Time, bool) {
	if d.wheel == nil {
		return time.Time{}, false
	}
	after, ok := d.wheel.Next()
	return d.origin.Add(after), ok
}
