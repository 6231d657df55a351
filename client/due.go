// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"iter"
	"time"
)

// Due finishes the messages that have waited for as long as they may, and yields them in
// order of their deadlines, which are kept to the millisecond; TrackerOptions.Result is called with each before that. No lock
// is held while the loop's body runs; if it ends early, the rest is due at the next call.
func (t *Tracker) Due(now time.Time) iter.Seq[Result] {
	return func(yield func(Result) bool) {
		for {
			s, o := t.expire(now)
			if s == nil {
				return
			}
			tell(t.options.Result, s, o)
			if !yield(s.result(o)) {
				return
			}
		}
	}
}

// expire finishes the first message that has waited for too long, if there is one.
func (t *Tracker) expire(now time.Time) (*Sent, *outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	s := t.messages.deadlines.due(wall(now))
	if s == nil {
		return nil, nil
	}
	o := &outcome{state: Expired, at: now}
	t.settled(now, s, o)
	return s, o
}

// Next returns when Due should be called next, and false if nothing has a deadline. While
// that is far away it may be earlier than the first one: Due then finishes nothing.
func (t *Tracker) Next() (next time.Time, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.messages.deadlines.next()
}

// Close finishes all that waits as Closed. Afterwards Track fails, and Receive still tells
// Late. It may be called several times.
func (t *Tracker) Close(now time.Time) {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	for _, s := range t.all() {
		t.finish(now, s, &outcome{state: Closed, at: now})
	}
}

// finish gives a message that waits its first result, and reports whether it waited.
func (t *Tracker) finish(now time.Time, s *Sent, o *outcome) bool {
	t.mu.Lock()
	waits := s.state == Waiting
	if waits {
		t.settled(now, s, o)
	}
	t.mu.Unlock()
	if waits {
		tell(t.options.Result, s, o)
	}
	return waits
}

// settled takes in the first result of a message. The caller holds the lock, and calls
// the hook.
func (t *Tracker) settled(now time.Time, s *Sent, o *outcome) {
	s.state, s.known = o.state, o
	t.stats.count(o.state)
	t.messages.finish(s, wall(now))
	t.forget(now)
	for w := s.watchers; w != nil; w = w.next {
		w.wake(s)
	}
	s.watchers = nil
}

// forget forgets what has been finished for long enough.
func (t *Tracker) forget(now time.Time) {
	t.messages.forget(wall(now), max(t.options.Tombstones, 0), t.options.TombstoneAge)
}

// tell calls a hook.
func tell(hook func(Result), s *Sent, o *outcome) {
	if hook != nil {
		hook(s.result(o))
	}
}
