// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import "time"

// A window remembers messages for a while, of each account a share at most. All that is kept of a
// message is of one size, however long its addresses and its id are. It has no timer: what is too
// old goes when the next stanza comes.
type window struct {
	limit, share int
	age          time.Duration
	entries      map[messageKey]*memory
	accounts     map[uint64]*order
	oldest       order
	inHand       int
}

// A key stands for a message: for the full address of its sender with its id, and for what it says.
type messageKey struct{ name, sum uint64 }

// A fate is what was done about a message.
type fate uint8

const (
	inHand  fate = iota // it was shown, and nothing further is known
	seen                // it was worked on, and could not be acknowledged
	acked               // it was acknowledged
	dropped             // it was answered otherwise
)

// A memory is what a window knows of a message.
type memory struct {
	key     messageKey
	owner   uint64 // the Arrival that has it in hand
	account uint64
	at      time.Time // when it came, or was acknowledged last; zero for what a Journal has kept
	fate    fate
	window  *window
	links   [2]neighbours // in the order of all, and in that of its account
}

func newWindow(limit int, age time.Duration) *window {
	return &window{
		limit:    limit,
		share:    max(limit/16, 1),
		age:      age,
		entries:  make(map[messageKey]*memory),
		accounts: make(map[uint64]*order),
	}
}

// add remembers a message, which is in hand, and for which there must be no entry. If that is one
// too many, the oldest one of its account goes, or of all.
func (w *window) add(now time.Time, k messageKey, account uint64) *memory {
	own := w.accounts[account]
	switch {
	case own != nil && own.count >= w.share:
		w.remove(own.first)
	case len(w.entries) >= w.limit:
		w.remove(w.oldest.first)
	}
	if own = w.accounts[account]; own == nil {
		own = new(order)
		w.accounts[account] = own
	}
	e := &memory{key: k, account: account, at: now, window: w}
	w.entries[k] = e
	w.oldest.push(e, byAge)
	own.push(e, byAccount)
	w.inHand++
	return e
}

// set notes what was done about a message.
func (w *window) set(e *memory, f fate) {
	if e.fate == inHand {
		w.inHand--
	}
	if e.fate = f; f == inHand {
		w.inHand++
	}
}

// touch makes a memory the youngest one.
func (w *window) touch(now time.Time, e *memory) {
	e.at = now
	w.oldest.remove(e, byAge)
	w.oldest.push(e, byAge)
	own := w.accounts[e.account]
	own.remove(e, byAccount)
	own.push(e, byAccount)
}

// remove forgets a message.
func (w *window) remove(e *memory) {
	w.set(e, seen) // it is not in hand any more
	delete(w.entries, e.key)
	w.oldest.remove(e, byAge)
	own := w.accounts[e.account]
	own.remove(e, byAccount)
	if own.count == 0 {
		delete(w.accounts, e.account)
	}
}

// expire forgets what is too old.
func (w *window) expire(now time.Time) {
	for e := w.oldest.first; e != nil && now.Sub(e.at) > w.age; e = w.oldest.first {
		w.remove(e)
	}
}

// begin has all that a Journal has kept be as old as if it had come now.
func (w *window) begin(now time.Time) {
	for e := w.oldest.first; e != nil; e = e.links[byAge].next {
		e.at = now
	}
}

// An order is a list of memories, the one that was pushed first in front.
type order struct {
	first, last *memory
	count       int
}

// The orders that a memory is in.
const (
	byAge = iota
	byAccount
)

// neighbours are those of a memory in an order.
type neighbours struct{ previous, next *memory }

// push puts a memory behind all others.
func (o *order) push(e *memory, by int) {
	e.links[by] = neighbours{previous: o.last}
	if o.last == nil {
		o.first = e
	} else {
		o.last.links[by].next = e
	}
	o.last = e
	o.count++
}

// remove takes a memory out.
func (o *order) remove(e *memory, by int) {
	l := e.links[by]
	if l.previous == nil {
		o.first = l.next
	} else {
		l.previous.links[by].next = l.next
	}
	if l.next == nil {
		o.last = l.previous
	} else {
		l.next.links[by].previous = l.previous
	}
	e.links[by] = neighbours{}
	o.count--
}
