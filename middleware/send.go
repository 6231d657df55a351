// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"context"
	"encoding/xml"
	"fmt"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
)

// Send sends the first element that r gives. It reads the whole element first,
// and returns when the element is in the queue: it does not wait for the client.
//
// Messages take the way of the Keeper, which may have to write them to its store
// before, and which keeps those that ask for a receipt; a nil error means that
// the message was queued or is kept. For anything else, and for messages that are
// not kept, an error that wraps untilack.ErrBusy means that the queue is full,
// and ErrClosed that the session has ended. If r fails nothing is written.
//
// A stanza without an id gets a random one.
// Send is safe for concurrent use by multiple goroutines.
func (s *Session) Send(ctx context.Context, r xml.TokenReader) error {
	e, err := encode(r)
	if err != nil {
		return err
	}
	defer e.release()
	return s.send(ctx, e)
}

// SendElement is like Send, with start as the outermost tag and all that r gives
// as the payload.
func (s *Session) SendElement(ctx context.Context, r xml.TokenReader, start xml.StartElement) error {
	return s.Send(ctx, xmlstream.Wrap(r, start))
}

// Encode is like Send for the XML encoding of v.
func (s *Session) Encode(ctx context.Context, v any) error {
	return s.EncodeElement(ctx, v, xml.StartElement{})
}

// EncodeElement is like Encode, with start as the outermost tag in place of v's
// own. (The method of xmpp.Session ignores start, unlike its description.)
func (s *Session) EncodeElement(ctx context.Context, v any, start xml.StartElement) error {
	r, err := readerOf(v, start)
	if err != nil {
		return fmt.Errorf("middleware: %w", err)
	}
	return s.Send(ctx, r)
}

// WriteStanza is like Send for an element whose bytes the host has, made for a
// stream over TCP: with or without a declaration of the clients' namespace. They
// are written as they are, without a new id; over a WebSocket, with the
// declarations that a message of its own needs. They are not used after
// WriteStanza has returned.
//
// Bytes that would damage the client's stream are refused, with an error that
// wraps receipts.ErrSyntax or receipts.ErrLimit.
func (s *Session) WriteStanza(ctx context.Context, raw []byte) error {
	m, err := receipts.Scan(raw)
	if err != nil {
		return fmt.Errorf("middleware: %w", err)
	}
	if m.Element == receipts.MessageStanza {
		return s.deliver(ctx, raw)
	}
	return s.queue.put(raw)
}

// send sends an element.
func (s *Session) send(ctx context.Context, e element) error {
	if isStanza(e.name) && e.name.Local == "message" {
		return s.deliver(ctx, e.bytes)
	}
	return s.queue.put(e.bytes)
}

// deliver sends a message by way of the Keeper.
func (s *Session) deliver(ctx context.Context, raw []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.kept.Deliver(ctx, raw)
}
