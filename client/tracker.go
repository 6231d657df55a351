// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"cmp"
	"sync"
	"time"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmpp/jid"
)

// TrackerOptions are the settings of a Tracker. The zero value is a sensible choice.
type TrackerOptions struct {
	// Account is the address of whoever sends. Messages to the same account ask for
	// nothing and are not waited for; of carbon copies and archives those of this
	// account alone count (XEP-0280 §11).
	// Default: messages and receipts say by from and to whose they are, as those of a
	// component do; carbon copies and archives do not count.
	Account jid.JID

	// Request says which messages ask.
	// Default: those with a body, to all but rooms.
	Request *receipts.RequestOptions

	// Room reports whether a bare address is that of a chat room, whose occupants are
	// told apart by their full addresses. It must answer from memory.
	// Default: none is; a message that is marked as a private one in a room
	// (XEP-0045 §7.5) needs no hook.
	Room func(bare jid.JID) bool

	// Retention is how long a message waits. Who waits for it can wait for less: see
	// Sent.Wait. Below 0: without end. Default: 24 h.
	Retention time.Duration

	// Messages is how many may wait, of which 64 may have the same id.
	// Below 0: any number. Default: 100,000.
	Messages int

	// Tombstones is how many finished messages are remembered, for TombstoneAge, so
	// that what else comes for them is told to Late. Below 0: none; an age below 0 is
	// without end. Default: 4,096, and 1 h.
	Tombstones   int
	TombstoneAge time.Duration

	// Strict refuses receipts in the form of XEP-0184 1.0, which carry the id of the
	// message in their own stanza id. Default: they count for messages that wait.
	Strict bool

	// Result is called with the first result of each message but those NotAsked, once.
	// Late is called with what comes after that. Both are called without locks, by
	// whoever brought the news, and must not block; they may call every method. Of two
	// that bring news of one message at the same time, either may be heard first.
	// Default: nobody is told.
	Result, Late func(Result)
}

// The defaults of TrackerOptions.
const (
	defaultRetention    = 24 * time.Hour
	defaultMessages     = 100_000
	defaultTombstones   = 4096
	defaultTombstoneAge = time.Hour
)

// A Tracker follows messages until it is known what became of them. It is safe for
// concurrent use by multiple goroutines, and may be shared by several sessions.
//
// A message that waits takes some 200 bytes next to its id and addresses, and neither a
// goroutine nor a timer of its own. Times are compared as what the wall clock shows, so
// that the time for which a computer sleeps counts.
type Tracker struct {
	options TrackerOptions
	request receipts.RequestOptions
	account string // bare; empty: none is known

	mu       sync.Mutex
	messages registry
	closed   bool
	stats    TrackerStats
}

// NewTracker returns a Tracker. A nil pointer means the defaults.
func NewTracker(o *TrackerOptions) *Tracker {
	t := &Tracker{}
	if o != nil {
		t.options = *o
	}
	o = &t.options
	o.Retention = cmp.Or(o.Retention, defaultRetention)
	o.Messages = cmp.Or(o.Messages, defaultMessages)
	o.Tombstones = cmp.Or(o.Tombstones, defaultTombstones)
	o.TombstoneAge = cmp.Or(o.TombstoneAge, defaultTombstoneAge)
	t.account = o.Account.Bare().String()
	if o.Request != nil {
		t.request = *o.Request
	}
	t.request.Lacks = t.lacks
	return t
}

// lacks reports whether a recipient is not asked: the own account does not answer itself.
func (t *Tracker) lacks(to string) bool {
	if to == "" || t.isOwn(to) {
		return true
	}
	return t.options.Request != nil && t.options.Request.Lacks != nil && t.options.Request.Lacks(to)
}

// isOwn reports whether an address is one of the account's. What has no from is, too
// (RFC 6120 §8.1.2.1).
func (t *Tracker) isOwn(address string) bool {
	return t.account != "" && (address == "" || sameBare(address, t.account))
}

// Stats returns numbers for watching.
func (t *Tracker) Stats() TrackerStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.stats
	s.Waiting = t.messages.waiting
	return s
}

// TrackerStats are counted from the start, but for Waiting.
type TrackerStats struct {
	Waiting                                        int
	Asked, NotAsked                                uint64 // messages that were tracked, without second copies
	Delivered, Bounced, Expired, Cancelled, Closed uint64 // first results
	Late                                           uint64 // further ones
	Forged                                         uint64 // named a message that waits or is remembered, and came from somebody else
	Unknown                                        uint64 // named none that is known
	Malformed                                      uint64 // stanzas
}

// count counts a first result.
func (s *TrackerStats) count(state State) {
	switch state {
	case Delivered:
		s.Delivered++
	case Bounced:
		s.Bounced++
	case Expired:
		s.Expired++
	case Cancelled:
		s.Cancelled++
	case Closed:
		s.Closed++
	}
}
