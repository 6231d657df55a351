// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package receipts implements XEP-0184: Message Delivery Receipts: what a
// message says about receipts, and what may be said in return.
//
// [Scan] looks at a stanza's bytes and [Read] at its decoded tokens.
// Both give the same [Message], whose methods answer the questions of the XEP:
// whether a receipt may be asked for ([Message.MayAsk]), whether one may be
// sent ([Message.MayAck], [Message.Ack]), and which messages are acknowledged
// ([Message.Received]).
//
// The functions whose names begin with Append change a stanza's bytes and leave
// every other byte alone, so that nothing that this package does not understand
// is lost on the way (RFC 6120 §8.4).
//
// The package knows nothing of time-outs, storage and sessions.
// It keeps no state: everything in it is safe for concurrent use by multiple
// goroutines as long as nobody changes the bytes and values that are passed.
//
// # Untrusted input
//
// Nothing in a stanza is trusted.
// No input makes a function of this package panic, use more memory than a small
// multiple of the stanza's size, or take more time than a small multiple of what
// its size explains.
// Whatever is not well-formed, or is forbidden on an XMPP stream, gives an error
// and never a wrong answer.
package receipts
