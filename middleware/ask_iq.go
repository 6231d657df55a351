// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"
)

// SendIQ is like Send for an IQ, and then waits for its answer, unless it is an
// answer itself: then both results are nil. Nothing is read unless Serve or the
// host's own loop runs. If the session ends, ErrClosed is returned.
//
// Unlike that of xmpp.Session, it does not wait for a client that does not read,
// and reading goes on before the answer is closed.
func (s *Session) SendIQ(ctx context.Context, r xml.TokenReader) (xmlstream.TokenReadCloser, error) {
	return s.ask(ctx, r, "iq", receipts.IQStanza)
}

// SendIQElement is like SendIQ, with a payload in iq.
func (s *Session) SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error) {
	return s.SendIQ(ctx, iq.Wrap(payload))
}

// EncodeIQ is like SendIQ for the XML encoding of v.
func (s *Session) EncodeIQ(ctx context.Context, v any) (xmlstream.TokenReadCloser, error) {
	return s.askValue(ctx, v, "iq", receipts.IQStanza)
}

// EncodeIQElement is like SendIQElement for the XML encoding of payload.
func (s *Session) EncodeIQElement(ctx context.Context, payload any, iq stanza.IQ) (xmlstream.TokenReadCloser, error) {
	r, err := readerOf(payload, xml.StartElement{})
	if err != nil {
		return nil, fmt.Errorf("middleware: %w", err)
	}
	return s.SendIQElement(ctx, r, iq)
}

// UnmarshalIQ is like SendIQ and decodes the payload of the answer into v, which
// may be nil. An answer of type error is returned as a stanza.Error.
func (s *Session) UnmarshalIQ(ctx context.Context, iq xml.TokenReader, v any) error {
	r, start, err := s.askPayload(ctx, iq)
	if err != nil || start == nil || v == nil {
		return err
	}
	return r.DecodeElement(v, start)
}

// UnmarshalIQElement is like UnmarshalIQ, with a payload in iq.
func (s *Session) UnmarshalIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ, v any) error {
	return s.UnmarshalIQ(ctx, iq.Wrap(payload), v)
}

// IterIQ is like SendIQ and returns an iterator over the children of the answer's
// payload, and the payload's own tag, which is nil if there is no payload. An
// answer of type error is returned as a stanza.Error.
func (s *Session) IterIQ(ctx context.Context, iq xml.TokenReader) (*xmlstream.Iter, *xml.StartElement, error) {
	r, start, err := s.askPayload(ctx, iq)
	if err != nil {
		return nil, nil, err
	}
	return xmlstream.NewIter(r), start, nil
}

// IterIQElement is like IterIQ, with a payload in iq.
func (s *Session) IterIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (*xmlstream.Iter, *xml.StartElement, error) {
	return s.IterIQ(ctx, iq.Wrap(payload))
}

// askPayload sends an IQ and returns the answer's payload: its tag, and a reader
// of what comes after that. Without a payload both are empty.
func (s *Session) askPayload(ctx context.Context, iq xml.TokenReader) (*xml.Decoder, *xml.StartElement, error) {
	r, err := s.SendIQ(ctx, iq)
	if err != nil {
		return nil, nil, err
	}
	if r == nil {
		return xml.NewTokenDecoder(&tokens{}), nil, nil
	}
	first, err := r.Token()
	if err != nil {
		return nil, nil, err
	}
	start, ok := first.(xml.StartElement)
	if !ok {
		return nil, nil, fmt.Errorf("middleware: answer begins with %T", first)
	}
	if _, err := stanza.UnmarshalIQError(r, start); err != nil {
		return nil, nil, err
	}
	return payload(xml.NewTokenDecoder(xmlstream.Inner(r)))
}

// payload returns the tag of the first element of a reader.
func payload(d *xml.Decoder) (*xml.Decoder, *xml.StartElement, error) {
	for {
		token, err := d.Token()
		if start, ok := token.(xml.StartElement); ok {
			start = start.Copy()
			return d, &start, nil
		}
		switch {
		case errors.Is(err, io.EOF):
			return d, nil, nil
		case err != nil:
			return nil, nil, err
		}
	}
}
