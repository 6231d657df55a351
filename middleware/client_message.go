// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"encoding/xml"
	"errors"
	"fmt"
	"time"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
)

// A Message is one that has come in, and that was not seen before as far as the Responder
// knows. Ack, Drop or Again is to be called for it. All its methods are safe for
// concurrent use by multiple goroutines.
type Message struct {
	// Raw is the stanza. The bytes are the receiver's.
	Raw []byte

	client  *Client
	arrival *client.Arrival // nil without a Responder
}

// Ack has the receipt written, if there is to be one: see [client.Arrival.Ack]. It waits
// for nothing, and may be called in any handler, from any goroutine, at any later time.
//
// That there is no receipt is no error. That of a Journal is one, and so is that the
// session has ended (ErrClosed) or the queue is full (untilack.ErrBusy): then the message
// counts as acknowledged, and a copy is acknowledged again.
func (m *Message) Ack() error {
	if m.arrival == nil {
		return nil
	}
	receipt, err := m.arrival.Ack(time.Now())
	switch {
	case err == nil:
		return m.client.queue.put(receipt.AppendTo(nil))
	case isSilence(err):
		return nil
	}
	return fmt.Errorf("middleware: %w", err)
}

// isSilence reports whether an error of an Arrival says that there is no receipt, which
// is nobody's fault.
func isSilence(err error) bool {
	for _, silence := range []error{receipts.ErrNoAck, client.ErrPolicy, client.ErrRate, client.ErrInHand, client.ErrAnswered} {
		if errors.Is(err, silence) {
			return true
		}
	}
	return false
}

// Drop ends the message without a receipt: see [client.Arrival.Drop].
func (m *Message) Drop() {
	if m.arrival != nil {
		m.arrival.Drop()
	}
}

// Again has a copy of the message count as new: see [client.Arrival.Again].
func (m *Message) Again() {
	if m.arrival != nil {
		m.arrival.Again()
	}
}

// finish acknowledges a message that was handled. If the Journal fails, a copy counts as
// new; otherwise Again comes too late for anything.
func (m *Message) finish() {
	if m.Ack() != nil {
		m.Again()
	}
}

// isCopy reports whether the message has been seen. Without a Responder nothing has.
func (m *Message) isCopy() bool { return m.arrival != nil && m.arrival.Copy() }

// Decode decodes the message into v, as xml.Unmarshal does.
func (m *Message) Decode(v any) error { return newAnswer(m.Raw).Decode(v) }

// TokenReader implements xmlstream.Marshaler.
func (m *Message) TokenReader() xml.TokenReader { return newAnswer(m.Raw).Decoder }

var _ xmlstream.Marshaler = (*Message)(nil)
