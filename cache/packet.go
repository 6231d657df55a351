// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"strings"
	"time"
)

// A Key is what a receipt can name: the message's id, and whose message it was.
// Ids are unique only within the stream of one sender (RFC 6120 §8.1.3), so
// neither address may be left out.
//
// Addresses are compared as they stand: the caller normalises them first.
type Key struct {
	To   string // the recipient's bare address
	From string // the sender's address exactly as in the message, usually a full one
	ID   string // the message's id
}

// Sender returns the bare address of the sender.
func (k Key) Sender() string { return Bare(k.From) }

// Bare returns address without its resource.
func Bare(address string) string {
	if end := strings.IndexByte(address, '/'); end >= 0 {
		return address[:end]
	}
	return address
}

// An Identity tells a packet from every other, also from one whose sender used
// the same id twice.
// It is the same on every node that keeps the same message.
type Identity struct {
	Key
	Sum uint64
}

// Marks are facts about a packet, gathered once when it is admitted.
type Marks uint32

// What a packet is and where it may go.
const (
	// Chat is set if the message has type chat; without it and Headline the type
	// is normal.
	Chat Marks = 1 << iota
	// Headline is set if the message has type headline.
	Headline
	// Encrypted is set if the body is encrypted end to end: a second copy can not
	// be decrypted, so there is at most one redelivery.
	Encrypted
	// Volatile is set if the message must not be written to a store that lasts
	// (XEP-0334 §4.1, no-permanent-store).
	Volatile
	// Pinned is set if the message may go to the addressed resource only.
	Pinned
	// NeverStored is set if the message must not be stored offline, but may be
	// kept in custody (XEP-0079 §3.3.1).
	NeverStored
	// Room is set if the message came through a chat room's occupant.
	Room
	// Unauthorised is set if the sender may not see the recipient's presence.
	Unauthorised
	// NotAsked is set if the message asked for no receipt.
	NotAsked

	// Stored is set while a row of the packet stands in the store.
	Stored
	// Delivered is set once a copy was written to some stream.
	Delivered
	// Redelivered is set once a second copy was written.
	Redelivered
	// Read is set once a stream ended that had shown that it read past a copy.
	Read
	// Restored is set if the packet was read from the store: it was mail.
	Restored
	// Held is set while the first copy waits for the store's answer.
	Held
	// Parked is set while the packet waits for a receipt without a deadline other
	// than its retention.
	Parked
)

// Has reports whether all of the marks in m are set.
func (s Marks) Has(m Marks) bool { return s&m == m }

// A Packet is one message on its way to one account.
// The cache never looks into Stanza. One that it returns is a copy, of which the
// packet's strings may be parts: it must not be changed.
type Packet struct {
	Key      Key
	Sum      uint64    // tells packets with the same Key apart
	Resource string    // the resource that the message was addressed to, "" if none
	Marks    Marks     // what it is and where it may go
	Received time.Time // when this server first received it
	Expires  time.Time // from when on it must not be delivered, zero: never
	Attempt  int       // redeliveries so far that count
	Stanza   []byte    // the message's own bytes

	Seq    uint64 // set by Put: the order in which packets were put
	Copies []Copy // set by Deliver: where it was sent; not to be changed
	Taken  bool   // set by Take: the packet is claimed for an action
}

// Identity returns what tells p from every other packet.
func (p Packet) Identity() Identity { return Identity{Key: p.Key, Sum: p.Sum} }

// Ref returns the handle of a packet that Put, Due or Get returned.
func (p Packet) Ref() Ref { return Ref{To: p.Key.To, Seq: p.Seq} }

// A Ref is the handle of a packet that is in a cache.
// It never comes to mean another packet.
type Ref struct {
	To  string
	Seq uint64
}

// A Copy is one delivery of a packet to one stream of the recipient.
type Copy struct {
	Resource string
	Stream   uint64 // the caller's number for the stream
	Mark     uint64 // the caller's own use
	Acked    bool   // a receipt came for this copy
}
