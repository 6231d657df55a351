// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"sync"
	"time"

	"github.com/untilack/untilack/client"
)

// lookAgain is after which time a Tracker is looked at in any case: what waits may have
// come to it by other ways than ours.
const lookAgain = 30 * time.Second

// catchUp is how long a session has, from its beginning, to bring the receipts that the
// server has kept, before what has waited for too long meanwhile expires.
const catchUp = 5 * time.Second

// A due ends what has waited for too long in a Tracker, on one timer.
type due struct {
	tracker *client.Tracker
	from    time.Time // when it begins

	mu    sync.Mutex
	timer *time.Timer // nil: stopped
	at    time.Time   // when it goes off
}

func (d *due) start(t *client.Tracker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.tracker, d.at, d.from = t, now.Add(lookAgain), now
	if t.Stats().Waiting > 0 { // since the session before
		d.from = now.Add(catchUp)
	}
	d.timer = time.AfterFunc(lookAgain, d.look)
	d.set()
}

func (d *due) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer = nil
}

// look ends what is due, and waits for what is next.
func (d *due) look() {
	now := time.Now()
	for range d.tracker.Due(now) {
		// TrackerOptions.Result has been told.
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.at = now.Add(lookAgain)
		d.timer.Reset(lookAgain)
		d.set()
	}
}

// hasten has the timer go off in time for what has just been tracked.
func (d *due) hasten() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.set()
	}
}

// set sets the timer to an earlier time, if something is due by then.
func (d *due) set() {
	next, ok := d.tracker.Next()
	if next.Before(d.from) {
		next = d.from
	}
	if ok && next.Before(d.at) {
		d.at = next
		d.timer.Reset(max(time.Until(next), time.Millisecond))
	}
}
