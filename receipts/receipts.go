// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"mellium.im/xmpp/disco/info"
)

// NS is the XML namespace used by message delivery receipts.
// It is provided as a convenience.
const NS = "urn:xmpp:receipts"

// Feature is the service discovery feature of an entity that answers requests
// for receipts (XEP-0184 §6).
// A server that merely keeps messages until they are acknowledged does not
// answer requests and must not show it.
var Feature = info.Feature{Var: NS}

// Features implements info.FeatureIter.
// Register it with a service discovery handler wherever requests for receipts
// are answered.
type Features struct{}

// ForFeatures implements info.FeatureIter.
func (Features) ForFeatures(node string, f func(info.Feature) error) error {
	if node != "" {
		return nil
	}
	return f(Feature)
}

// A Kind says which of the two elements of XEP-0184 stand in a message.
// It is a bit mask.
type Kind uint8

// The kinds of messages.
const (
	// KindNone is a message without either element, or not a message at all.
	KindNone Kind = 0
	// KindRequest is a message that asks for a receipt.
	KindRequest Kind = 1
	// KindReceived is a message that is a receipt.
	KindReceived Kind = 2
	// KindBoth is a receipt that wrongly asks for a receipt itself (XEP-0184
	// §5.4): the request is void.
	KindBoth = KindRequest | KindReceived
)

// Has reports whether all of the elements in o are there.
func (k Kind) Has(o Kind) bool { return k&o == o }

// String returns "none", "request", "received" or "both".
func (k Kind) String() string {
	switch k & KindBoth {
	case KindRequest:
		return "request"
	case KindReceived:
		return "received"
	case KindBoth:
		return "both"
	}
	return "none"
}

// An Element says what the outermost element is.
type Element uint8

// The elements that a stream may carry (RFC 6120 §4.8.3 and §8).
const (
	// Other is anything that is not a stanza.
	Other Element = iota
	// MessageStanza is a message.
	MessageStanza
	// IQStanza is a query or its answer.
	IQStanza
	// PresenceStanza is a presence.
	PresenceStanza
)

// String returns the element's name, or "other".
func (e Element) String() string {
	switch e {
	case MessageStanza:
		return "message"
	case IQStanza:
		return "iq"
	case PresenceStanza:
		return "presence"
	}
	return "other"
}
