// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"errors"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// Errors of a Tracker.
var (
	// ErrDuplicate is returned when a message with the same id, for the same account,
	// waits already. It is not registered anew, and the Sent that is returned is that
	// of the one that waits: write it once more, with the stamp of Sent.At.
	ErrDuplicate = errors.New("client: message waits already")
	// ErrFull is returned when as many messages wait as may, in all or with one id.
	ErrFull = errors.New("client: too many messages wait")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("client: closed")
)

// A State is what is known of a message.
type State uint8

// The states. All but Waiting are final, but for what comes Late.
const (
	// Waiting is a message of which nothing is known yet.
	Waiting State = iota
	// Delivered is a message that a client of the recipient's acknowledged.
	Delivered
	// Bounced is a message that came back with a stanza error.
	Bounced
	// Expired is a message for which no receipt came in time. That says nothing
	// about it: it may be in an offline store, or at a client that answers nobody.
	Expired
	// Cancelled is a message whose sender waits no more, or that was not written.
	Cancelled
	// Closed is a message that waited when the Tracker was closed.
	Closed
	// NotAsked is a message that asks for no receipt, so that nothing will be known.
	NotAsked
)

var stateNames = [...]string{"waiting", "delivered", "bounced", "expired", "cancelled", "closed", "not asked"}

// String returns the state's name in lower case.
func (s State) String() string {
	if int(s) >= len(stateNames) {
		return "unknown"
	}
	return stateNames[s]
}

// outranks reports whether a state is better to know than another one: a receipt proves
// more than an error, and either more than that nothing came.
func (s State) outranks(other State) bool {
	rank := [...]int{Delivered: 2, Bounced: 1, NotAsked: 0}
	return rank[s] > rank[other]
}

// A Result is what became of a message.
type Result struct {
	ID    string    // the message's id
	To    jid.JID   // whom it was sent to, as addressed; zero if that is no address
	Sent  time.Time // when Track was called
	State State
	By    jid.JID   // Delivered, Bounced: who says so; zero is the own server
	At    time.Time // when that became known; for what an archive tells, its stamp

	// Err is, if the message Bounced, its stanza.Error. If there is none, though the
	// message is of type error, it is undefined-condition. Texts of more than 4 KiB
	// are left out.
	Err error

	// Late is set for what comes after the first result: the receipt of another of
	// the recipient's clients, or one after the message had Bounced or Expired. A
	// receipt counts for more than what was there before.
	Late bool
}

// String returns a line for people, such as "delivered by juliet@capulet.lit/balcony
// after 120ms". It holds nothing that somebody else could have written at will, but for
// addresses.
func (r Result) String() string {
	text := r.State.String()
	if r.State == Waiting || r.State == NotAsked {
		return text
	}
	if !r.By.Equal(jid.JID{}) {
		text += " by " + r.By.String()
	}
	text += " after " + r.At.Sub(r.Sent).String()
	if bounced := (stanza.Error{}); errors.As(r.Err, &bounced) {
		text += ": " + string(bounced.Condition)
	}
	if r.Late {
		text += ", late"
	}
	return text
}
