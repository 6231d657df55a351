// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package clients

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/internal/integration/servers"
)

// A ledger is what an end has seen. It shows a message before it acknowledges it.
type ledger struct {
	mutex    sync.Mutex
	bodies   map[string]string // what was shown, by id
	times    map[string]int    // how often it was
	receipts map[string]int    // how many were read for an id
	tooLate  []client.Result
	changed  chan struct{} // closed when any of that changes
}

func newLedger() *ledger {
	return &ledger{
		bodies: make(map[string]string), times: make(map[string]int), receipts: make(map[string]int),
		changed: make(chan struct{}),
	}
}

func (l *ledger) note(f func()) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *ledger) show(id, body string) { l.note(func() { l.bodies[id] = body; l.times[id]++ }) }
func (l *ledger) read(id string)       { l.note(func() { l.receipts[id]++ }) }
func (l *ledger) late(r client.Result) { l.note(func() { l.tooLate = append(l.tooLate, r) }) }

// shown returns the bodies by id, and how often each was shown.
func (l *ledger) shown() (map[string]string, map[string]int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return maps.Clone(l.bodies), maps.Clone(l.times)
}

// await waits until so many messages were shown.
func (l *ledger) await(t testing.TB, count int) {
	t.Helper()
	l.until(t, "messages shown", count, func() int { return len(l.bodies) })
}

// awaitLate waits for so many late results, and returns them.
func (l *ledger) awaitLate(t testing.TB, count int) []client.Result {
	t.Helper()
	l.until(t, "late results", count, func() int { return len(l.tooLate) })
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return slices.Clone(l.tooLate)
}

func (l *ledger) until(t testing.TB, what string, count int, now func() int) {
	t.Helper()
	for {
		l.mutex.Lock()
		n, changed := now(), l.changed
		l.mutex.Unlock()
		if n >= count {
			return
		}
		select {
		case <-changed:
		case <-time.After(patience):
			t.Fatalf("%d of %d %s", n, count, what)
		}
	}
}

// wantRead checks that results are what an end was told: what is delivered is what a receipt
// was read for, in time.
func (l *ledger) wantRead(t testing.TB, known map[string]client.Result) {
	t.Helper()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	late := make(map[string]bool)
	for _, r := range l.tooLate {
		late[r.ID] = true
	}
	for id, r := range known {
		if delivered, read := r.State == client.Delivered, l.receipts[id] > 0; delivered != read && !late[id] {
			t.Errorf("%s is %v; was a receipt read? %v", id, r, read)
		}
	}
}

// shownBy returns the same of another client.
func shownBy(c *servers.Client) (map[string]string, map[string]int) {
	bodies, times := make(map[string]string), make(map[string]int)
	for _, e := range c.Events(servers.Message) {
		bodies[e.ID] = e.Body
		times[e.ID]++
	}
	return bodies, times
}

// wantShown checks that each letter was shown as it is, and nothing else was; once means
// once, and not more often.
func wantShown(t testing.TB, all letters, bodies map[string]string, times map[string]int, once bool) {
	t.Helper()
	want := make(map[string]string)
	for _, l := range all {
		want[l[0]] = l[1]
		if n := times[l[0]]; once && n > 1 {
			t.Errorf("%s was shown %d times", l[0], n)
		}
	}
	if diff := cmp.Diff(want, bodies); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
}

// judge checks that nothing counts as delivered that was not shown, nor as not written what
// was, and that of the rest it is known that nothing is known, or that it came back. It
// returns how many were not shown by then, and how many were though the sender was not told.
func judge(t testing.TB, known map[string]client.Result, bodies map[string]string) (lost, untold int) {
	t.Helper()
	states := make(map[client.State]int)
	for id, r := range known {
		states[r.State]++
		_, shown := bodies[id]
		switch {
		case r.State == client.Delivered && shown, r.State == client.Cancelled && !shown:
		case (r.State == client.Expired || r.State == client.Bounced) && shown:
			untold++
		case r.State == client.Expired || r.State == client.Bounced:
			lost++
		default:
			t.Errorf("%s is %v; was it shown? %v", id, r, shown)
		}
	}
	t.Logf("%v; %d were not shown, and of %d that were the receipts were lost", states, lost, untold)
	return lost, untold
}

// wantDelivered checks that all is delivered, by that address.
func wantDelivered(t testing.TB, known map[string]client.Result, by string) {
	t.Helper()
	for id, r := range known {
		if r.State != client.Delivered || r.By.String() != by {
			t.Errorf("%s: %v, want delivered by %s", id, r, by)
		}
	}
}
