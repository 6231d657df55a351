// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"slices"
	"sync"
	"time"
)

// A ledger is what really happened in a run, written down by those who saw it.
type ledger struct {
	mutex sync.Mutex
	last  time.Time // when anything new happened

	logins []time.Time          // when each of the recipient's streams was asked for
	order  map[string]int       // message id to its place in the order of sending
	sent   map[string]time.Time // by message id
	copies map[string][]int     // by message id, the recipient's streams that brought one
	first  map[string]time.Time // of these copies
	read   map[string]bool      // by the recipient's application

	answers  map[string]string    // the recipient's receipts: their own id to the message's
	answered map[string]int       // receipts that the recipient wrote, by message id
	reached  map[string]int       // of these, how many reached the relay
	settled  map[string]time.Time // when the first of these did
	receipts map[string]int       // receipts that the sender got, by message id

	newest     int // the highest place in the order that has arrived
	outOfOrder int
	tooMany    int
	unknown    int // copies of messages that nobody sent
	altered    int // messages that are not what was sent
	bounced    int
	forged     int
}

func newLedger() *ledger {
	return &ledger{
		last:     time.Now(),
		order:    make(map[string]int),
		sent:     make(map[string]time.Time),
		copies:   make(map[string][]int),
		first:    make(map[string]time.Time),
		read:     make(map[string]bool),
		answers:  make(map[string]string),
		answered: make(map[string]int),
		reached:  make(map[string]int),
		settled:  make(map[string]time.Time),
		receipts: make(map[string]int),
		newest:   -1,
	}
}

// noteSent is called before the sender writes a message.
func (l *ledger) noteSent(id string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.last = time.Now()
	l.order[id] = len(l.order)
	l.sent[id] = l.last
}

// noteLogin is called before the recipient logs in. It returns a number for the
// stream.
func (l *ledger) noteLogin() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.logins = append(l.logins, time.Now())
	return len(l.logins) - 1
}

// noteCopy is called for each message on one of the recipient's streams, when
// its last byte has arrived there.
func (l *ledger) noteCopy(stream int, id string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.last = time.Now()
	place, known := l.order[id]
	if !known {
		l.unknown++
		return
	}
	before := l.copies[id]
	l.copies[id] = append(before, stream)
	if len(before) > 0 {
		if slices.Contains(before, stream) || l.settledBefore(stream, id) {
			l.tooMany++
		}
		return
	}
	l.first[id] = l.last
	if place < l.newest {
		l.outOfOrder++
	}
	l.newest = max(l.newest, place)
}

// settledBefore reports whether a receipt for the message had reached the relay
// before the recipient opened a stream.
func (l *ledger) settledBefore(stream int, id string) bool {
	settled, ok := l.settled[id]
	return ok && settled.Before(l.logins[stream])
}

// noteRead is called when the recipient's application has read a message. It
// returns how many different ones it has read.
func (l *ledger) noteRead(id string, intact bool) int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.read[id] = true
	if !intact {
		l.altered++
	}
	return len(l.read)
}

// noteAnswer is called before the recipient writes a receipt.
func (l *ledger) noteAnswer(receipt, message string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.answers[receipt] = message
	l.answered[message]++
}

// noteReached is called when the relay has read a stanza from a client.
func (l *ledger) noteReached(stanza string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	message, ok := l.answers[stanza]
	if !ok {
		return
	}
	l.reached[message]++
	if l.reached[message] == 1 {
		l.settled[message] = time.Now()
	}
}

// noteReceipt is called when a receipt has arrived at the sender. One more
// than the recipient wrote for that message is a forged one.
func (l *ledger) noteReceipt(message string, fromRecipient bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.last = time.Now()
	l.receipts[message]++
	if !fromRecipient || l.receipts[message] > l.answered[message] {
		l.forged++
	}
}

// noteBounce is called when an error has come back to the sender.
func (l *ledger) noteBounce() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.last = time.Now()
	l.bounced++
}

// counts returns how far the run has come.
func (l *ledger) counts() (sent, delivered, confirmed int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return len(l.sent), len(l.copies), len(l.receipts)
}

// quiet returns how long nothing has happened.
func (l *ledger) quiet() time.Duration {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return time.Since(l.last)
}

// outcome sums up the run. The recipient was back at the given time.
func (l *ledger) outcome(back time.Time) *Outcome {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	o := &Outcome{
		Sent:       len(l.sent),
		Confirmed:  len(l.receipts),
		Bounced:    l.bounced,
		Forged:     l.forged,
		Unknown:    l.unknown,
		Altered:    l.altered,
		TooMany:    l.tooMany,
		OutOfOrder: l.outOfOrder,
	}
	recovered, complete := back, true
	for id, sent := range l.sent {
		copies := len(l.copies[id])
		switch copies {
		case 0:
			o.Lost++
		case 1:
			o.Once++
		default:
			o.Duplicated++
			o.Extra += copies - 1
		}
		o.InFlight += copies - min(copies, l.reached[id])
		if sent.After(back) {
			continue
		}
		complete = complete && copies > 0
		if l.first[id].After(recovered) {
			recovered = l.first[id]
		}
	}
	if complete {
		seconds := recovered.Sub(back).Seconds()
		o.RecoverSeconds = &seconds
	}
	return o
}
