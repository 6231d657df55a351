// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"errors"
	"fmt"
)

// The limits of what is looked at.
// They are far beyond what clients send, and keep the cost of a hostile stanza
// in proportion to its size (RFC 6120 §13.12).
const (
	// MaxStanza is the greatest size of a stanza in bytes.
	MaxStanza = 10 << 20
	// MaxDepth is the greatest number of elements inside one another, the stanza
	// itself included.
	MaxDepth = 256
	// MaxAttributes is the greatest number of attributes of one element,
	// declarations of namespaces included.
	MaxAttributes = 64
	// MaxDeclarations is the greatest number of declarations of namespaces that
	// are in force at one place.
	MaxDeclarations = 64
	// MaxReceived is the greatest number of receipts that are taken from one
	// message; further ones are passed over.
	MaxReceived = 64
)

// The reasons for which a stanza is refused.
// None of them is temporary: the same bytes are refused again.
var (
	// ErrSyntax is returned when something is not exactly one element that is
	// well-formed with regard to namespaces, or when it holds XML that is
	// forbidden on a stream (RFC 6120 §11.1 and §4.8.5).
	ErrSyntax = errors.New("receipts: not well-formed")
	// ErrLimit is returned when a stanza is beyond one of the limits.
	ErrLimit = errors.New("receipts: stanza is beyond the limits")
	// ErrNotStanza is returned when the outermost element is no stanza, but the
	// question makes sense for stanzas only.
	ErrNotStanza = errors.New("receipts: not a stanza")
	// ErrNoAck is returned when a message must not be answered with a receipt.
	ErrNoAck = errors.New("receipts: no receipt may be sent")
	// ErrNoID is returned when a receipt does not say for which message it is
	// (XEP-0184 §7).
	ErrNoID = errors.New("receipts: receipt without id")
	// ErrValue is returned when a value to be written into a stanza is empty, or
	// holds characters that XML can not carry.
	ErrValue = errors.New("receipts: value can not be written")
)

// failure wraps one of the errors above with what exactly is wrong and where.
// The place is an offset in bytes.
func failure(err error, reason string, offset int) error {
	return fmt.Errorf("%w: %s (byte %d)", err, reason, offset)
}
