// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmpp/jid"
)

// An Arrival is a message that has come in. It is safe for concurrent use by multiple goroutines.
type Arrival struct {
	responder *Responder
	from      jid.JID
	ack       receipts.Ack // but for its id
	seen      Seen         // but for its time
	key       messageKey
	account   uint64
	number    uint64
	copy      bool
	safe      bool // it is a copy of a message that was worked on

	mu  sync.Mutex // comes before that of the Responder
	err error      // why there is no receipt, for good
}

// Copy reports whether the message has been seen: a copy must not be shown again. Only a message
// that asks for a receipt can be told to be one, by its sender's full address, its id, and what
// it says (receipts.Digest).
func (a *Arrival) Copy() bool { return a.copy }

// Err returns nil if Ack is going to give a receipt, as far as that is known without counting it,
// and otherwise why not. It wraps receipts.ErrNoAck, ErrPolicy, ErrInHand or ErrAnswered. It is for
// watching: nobody but the user is to learn of it (XEP-0184 §7).
func (a *Arrival) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return a.err
	}
	r := a.responder
	allowed := r.answers(a.from)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := a.blocked(r.find(a.key)); err != nil {
		return err
	}
	if !allowed {
		return ErrPolicy
	}
	return nil
}

// blocked returns why a copy is not answered because of what is known of the message.
func (a *Arrival) blocked(e *memory) error {
	switch {
	case !a.copy:
		return nil
	case e == nil && !a.safe, e != nil && e.fate == inHand:
		return ErrInHand
	case e != nil && e.fate == dropped:
		return ErrAnswered
	}
	return nil
}

// Ack returns the receipt to be written, once: call it when the message is safe, from any
// goroutine. A copy of a message that was acknowledged is acknowledged again, since the first
// receipt may have been lost. The Policy and the rates of this moment count.
//
// The error is that of Err, or ErrRate, or wraps the Journal's. But for the Journal's, and for
// ErrInHand, it ends the message like a receipt: copies are not shown, as long as the Responder is there.
func (a *Arrival) Ack(now time.Time) (receipts.Ack, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return receipts.Ack{}, a.err
	}
	first, err := a.permit(now)
	if err != nil {
		return receipts.Ack{}, err
	}
	if journal := a.responder.options.Journal; journal != nil && first {
		record := a.seen
		record.At = now
		if err := journal.Add(record); err != nil {
			a.responder.give(a.account)
			return receipts.Ack{}, fmt.Errorf("client: writing the journal: %w", err)
		}
	}
	a.done(now, first)
	ack := a.ack
	ack.ID = rand.Text()
	return ack, nil
}

// permit returns whether the receipt would be the first one of the message, or why there is none.
// If there is one, the rates have counted it.
func (a *Arrival) permit(now time.Time) (first bool, err error) {
	r := a.responder
	allowed := r.answers(a.from)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(now)
	e := r.find(a.key)
	if err := a.blocked(e); err != nil {
		return false, err
	}
	switch {
	case !allowed:
		err = ErrPolicy
		r.stats.Policy++
	case !r.rates.take(now, a.account):
		err = ErrRate
		r.stats.Rate++
	default:
		return e == nil || e.fate != acked, nil
	}
	a.err = ErrAnswered
	if a.has(e) {
		e.window.set(e, seen)
	}
	return false, err
}

// has reports whether the Arrival has the message in hand.
func (a *Arrival) has(e *memory) bool {
	return e != nil && e.fate == inHand && e.owner == a.number
}

// done notes that the message is acknowledged.
func (a *Arrival) done(now time.Time, first bool) {
	r := a.responder
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.find(a.key)
	if e == nil { // it was in hand for too long
		e = r.known.add(now, a.key, a.account)
	}
	e.window.set(e, acked)
	e.window.touch(now, e)
	a.err = ErrAnswered
	if first {
		r.stats.Acked++
	} else {
		r.stats.Again++
	}
}

// give takes back a receipt that the rates have counted.
func (r *Responder) give(account uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rates.give(account)
}

// Drop ends the message without a receipt: it was answered by an error, for instance
// (XEP-0184 §7). Copies of it are not shown, and not acknowledged.
func (a *Arrival) Drop() {
	a.endUnanswered(func(e *memory) { e.window.set(e, dropped) })
}

// Again forgets the message, because it could not be worked on: a copy that comes will be shown.
// Of a copy it ends this Arrival alone.
func (a *Arrival) Again() {
	a.endUnanswered(func(e *memory) { e.window.remove(e) })
}

// endUnanswered ends the Arrival, if it has not ended, and does something about the message if
// it had that in hand.
func (a *Arrival) endUnanswered(do func(*memory)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return
	}
	r := a.responder
	r.mu.Lock()
	defer r.mu.Unlock()
	a.err = ErrAnswered
	if e := r.find(a.key); a.has(e) {
		do(e)
	}
}
