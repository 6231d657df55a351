// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"slices"
	"time"

	"github.com/untilack/untilack"
)

// A stream is one session of a client as the server sees it.
type stream struct {
	client     int
	resource   string
	unanswered map[*entry]struct{} // written to it, and no receipt has come
}

// noteEvent is called when the Keeper tells of something.
func (l *ledger) noteEvent(client int, e untilack.Event) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.trace(client, "keeper: "+e.Reason.String(), e.ID, e.Resource)
}

// noteOpened is called before the Keeper is told of a session.
func (l *ledger) noteOpened(client int, resource string) *stream {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	s := &stream{client: client, resource: resource, unanswered: make(map[*entry]struct{})}
	l.trace(client, "bound", "", resource)
	l.streams[client] = append(l.streams[client], s)
	return s
}

// noteWritten is called before a message is written to a session.
func (l *ledger) noteWritten(s *stream, id string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.trace(s.client, "written", id, s.resource)
	_, e, _, _ := l.find(id)
	if e == nil {
		return
	}
	e.streams = append(e.streams, s)
	if e.closed.IsZero() {
		s.unanswered[e] = struct{}{}
	}
}

// noteEnded is called when the Keeper has ended the oldest session of a
// resource.
func (l *ledger) noteEnded(client int, resource string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	all := l.streams[client]
	at := slices.IndexFunc(all, func(s *stream) bool { return s.resource == resource })
	if at < 0 {
		return
	}
	l.counts.InFlight += len(all[at].unanswered)
	clear(all[at].unanswered)
	l.streams[client] = slices.Delete(all, at, at+1)
}

// linger is how long a message is remembered of which nothing more is to come:
// longer than any line may hold up what was once written to it.
const linger = 90 * time.Second

// sweep forgets what is over.
func (l *ledger) sweep() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	before := time.Now().Add(-linger)
	for p, t := range l.pairs {
		for number, e := range t.entries {
			if len(e.visits) == 0 || e.closed.IsZero() || e.closed.After(before) || l.owed(p, e) {
				continue
			}
			delete(t.entries, number)
		}
	}
	for receipt, a := range l.answers {
		if a.written.Before(before) {
			delete(l.answers, receipt) // it was lost on the way
		}
	}
}

// owed reports whether the sender of a message still has to get a receipt.
func (l *ledger) owed(p pair, e *entry) bool {
	return l.habits[p.to].answers() && e.receipts == 0
}

// remembered returns how many messages are.
func (l *ledger) remembered() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	n := 0
	for _, t := range l.pairs {
		n += len(t.entries)
	}
	return n
}

// now returns the counts so far, and how long nothing has happened.
func (l *ledger) now() (counts, time.Duration) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.counts, time.Since(l.last)
}

// missing returns how many messages have not arrived, or are not confirmed to
// their sender although they will be.
func (l *ledger) missing() (lost, unconfirmed int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for p, t := range l.pairs {
		for _, e := range t.entries {
			if len(e.visits) == 0 {
				lost++
			}
			if l.owed(p, e) {
				unconfirmed++
			}
		}
	}
	return lost, unconfirmed
}

// lines describes up to n messages that are lost or not confirmed.
func (l *ledger) lines(n int) []string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	var lines []string
	for p, t := range l.pairs {
		for number, e := range t.entries {
			if len(lines) < n && (len(e.visits) == 0 || l.owed(p, e)) {
				lines = append(lines, e.describe(name(p, number), l.habits[p.to]))
			}
		}
	}
	return lines
}
