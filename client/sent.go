// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"context"
	"time"

	"github.com/untilack/untilack/internal/arena"
)

// A Sent is a message that was tracked. It is safe for concurrent use by multiple
// goroutines.
type Sent struct {
	tracker *Tracker
	id, to  string
	from    *string // if it counts
	sent    time.Time

	// What follows is under the Tracker's lock.
	deadline arena.Ref // 0: there is none
	state    State     // the first result's
	room     bool      // to is an occupant of a room; it does not change
	copies   uint16    // how many times Track has given it, but for those Unwritten
	known    *outcome
	watchers *watcher
	next     *Sent // with the same id, and older
	seq      uint64
}

// An outcome is what somebody says of a message. It does not change.
type outcome struct {
	state State
	by    string
	at    time.Time
	err   error
	late  bool
	first *outcome // the first result, if this is a later one
}

// ID returns the message's id, that it had or that was made for it.
func (s *Sent) ID() string { return s.id }

// At returns when the message was tracked first: the stamp of a second copy, see
// [receipts.AppendDelayed].
func (s *Sent) At() time.Time { return s.sent }

// Waited returns what is to be kept to Expect the message in another process: a program
// that must not lose it in a crash writes that down before it writes the message.
func (s *Sent) Waited() Waited {
	w := Waited{ID: s.id, To: s.to, Room: s.room, Sent: s.sent}
	if s.from != nil {
		w.From = *s.from
	}
	return w
}

// Result returns what is known by now: a later receipt takes the place of Bounced, Expired
// and the like.
func (s *Sent) Result() Result {
	s.tracker.mu.Lock()
	state, known := s.state, s.known
	s.tracker.mu.Unlock()
	if known == nil {
		return Result{ID: s.id, To: parsed(s.to), Sent: s.sent, State: state}
	}
	return s.result(known)
}

// firstResult is Result without what came late.
func (s *Sent) firstResult() Result {
	s.tracker.mu.Lock()
	known := s.known
	s.tracker.mu.Unlock()
	if known == nil {
		return s.Result()
	}
	if known.first != nil {
		known = known.first
	}
	return s.result(known)
}

// result returns what an outcome is called outside.
func (s *Sent) result(o *outcome) Result {
	return Result{
		ID: s.id, To: parsed(s.to), Sent: s.sent,
		State: o.state, By: parsed(o.by), At: o.at, Err: o.err, Late: o.late,
	}
}

// done is a channel for what is done.
var done = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Done returns a channel that is closed when there is a result.
func (s *Sent) Done() <-chan struct{} {
	s.tracker.mu.Lock()
	defer s.tracker.mu.Unlock()
	if s.state != Waiting {
		return done
	}
	for w := s.watchers; w != nil; w = w.next {
		if w.done != nil {
			return w.done
		}
	}
	s.watchers = &watcher{done: make(chan struct{}), next: s.watchers}
	return s.watchers.done
}

// Wait waits for the first result: the one that TrackerOptions.Result and Tracker.Results
// tell. If ctx ends before, its error is returned with what is known by then; the message
// goes on waiting. Somebody has to call Receive and Due meanwhile.
func (s *Sent) Wait(ctx context.Context) (Result, error) {
	finished := s.Done()
	select {
	case <-finished:
		return s.firstResult(), nil
	case <-ctx.Done():
	}
	r := s.firstResult()
	if r.State == Waiting {
		return r, ctx.Err()
	}
	return r, nil
}

// Cancel ends the wait, and reports whether the message waited. A receipt that comes all
// the same is told to Late.
func (s *Sent) Cancel(now time.Time) bool {
	return s.tracker.finish(now, s, &outcome{state: Cancelled, at: now})
}

// Unwritten is Cancel for one of several writes: a message that Track has given more than
// once, see ErrDuplicate, waits until none of them can have happened.
func (s *Sent) Unwritten(now time.Time) bool {
	s.tracker.mu.Lock()
	s.copies -= min(s.copies, 1)
	left := s.copies
	s.tracker.mu.Unlock()
	return left == 0 && s.Cancel(now)
}
