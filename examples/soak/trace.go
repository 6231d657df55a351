// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"strings"
	"time"
)

// A trace remembers the latest of what happened to one client's messages and
// streams, to be shown when something went wrong.
type trace struct {
	most   int
	events []event
	next   int // where the next one goes, when there are as many as there may be
}

// An event is one thing that happened.
type event struct {
	at    time.Time
	what  string
	which string // message
	where string // stream
}

// note adds an event.
func (t *trace) note(e event) {
	e.at = time.Now()
	if len(t.events) < t.most {
		t.events = append(t.events, e)
		return
	}
	if t.most > 0 {
		t.events[t.next] = e
		t.next = (t.next + 1) % t.most
	}
}

// String returns the events as lines, the oldest first.
func (t *trace) String() string {
	var text strings.Builder
	for i := range t.events {
		e := t.events[(t.next+i)%len(t.events)]
		fmt.Fprintf(&text, "%s  %-22s %-14s %s\n", e.at.Format("15:04:05.000000"), e.what, e.which, e.where)
	}
	return text.String()
}

// trace remembers what happened to a client.
func (l *ledger) trace(client int, what, message, stream string) {
	if client < len(l.traces) {
		l.traces[client].note(event{what: what, which: message, where: stream})
	}
}

// wrong keeps the trace of a client to whom something happened that must not.
func (l *ledger) wrong(client int, what string) {
	if len(l.trouble) < maxTrouble && l.traces[client].most > 0 {
		l.trouble = append(l.trouble, fmt.Sprintf("%s (a %s client)\n%s", what, l.habits[client], &l.traces[client]))
	}
}

// maxTrouble is how many traces are kept.
const maxTrouble = 3
