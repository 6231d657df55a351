// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"sync/atomic"
	"time"
)

// An Event tells what happened to one packet or stream. Events are for watching
// (logs, counters, traces), never for control.
type Event struct {
	Time      time.Time
	Reason    Reason
	Recipient string // bare address
	Resource  string // of the stream concerned, if any
	Sender    string // as in the message, if a packet is concerned
	ID        string // the message's id, as untrusted as every id
	Err       error  // what went wrong, if anything did
}

// A Reason says why something happened. Each has a counter.
type Reason uint8

// What happens to packets.
const (
	Admitted    Reason = iota // kept until its receipt comes
	Untracked                 // delivered without being kept: the policy's word
	Overflowed                // over a limit in memory, written to the store
	Uncovered                 // no room in memory nor store, delivered without being kept
	Persisted                 // written to the store while it waits
	Settled                   // its receipt came
	Rejected                  // the recipient's client answered with an error
	Late                      // its receipt came after an action had begun
	Repeated                  // a receipt for a packet that had ended
	Doubtful                  // a receipt that could mean several packets: settles none
	Unknown                   // a receipt for nothing that is known
	Queued                    // waits for its turn behind older packets
	Delivered                 // written for the first time, after it was queued
	Redelivered               // a further copy was written, or one that was stored
	Parked                    // read, not acknowledged: waits for its receipt alone
	Finished                  // read by a client that is not known to acknowledge
	Acted                     // the chain of actions ended it
	Unconfirmed               // retention or attempts used up: the last action ended it
	Expired                   // its sender gave it a time, and that is over
	Purged                    // the recipient blocks its sender
	Kept                      // nobody was online: the chain took it
	Refused                   // nobody was online, and it may not be kept
	Elsewhere                 // its row has gone from the store: settled on another node
	Dropped                   // an operator gave it up
)

// What happens to streams and to the Keeper's own work.
const (
	Opened       Reason = iota + Dropped + 1 // a stream of a recipient
	Closed                                   // by itself
	Replaced                                 // by a new stream of the same resource
	Probed                                   // asked whether it is alive
	Answered                                 // a probe
	Dead                                     // a probe was not answered
	WriteFailed                              // a copy could not be written
	ActionFailed                             // an action: the packet is kept
	StoreFailed                              // the store: tried again later
	Overran                                  // an effect took longer than it may
	reasons
)

var reasonNames = [reasons]string{
	"admitted", "untracked", "overflowed", "uncovered", "persisted", "settled", "rejected", "late",
	"repeated", "doubtful", "unknown", "queued", "delivered", "redelivered", "parked", "finished", "acted",
	"unconfirmed", "expired", "purged", "kept", "refused", "elsewhere", "dropped",
	"opened", "closed", "replaced", "probed", "answered", "dead", "write failed", "action failed",
	"store failed", "overran",
}

// String returns the reason in words.
func (r Reason) String() string {
	if r >= reasons {
		return "unknown reason"
	}
	return reasonNames[r]
}

// Reasons returns every reason there is, in order.
func Reasons() []Reason {
	all := make([]Reason, reasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// counters count events by reason.
type counters [reasons]atomic.Uint64

// Count returns how often something happened since New.
func (k *Keeper) Count(r Reason) uint64 {
	if r >= reasons {
		return 0
	}
	return k.counts[r].Load()
}
