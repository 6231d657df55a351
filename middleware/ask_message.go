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
	"mellium.im/xmpp/stanza"
)

// SendMessage is like Send for a message, and then waits for an error in answer
// to it until ctx ends: that it ends with the error of ctx is the good case. The
// error is told to the Keeper, and not to the handler. Nothing is read unless
// Serve or the host's own loop runs; if the session ends, ErrClosed is returned.
//
// Unlike that of xmpp.Session, it takes only an answer that is addressed to the
// message's sender, and reading goes on before the answer is closed.
func (s *Session) SendMessage(ctx context.Context, r xml.TokenReader) (xmlstream.TokenReadCloser, error) {
	return s.ask(ctx, r, "message", receipts.MessageStanza)
}

// SendMessageElement is like SendMessage, with a payload in the message msg.
func (s *Session) SendMessageElement(ctx context.Context, payload xml.TokenReader, msg stanza.Message) (xmlstream.TokenReadCloser, error) {
	return s.SendMessage(ctx, msg.Wrap(payload))
}

// EncodeMessage is like SendMessage for the XML encoding of v.
func (s *Session) EncodeMessage(ctx context.Context, v any) (xmlstream.TokenReadCloser, error) {
	return s.askValue(ctx, v, "message", receipts.MessageStanza)
}

// EncodeMessageElement is like SendMessageElement for the XML encoding of payload.
func (s *Session) EncodeMessageElement(ctx context.Context, payload any, msg stanza.Message) (xmlstream.TokenReadCloser, error) {
	r, err := readerOf(payload, xml.StartElement{})
	if err != nil {
		return nil, fmt.Errorf("middleware: %w", err)
	}
	return s.SendMessageElement(ctx, r, msg)
}

// SendPresence is like Send for a presence, and then waits for an error in answer
// to it until ctx ends; see SendMessage.
func (s *Session) SendPresence(ctx context.Context, r xml.TokenReader) (xmlstream.TokenReadCloser, error) {
	return s.ask(ctx, r, "presence", receipts.PresenceStanza)
}

// SendPresenceElement is like SendPresence, with a payload in the presence p.
func (s *Session) SendPresenceElement(ctx context.Context, payload xml.TokenReader, p stanza.Presence) (xmlstream.TokenReadCloser, error) {
	return s.SendPresence(ctx, p.Wrap(payload))
}

// EncodePresence is like SendPresence for the XML encoding of v.
func (s *Session) EncodePresence(ctx context.Context, v any) (xmlstream.TokenReadCloser, error) {
	return s.askValue(ctx, v, "presence", receipts.PresenceStanza)
}

// EncodePresenceElement is like SendPresenceElement for the XML encoding of
// payload.
func (s *Session) EncodePresenceElement(ctx context.Context, payload any, p stanza.Presence) (xmlstream.TokenReadCloser, error) {
	r, err := readerOf(payload, xml.StartElement{})
	if err != nil {
		return nil, fmt.Errorf("middleware: %w", err)
	}
	return s.SendPresenceElement(ctx, r, p)
}
