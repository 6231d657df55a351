// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package kill

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A pair is a sender and a recipient, by their numbers.
type pair struct{ sender, recipient int }

// A message is what became of one.
type message struct {
	pair
	number       int // of those of the pair
	acknowledged bool
	refused      bool
	orphan       bool // the relay was killed before it was acknowledged
	copies       int
}

// A ledger is what really happened, written down by those who saw it.
type ledger struct {
	mu       sync.Mutex
	changed  chan struct{} // closed when something has happened
	messages map[string]*message
	sent     map[pair]int
	newest   map[pair]int // the highest number that was delivered
	faults   []string     // what must not happen
	disorder []string     // what came out of its order

	acknowledged, delivered, duplicates, refused, refusedAndDelivered, late, receipts int

	missing int // acknowledged, and not delivered so far
}

func newLedger() *ledger {
	return &ledger{
		changed:  make(chan struct{}),
		messages: make(map[string]*message),
		sent:     make(map[pair]int),
		newest:   make(map[pair]int),
	}
}

// enter locks the ledger. leave unlocks it and tells those who wait for a change.
func (l *ledger) enter() { l.mu.Lock() }

func (l *ledger) leave() {
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
}

// send is called before a message is written. It returns the message's id.
func (l *ledger) send(p pair) string {
	l.enter()
	defer l.leave()
	l.sent[p]++
	m := &message{pair: p, number: l.sent[p]}
	id := fmt.Sprintf("%d-%d-%d", p.sender, p.recipient, m.number)
	l.messages[id] = m
	return id
}

// acknowledge is called when an answer has come to what was sent after these messages.
func (l *ledger) acknowledge(ids []string) {
	l.enter()
	defer l.leave()
	for _, id := range ids {
		m := l.messages[id]
		if m.refused || m.acknowledged {
			continue
		}
		m.acknowledged = true
		l.acknowledged++
		if m.copies == 0 {
			l.missing++
		}
	}
}

// refuse is called when an error has come back.
func (l *ledger) refuse(id string) {
	l.enter()
	defer l.leave()
	l.messages[id].refused = true
	l.refused++
}

// receive is called when a recipient has read a message. order has the highest numbers
// that came on the same stream.
func (l *ledger) receive(order map[pair]int, id string) {
	l.enter()
	defer l.leave()
	m, known := l.messages[id]
	if !known {
		l.fault("message %q was never sent", id)
		return
	}
	m.copies++
	switch {
	case m.refused: // and stored all the same: the database has died before it could say so
		l.refusedAndDelivered++
		return
	case m.copies > 1:
		l.duplicates++
	default:
		l.first(m)
	}
	switch behind := m.number <= order[m.pair] || m.copies == 1 && m.number < l.newest[m.pair]; {
	case behind && m.orphan && m.copies == 1:
		l.late++
	case behind:
		l.disorder = append(l.disorder, fmt.Sprintf("%s (copy %d) after %d on its stream and %d on others", id, m.copies, order[m.pair], l.newest[m.pair]))
	}
	order[m.pair] = max(order[m.pair], m.number)
	l.newest[m.pair] = max(l.newest[m.pair], m.number)
}

// first takes note of the first copy of a message. The ledger is locked.
func (l *ledger) first(m *message) {
	l.delivered++
	if m.acknowledged {
		l.missing--
	}
}

// crash is called when the relay is dead, and all has been read that came from it.
func (l *ledger) crash() {
	l.enter()
	defer l.leave()
	for _, m := range l.messages {
		m.orphan = !m.acknowledged
	}
}

// receipt is called when a sender has got a receipt.
func (l *ledger) receipt(id string) {
	l.enter()
	defer l.leave()
	l.receipts++
	if m := l.messages[id]; m == nil || m.copies == 0 {
		l.fault("receipt for %q, which nobody read", id)
	}
}

// fault notes what must not happen. The ledger is locked.
func (l *ledger) fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// await waits until a condition holds, or until ctx ends.
func (l *ledger) await(ctx context.Context, condition func() bool) error {
	for {
		l.mu.Lock()
		holds, changed := condition(), l.changed
		l.mu.Unlock()
		if holds {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// allDelivered is a condition: whatever was acknowledged has come.
func (l *ledger) allDelivered() bool { return l.missing == 0 }

// lost returns the messages that were acknowledged and have not come.
func (l *ledger) lost() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lost []string
	for id, m := range l.messages {
		if m.acknowledged && m.copies == 0 {
			lost = append(lost, id)
		}
	}
	slices.Sort(lost)
	return lost
}

// String sums up.
func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d messages: %d acknowledged, %d refused (%d of them delivered); %d others delivered, %d acknowledged and lost, %d duplicates, %d out of order, %d late, %d receipts",
		len(l.messages), l.acknowledged, l.refused, l.refusedAndDelivered, l.delivered, l.missing, l.duplicates, len(l.disorder), l.late, l.receipts)
}

// TestLedger checks that the ledger notices what must not happen. Of each story the
// letters say what is done: s sends the next message, a acknowledges one, c is a crash,
// r receives one, and l logs in.
func TestLedger(t *testing.T) {
	for story, want := range map[string]string{
		"s s a1 a2 r1 r2":       "",
		"s s a1 a2 r1":          "lost 0-0-2",
		"s a1 r1 c l r1":        "duplicates 1",
		"s s a1 a2 r2 r1":       "disorder 1",
		"s s a1 a2 r1 r2 l r2":  "duplicates 1",
		"s s r1 r2 l r2 r1":     "disorder 1, duplicates 2",
		"s s a1 a2 r2 l r1":     "disorder 1",
		"s r1 r1":               "disorder 1, duplicates 1",
		"s c s a2 l r2 r1":      "late 1",
		"s a1 c s a2 l r2 l r1": "disorder 1",
		"r9":                    "faults 1",
	} {
		if got := tell(story); got != want {
			t.Errorf("%s: got %q, want %q", story, got, want)
		}
	}
}

// tell returns what the ledger says of a story.
func tell(story string) string {
	l, order := newLedger(), make(map[pair]int)
	for _, step := range strings.Fields(story) {
		id := "0-0-" + step[1:]
		switch step[0] {
		case 's':
			l.send(pair{})
		case 'a':
			l.acknowledge([]string{id})
		case 'c':
			l.crash()
		case 'r':
			l.receive(order, id)
		case 'l':
			clear(order)
		}
	}
	var said []string
	for _, id := range l.lost() {
		said = append(said, "lost "+id)
	}
	for _, count := range []struct {
		name string
		n    int
	}{{"disorder", len(l.disorder)}, {"duplicates", l.duplicates}, {"late", l.late}, {"faults", len(l.faults)}} {
		if count.n > 0 {
			said = append(said, fmt.Sprint(count.name, " ", count.n))
		}
	}
	return strings.Join(said, ", ")
}
