// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package crashtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Patience is how long tests wait for what has to come.
const Patience = 30 * time.Second

// A Pair is a sender and a recipient, by their numbers.
type Pair struct{ Sender, Recipient int }

// A Message is what became of one.
type Message struct {
	Pair
	ID           string
	Number       int // of those of the pair, from 1 on
	Acknowledged bool
	Refused      bool
	Server       string // to which it was sent last, if WriteTo was told
	Resent       bool
	Copies       []Copy
}

// A Copy is one that was read.
type Copy struct {
	On *Login
	At time.Time
}

// A Login is one stream of a recipient.
type Login struct {
	Opened, Ended time.Time
	Newest        map[Pair]int // the highest numbers that came on it
}

// A Ledger is what really happened, written down by those who saw it.
type Ledger struct {
	Counts
	// Newest are the messages with the highest numbers that were delivered.
	Newest map[Pair]*Message
	// Judge is called, with the ledger locked, when a message has been read, before that
	// is in the ledger.
	Judge func(m *Message, on *Login)

	mu       sync.Mutex
	changed  chan struct{} // closed when something has happened
	messages map[string]*Message
	sent     map[Pair]int
	faults   []string
}

// Counts are numbers of messages, and the like. They are to be read by Judge, in Look and by
// Await's conditions.
type Counts struct {
	Sent, Resent, Acknowledged, Refused int
	Missing                             int // acknowledged, and not delivered so far
	Read                                int // of all copies
	Receipts, Logins                    int
}

// NewLedger returns an empty ledger.
func NewLedger(judge func(*Message, *Login)) *Ledger {
	return &Ledger{
		Newest:   make(map[Pair]*Message),
		Judge:    judge,
		changed:  make(chan struct{}),
		messages: make(map[string]*Message),
		sent:     make(map[Pair]int),
	}
}

// Look calls f with the ledger locked.
func (l *Ledger) Look(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// enter locks the ledger. leave unlocks it and tells those who wait for a change.
func (l *Ledger) enter() { l.mu.Lock() }

func (l *Ledger) leave() {
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
}

// Send is called before a message is written. It returns the message's id.
func (l *Ledger) Send(p Pair) string {
	l.enter()
	defer l.leave()
	l.Sent++
	l.sent[p]++
	id := fmt.Sprintf("%d-%d-%d", p.Sender, p.Recipient, l.sent[p])
	l.messages[id] = &Message{Pair: p, ID: id, Number: l.sent[p]}
	return id
}

// WriteTo is called before messages are written to a server, for the first time or again.
func (l *Ledger) WriteTo(server string, ids []string, again bool) {
	l.enter()
	defer l.leave()
	for _, id := range ids {
		l.messages[id].Server, l.messages[id].Resent = server, again
		if again {
			l.Resent++
		}
	}
}

// Acknowledge is called when an answer has come to what was sent after these messages.
func (l *Ledger) Acknowledge(ids []string) {
	l.enter()
	defer l.leave()
	for _, id := range ids {
		m := l.messages[id]
		if m.Refused || m.Acknowledged {
			continue
		}
		m.Acknowledged = true
		l.Acknowledged++
		if len(m.Copies) == 0 {
			l.Missing++
		}
	}
}

// Refuse is called when an error has come back.
func (l *Ledger) Refuse(id string) {
	l.enter()
	defer l.leave()
	l.messages[id].Refused = true
	l.Refused++
}

// LogIn is called before a recipient logs in.
func (l *Ledger) LogIn() *Login {
	l.enter()
	defer l.leave()
	l.Logins++
	return &Login{Opened: time.Now(), Newest: make(map[Pair]int)}
}

// End is called when nothing more is read of a stream, or nothing more written.
func (l *Ledger) End(on *Login) {
	l.enter()
	defer l.leave()
	if on.Ended.IsZero() {
		on.Ended = time.Now()
	}
}

// Receive is called when a recipient has read a message.
func (l *Ledger) Receive(on *Login, id string) {
	l.enter()
	defer l.leave()
	m, known := l.messages[id]
	if !known {
		l.Fault("message %q was never sent", id)
		return
	}
	l.Judge(m, on)
	if l.Read++; m.Acknowledged && len(m.Copies) == 0 {
		l.Missing--
	}
	m.Copies = append(m.Copies, Copy{On: on, At: time.Now()})
	if m.Refused {
		return // its sender counts on nothing
	}
	on.Newest[m.Pair] = max(on.Newest[m.Pair], m.Number)
	if newest := l.Newest[m.Pair]; newest == nil || newest.Number < m.Number {
		l.Newest[m.Pair] = m
	}
}

// Receipt is called when a sender has got a receipt.
func (l *Ledger) Receipt(id string) {
	l.enter()
	defer l.leave()
	l.Receipts++
	if m := l.messages[id]; m == nil || len(m.Copies) == 0 {
		l.Fault("receipt for %q, which nobody read", id)
	}
}

// Fault notes what must not happen. It is for Judge, for which the ledger is locked.
func (l *Ledger) Fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// Faults returns how many were noted.
func (l *Ledger) Faults() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.faults)
}

// Check returns what must not have happened.
func (l *Ledger) Check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.faults) > 0 {
		return fmt.Errorf("%d faults: %.2000q", len(l.faults), l.faults)
	}
	return nil
}

// Await waits until a condition holds, or until ctx ends. The ledger is locked while the
// condition looks.
func (l *Ledger) Await(ctx context.Context, condition func() bool) error {
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

// AwaitMore waits until so many more messages are acknowledged, or until ctx ends.
func (l *Ledger) AwaitMore(ctx context.Context, more int) error {
	enough := 0
	l.Look(func() { enough = l.Acknowledged + more })
	return l.Await(ctx, func() bool { return l.Acknowledged >= enough })
}

// AwaitAll waits until whatever was acknowledged has come, and returns an error if it does
// not.
func (l *Ledger) AwaitAll(ctx context.Context) error {
	if l.Await(ctx, func() bool { return l.Missing == 0 }) != nil {
		return fmt.Errorf("lost: %q", l.Lost())
	}
	return nil
}

// Lost returns the messages that were acknowledged and have not come.
func (l *Ledger) Lost() (lost []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, m := range l.messages {
		if m.Acknowledged && len(m.Copies) == 0 {
			lost = append(lost, id)
		}
	}
	slices.Sort(lost)
	return lost
}
