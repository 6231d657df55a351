// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package client is both ends of XEP-0184: Message Delivery Receipts. A [Tracker]
// asks for receipts and learns what became of each message; a [Responder] answers
// rightly, and tells copies from messages that have not been seen.
//
// Both are pure state: the time is an argument, stanzas are bytes that come in and go
// out, and nothing is read, written, started or waited for, except where a method
// takes a context. Package middleware has both ready for a session of mellium.im/xmpp.
//
// Sending:
//
//	out, sent, err := tracker.Track(now, nil, stanza) // before the write
//	write(out)
//	result, err := sent.Wait(ctx) // or TrackerOptions.Result, or range over tracker.Results(ctx)
//
// and for all that is read, tracker.Receive(now, stanza), and, at the time that
// tracker.Next says, tracker.Due(now).
//
// Receiving:
//
//	a := responder.Receive(now, stanza)
//	if !a.Copy() {
//		store(stanza)
//	}
//	if ack, err := a.Ack(now); err == nil {
//		write(ack.AppendTo(nil))
//	}
//
// # What a receipt means
//
// That a client of the recipient's has got the message (XEP-0184 §1): not that it was
// displayed, read or understood. No receipt means nothing at all (XEP-0184 §4).
//
// # Untrusted input
//
// All that is received may be forged. A receipt counts if it comes from whom the
// message was sent to; the rest is counted, and costs no memory. Everything that is
// kept is bounded in number and age.
package client
