// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"fmt"
	"strings"
	"time"
)

// An Event is one line of what happened in a World.
type Event struct {
	At   time.Duration // since the World began
	Who  string        // a client, a node, the store or a sender
	Did  string
	What string // about which message, with which error
}

// String returns the event as a line of a table.
func (e Event) String() string {
	return strings.TrimRight(fmt.Sprintf("%12s  %-28s  %-22s  %s", e.At.Round(time.Microsecond), e.Who, e.Did, e.What), " ")
}

// A trace holds what happened, the last of it if that is much.
type trace struct {
	events []Event
	count  int // of all there were
	limit  int // how many are held
}

func (t *trace) add(e Event) {
	if len(t.events) < t.limit {
		t.events = append(t.events, e)
	} else {
		t.events[t.count%t.limit] = e
	}
	t.count++
}

// all returns what is held, in order.
func (t *trace) all() []Event {
	if t.count <= t.limit {
		return t.events
	}
	at := t.count % t.limit
	return append(append([]Event(nil), t.events[at:]...), t.events[:at]...)
}

// table returns the last n events as a table.
func (t *trace) table(n int) string {
	var text strings.Builder
	events := t.all()
	if left := len(events) - n; left > 0 {
		fmt.Fprintf(&text, "… %d events before\n", t.count-n)
		events = events[left:]
	}
	for _, e := range events {
		text.WriteString(e.String() + "\n")
	}
	return text.String()
}
