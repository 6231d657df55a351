// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import "strings"

// Marks are facts about a message that decide what may be done with it.
// Only direct children count (XEP-0297 §7.1, XEP-0334 §5), and only their
// namespace and local name, never a prefix (RFC 6120 §8.4).
type Marks uint32

// What a message may be marked with.
const (
	// Body is set if there is a body.
	Body Marks = 1 << iota
	// Content is set if there is something worth keeping: any child other than a
	// chat state, one of the two receipts elements, a hint, a thread, an origin
	// id or stanza id, a delay, a nick, rules, or what marks a message as
	// markable, expiring or private.
	Content
	// ChatState is set if there is a chat state (XEP-0085).
	ChatState
	// Encrypted is set if the content is encrypted end to end (XEP-0380,
	// XEP-0384).
	Encrypted
	// Delayed is set if there is a delay stamp (XEP-0203).
	Delayed
	// NoStore is set if the message must not be stored (XEP-0334 §4.2).
	NoStore
	// NoPermanentStore is set if the message must not be stored for good
	// (XEP-0334 §4.1).
	NoPermanentStore
	// NoCopy is set if the message is for the addressed resource only (XEP-0334
	// §4.3).
	NoCopy
	// Store is set if the message should be stored (XEP-0334 §4.4).
	Store
	// Private is set if the message must not be copied to other resources
	// (XEP-0280 §9).
	Private
	// RoomUser is set if the message came through an occupant of a chat room, or
	// is an invitation to one (XEP-0045 §7.5).
	RoomUser
	// Carbon is set if the message is a copy of one that another resource of the
	// account has sent or received (XEP-0280).
	Carbon
	// Archived is set if the message is a result from an archive (XEP-0313).
	Archived
	// Retrieved is set if the message was fetched from the offline store, which
	// still holds it (XEP-0013).
	Retrieved
	// DeliverNotStored is set if the message must not be stored offline (XEP-0079
	// §3.3.1).
	DeliverNotStored
	// MatchExact is set if the message is for the addressed resource only
	// (XEP-0079 §3.3.3).
	MatchExact
	// Displayed is set if the message says that another one was displayed
	// (XEP-0333).
	Displayed
	// Answer is set if the stanza is an IQ of type result or error.
	// It is the only mark of anything but a message.
	Answer

	// The rest is for this package's own use while it looks at children.
	asks
	acknowledges
	expires
	rules
	internal = asks | acknowledges | expires | rules
	hints    = NoStore | NoPermanentStore | NoCopy | Store
)

// Has reports whether all of the marks in n are set.
func (m Marks) Has(n Marks) bool { return m&n == n }

// String returns the names of the marks that are set, such as "Body|Content".
func (m Marks) String() string {
	var names []string
	for i, name := range markNames {
		if m&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "|")
}

// markNames are the names of the marks in order.
var markNames = [...]string{
	"Body", "Content", "ChatState", "Encrypted", "Delayed", "NoStore",
	"NoPermanentStore", "NoCopy", "Store", "Private", "RoomUser", "Carbon",
	"Archived", "Retrieved", "DeliverNotStored", "MatchExact", "Displayed",
	"Answer",
}

// content returns what a child means that is in the stanza's own namespace.
func content(local []byte) Marks {
	switch string(local) {
	case "body":
		return Body | Content
	case "thread":
		return 0
	}
	return Content
}

// receipt returns what a child means that is in the namespace of receipts, where
// whatever else is found has no meaning to us (XEP-0184 §7).
func receipt(local []byte) Marks {
	switch string(local) {
	case "request":
		return asks
	case "received":
		return acknowledges
	}
	return Content
}

// A childName is the name of a child that is an extension.
type childName struct{ space, local string }

// children says what other extensions mean.
// Any child that is not here is content.
var children = map[childName]Marks{
	{nsHints, "no-store"}:           NoStore,
	{nsHints, "no-permanent-store"}: NoPermanentStore,
	{nsHints, "no-copy"}:            NoCopy,
	{nsHints, "store"}:              Store,

	{nsStates, "active"}:    ChatState,
	{nsStates, "composing"}: ChatState,
	{nsStates, "gone"}:      ChatState,
	{nsStates, "inactive"}:  ChatState,
	{nsStates, "paused"}:    ChatState,

	{nsCarbons, "private"}:  Private,
	{nsCarbons, "received"}: Carbon | Content,
	{nsCarbons, "sent"}:     Carbon | Content,

	{nsArchive0, "result"}: Archived | Content,
	{nsArchive1, "result"}: Archived | Content,
	{nsArchive2, "result"}: Archived | Content,
	{nsOffline, "offline"}: Retrieved | Content,
	{nsDelay, "delay"}:     Delayed,
	{nsRoom, "x"}:          RoomUser | Content,

	{nsEncryption, "encryption"}: Encrypted | Content,
	{nsAxolotl, "encrypted"}:     Encrypted | Content,
	{nsOMEMO1, "encrypted"}:      Encrypted | Content,
	{nsOMEMO2, "encrypted"}:      Encrypted | Content,

	{nsMarkers, "markable"}:  0,
	{nsMarkers, "displayed"}: Displayed | Content,

	{nsRules, "amp"}:     rules,
	{nsExpire, "x"}:      expires,
	{nsIDs, "origin-id"}: 0,
	{nsIDs, "stanza-id"}: 0,
	{nsNick, "nick"}:     0,
}

// telling returns the name of the attribute without which the child's meaning is
// not complete, or "".
func telling(m Marks) string {
	switch {
	case m&acknowledges != 0:
		return "id"
	case m&expires != 0:
		return "seconds"
	}
	return ""
}
