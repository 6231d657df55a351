// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package kill

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// A pair is a sender and a recipient, by their numbers.
type pair struct{ sender, recipient int }

// A message is what became of one.
type message struct {
	pair
	number       int // of those of the pair
	acknowledged bool
	refused      bool
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

	acknowledged, delivered, duplicates, refused, refusedAndDelivered, receipts int

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
	if m.refused { // and stored all the same: the database has died before it could say so
		l.refusedAndDelivered++
		return
	}
	if m.number <= order[m.pair] {
		l.disorder = append(l.disorder, fmt.Sprintf("%s after number %d of its pair on a stream", id, order[m.pair]))
	}
	order[m.pair] = max(order[m.pair], m.number)
	if m.copies > 1 {
		l.duplicates++
		return
	}
	l.delivered++
	if m.acknowledged {
		l.missing--
	}
	if m.number < l.newest[m.pair] {
		l.disorder = append(l.disorder, fmt.Sprintf("%s for the first time after number %d of its pair", id, l.newest[m.pair]))
	}
	l.newest[m.pair] = max(l.newest[m.pair], m.number)
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
	return fmt.Sprintf("%d messages: %d acknowledged, %d refused (%d of them delivered); %d others delivered, %d acknowledged and lost, %d duplicates, %d out of order, %d receipts",
		len(l.messages), l.acknowledged, l.refused, l.refusedAndDelivered, l.delivered, l.missing, l.duplicates, len(l.disorder), l.receipts)
}
