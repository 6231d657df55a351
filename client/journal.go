// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"fmt"
	"iter"
	"time"

	"mellium.im/xmpp/jid"
)

// A Seen is a message that was acknowledged. Its fields are plain, to be encoded as one likes.
type Seen struct {
	From string // the full address of its sender
	ID   string
	Sum  uint64 // tells messages with the same From and ID apart, see receipts.Digest
	At   time.Time
}

// A Journal keeps what was acknowledged, so that a copy that comes to the next process is not
// shown again. A program that stores messages under (From, ID) itself needs none.
// It must be safe for concurrent use.
type Journal interface {
	// Add is called by Arrival.Ack and Responder.AckArchived before the receipt is handed
	// out, and without locks but the Arrival's. If it fails, so does Ack, and the message is
	// as it was before. It may be called again with what it has.
	Add(Seen) error
	// All yields what was added, in that order, as far back as it is kept: more than
	// ResponderOptions.Window is of no use. It is called once, by NewResponder.
	All() iter.Seq2[Seen, error]
}

// restore fills the window with what the Journal has kept. All of it counts as seen when the
// first stanza comes: the time in which no program ran is not a part of its age.
func (r *Responder) restore() error {
	if r.options.Journal == nil {
		return nil
	}
	for seen, err := range r.options.Journal.All() {
		if err != nil {
			return fmt.Errorf("client: reading the journal: %w", err)
		}
		from, err := jid.Parse(seen.From)
		if err != nil {
			return fmt.Errorf("client: reading the journal: address %q: %w", seen.From, err)
		}
		e := r.find(r.key(&seen))
		if e == nil {
			e = r.known.add(time.Time{}, r.key(&seen), r.account(from))
		}
		r.known.set(e, acked)
	}
	return nil
}
