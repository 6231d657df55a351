// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"time"
)

// mostWithOneID bounds how many messages with one id are known, so that finding one costs
// the same whatever ids an application makes.
const mostWithOneID = 64

// A registry is the messages that a Tracker knows: those that wait, and those that are
// finished and remembered. It has no lock.
type registry struct {
	named     map[string]*Sent // by id; those with the same one are a list, the newest first
	most      int              // of ids since named was made
	waiting   int
	deadlines deadlines // of what waits
	graves    []grave   // of what is finished, in that order
	seq       uint64    // how many were added
}

// A grave says since when a message is finished. It may have been forgotten meanwhile.
type grave struct {
	sent  *Sent
	since time.Time
}

// find returns the first message with an id.
func (r *registry) find(id []byte) *Sent { return r.named[string(id)] }

// twin returns the message that waits and that a receipt could not tell from another one.
func (r *registry) twin(s *Sent) *Sent {
	for old := r.named[s.id]; old != nil; old = old.next {
		if old.state == Waiting && old.isLike(s) {
			return old
		}
	}
	return nil
}

// add has a message wait. It reports false if too many with its id do.
func (r *registry) add(s *Sent) bool {
	count, finished := 0, (*Sent)(nil)
	for old := r.named[s.id]; old != nil; old = old.next {
		if count++; old.state != Waiting {
			finished = old // at last that which was sent first
		}
	}
	if count >= mostWithOneID {
		if finished == nil {
			return false
		}
		r.remove(finished)
	}
	if r.named == nil {
		r.named = make(map[string]*Sent)
	}
	r.seq++
	s.seq = r.seq
	s.next = r.named[s.id]
	r.named[s.id] = s
	r.most = max(r.most, len(r.named))
	r.waiting++
	return true
}

// all returns what waits.
func (r *registry) all() []*Sent {
	all := make([]*Sent, 0, r.waiting)
	for _, s := range r.named {
		for ; s != nil; s = s.next {
			if s.state == Waiting {
				all = append(all, s)
			}
		}
	}
	return all
}

// finish takes a message out of those that wait, and remembers it.
func (r *registry) finish(s *Sent, since time.Time) {
	r.waiting--
	r.deadlines.remove(s)
	r.graves = append(r.graves, grave{s, since})
}

// forget forgets finished messages, the first before others: those that are too many, and
// those that are older than age unless that is below 0.
func (r *registry) forget(now time.Time, limit int, age time.Duration) {
	for len(r.graves) > 0 {
		first := r.graves[0]
		if len(r.graves) <= limit && (age < 0 || now.Sub(first.since) < age) {
			break
		}
		r.remove(first.sent)
		r.graves[0] = grave{}
		r.graves = r.graves[1:]
	}
}

// remove takes a message out of those with its id, if it is there.
func (r *registry) remove(s *Sent) {
	first := r.named[s.id]
	switch {
	case first == s && s.next == nil:
		delete(r.named, s.id)
		r.shrink()
	case first == s:
		r.named[s.id] = s.next
	default:
		for at := first; at != nil; at = at.next {
			if at.next == s {
				at.next = s.next
				break
			}
		}
	}
	s.next = nil
}

// worthwhile is how many messages there were whose memory is given up.
const worthwhile = 1024

// shrink gives up memory after there were many messages.
func (r *registry) shrink() {
	if r.most < worthwhile || len(r.named) > r.most/4 {
		return
	}
	named := make(map[string]*Sent, len(r.named))
	for id, s := range r.named {
		named[id] = s
	}
	r.named, r.most = named, len(named)
}
