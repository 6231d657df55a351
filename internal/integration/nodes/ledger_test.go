// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A pair is a sender and a recipient, by their numbers.
type pair struct{ sender, recipient int }

// A message is what became of one.
type message struct {
	pair
	number       int // of those of the pair
	acknowledged bool
	node         string // to which it was sent last
	resent       bool
	copies       []copied
}

// A copied is a copy that was read.
type copied struct {
	on *login
	at time.Time
}

// A login is one stream of a recipient.
type login struct{ opened, ended time.Time }

// grace is how long a receipt may be on its way: until the host has read it and the row is
// deleted. It is long, for a machine may be busy.
const grace = 2 * time.Second

// onItsWay returns how long the receipt for a copy had been on its way at most when another
// stream was opened, or when its own had ended.
func (c *copied) onItsWay(other *login) time.Duration {
	if ended := c.on.ended; !ended.IsZero() && ended.Before(other.opened) {
		return ended.Sub(c.at)
	}
	return other.opened.Sub(c.at)
}

// settledFor reports whether another stream must not have the message any more.
func (c *copied) settledFor(other *login) bool { return c.on == other || c.onItsWay(other) > grace }

// A ledger is what really happened, written down by those who saw it.
type ledger struct {
	mu       sync.Mutex
	changed  chan struct{} // closed when something has happened
	messages map[string]*message
	sent     map[pair]int
	newest   map[pair]*message // the one with the highest number that was delivered
	faults   []string          // what must not happen

	logins, acknowledged, resent, receipts int
	disorder, disorderOfNode               int
	duplicatesOfResent, duplicatesInFlight int
	longestOnItsWay                        time.Duration // of the receipts of the latter

	missing int // acknowledged, and not delivered so far
}

func newLedger() *ledger {
	return &ledger{
		changed:  make(chan struct{}),
		messages: make(map[string]*message),
		sent:     make(map[pair]int),
		newest:   make(map[pair]*message),
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

// write is called before messages are written to a node, for the first time or again.
func (l *ledger) write(ids []string, node string, again bool) {
	l.enter()
	defer l.leave()
	for _, id := range ids {
		l.messages[id].node, l.messages[id].resent = node, again
		if again {
			l.resent++
		}
	}
}

// acknowledge is called when an answer has come to what was sent after these messages.
func (l *ledger) acknowledge(ids []string) {
	l.enter()
	defer l.leave()
	for _, id := range ids {
		m := l.messages[id]
		m.acknowledged = true
		l.acknowledged++
		if len(m.copies) == 0 {
			l.missing++
		}
	}
}

// open is called before a recipient logs in.
func (l *ledger) open() *login {
	l.enter()
	defer l.leave()
	l.logins++
	return &login{opened: time.Now()}
}

// end is called when nothing more is read of a stream, or nothing more written.
func (l *ledger) end(on *login) {
	l.enter()
	defer l.leave()
	if on.ended.IsZero() {
		on.ended = time.Now()
	}
}

// receive is called when a recipient has read a message.
func (l *ledger) receive(on *login, id string) {
	l.enter()
	defer l.leave()
	m, known := l.messages[id]
	if !known {
		l.fault("message %q was never sent", id)
		return
	}
	if len(m.copies) > 0 {
		l.receiveAgain(m, on, id)
	} else {
		l.receiveFirst(m)
	}
	m.copies = append(m.copies, copied{on: on, at: time.Now()})
}

func (l *ledger) receiveFirst(m *message) {
	if m.acknowledged {
		l.missing--
	}
	newest := l.newest[m.pair]
	if newest == nil || newest.number < m.number {
		l.newest[m.pair] = m
		return
	}
	l.disorder++
	if !m.resent && !newest.resent && m.node == newest.node {
		l.disorderOfNode++
	}
}

func (l *ledger) receiveAgain(m *message, on *login, id string) {
	switch {
	case m.resent:
		l.duplicatesOfResent++
	case slices.ContainsFunc(m.copies, func(c copied) bool { return c.settledFor(on) }):
		l.fault("a copy more of %q, which was settled", id)
	default:
		l.duplicatesInFlight++
		last := m.copies[len(m.copies)-1]
		l.longestOnItsWay = max(l.longestOnItsWay, last.onItsWay(on))
	}
}

// receipt is called when a sender has got a receipt.
func (l *ledger) receipt(id string) {
	l.enter()
	defer l.leave()
	l.receipts++
	if m := l.messages[id]; m == nil || len(m.copies) == 0 {
		l.fault("receipt for %q, which nobody read", id)
	}
}

// refuse is called when an error has come back. No node has a cause for that.
func (l *ledger) refuse(id string) {
	l.enter()
	defer l.leave()
	l.fault("%q was refused", id)
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

// check returns what must not have happened.
func (l *ledger) check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.faults) > 0 {
		return fmt.Errorf("%d faults: %.2000q", len(l.faults), l.faults)
	}
	return nil
}

// lost returns the messages that were acknowledged and have not come.
func (l *ledger) lost() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lost []string
	for id, m := range l.messages {
		if m.acknowledged && len(m.copies) == 0 {
			lost = append(lost, id)
		}
	}
	slices.Sort(lost)
	return lost
}

// copiesOf returns how many copies of a message were read.
func (l *ledger) copiesOf(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.messages[id].copies)
}

// String sums up.
func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d messages, %d acknowledged, %d times sent again; %d logins; lost: %d; duplicates: %d of messages sent again, %d in flight (their receipts for %v at most); out of order: %d, of which one node took %d; %d receipts",
		len(l.messages), l.acknowledged, l.resent, l.logins, l.missing, l.duplicatesOfResent, l.duplicatesInFlight,
		l.longestOnItsWay.Round(time.Millisecond), l.disorder, l.disorderOfNode, l.receipts)
}
