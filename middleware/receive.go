// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"
)

// maxDepth is how deeply elements of a client's stanza may be nested. Only above
// it are they too many for package receipts.
const maxDepth = receipts.MaxDepth

// Receive takes a stanza that came in from the client, and has to be given each
// one by hosts that read for themselves: a receipt settles what it answers, no
// matter whom it claims to be from. It reports whether the stanza is to be routed
// on, as it is: always, except for the answer to a probe of the Keeper or to a
// question of this session.
//
// What comes from ReadStanza is the client's and says so. Who reads by other
// means puts the client's address into it, by receipts.AppendFrom.
func (s *Session) Receive(raw []byte) (forward bool) {
	if !s.kept.Receive(raw) {
		return false
	}
	return !s.waiting.take(raw)
}

// ReadStanza reads the next stanza, or other top-level element, that comes in from
// the client. It returns its bytes, made anew for a stream over TCP, and its tag.
// Stanzas are from the client's address, whatever the client has put there (RFC
// 6120 §8.1.2.1). The bytes are the caller's and are to be given to Receive.
//
// White space between stanzas is passed over. A stanza that can not be written
// anew, because it has too many attributes for instance, is answered with an
// error of its own and passed over, too.
//
// The error is io.EOF when the client has closed its stream in order. It wraps
// ErrTooLarge when a stanza was beyond the limits. After any error the stream is
// of no more use, and Close is to be called.
//
// Serve, and the reading methods of the embedded session, must not be used at the
// same time.
func (s *Session) ReadStanza() (raw []byte, start xml.StartElement, err error) {
	r := s.Session.TokenReader()
	defer r.Close()
	in := newIncoming()
	defer in.release()
	for {
		start, err = s.readElement(r, in)
		if err != nil {
			return nil, xml.StartElement{}, s.readFailed(err)
		}
		raw, err = in.encode(start)
		if err == nil {
			return bytes.Clone(raw), start, nil
		}
		s.reject(start, stanza.BadRequest)
	}
}

// readElement collects the next element, and puts the client's address into it
// if it is a stanza.
func (s *Session) readElement(r xml.TokenReader, in *incoming) (start xml.StartElement, err error) {
	in.reset(s.options.MaxStanza)
	for {
		token, err := r.Token()
		if token == nil && err != nil {
			return start, err
		}
		if t, ok := token.(xml.StartElement); ok && in.depth == 0 {
			if err := checkName(t.Name); err != nil {
				return start, err
			}
			start = s.stamp(t)
			token = start
		}
		whole, err := in.add(token)
		switch {
		case err != nil:
			return start, err
		case whole && start.Name.Local == "":
			return start, stream.BadFormat // text outside of any element
		case whole && isClose(start.Name):
			return start, errClosedFrame
		case whole:
			return start, nil
		}
	}
}

// errClosedFrame says that the client has closed its stream over a WebSocket.
var errClosedFrame = errors.New("middleware: client has closed its stream")

// isClose reports whether an element closes a stream over a WebSocket.
func isClose(name xml.Name) bool { return name.Space == nsFraming && name.Local == "close" }

// checkName refuses stanzas that are in no namespace: taken for something else,
// they would be lost without a word.
func checkName(name xml.Name) error {
	if name.Space == "" && isStanza(name) {
		return stream.InvalidNamespace
	}
	return nil
}

// stamp puts the client's address into a stanza's tag, which is the parser's, and
// ours to change.
func (s *Session) stamp(start xml.StartElement) xml.StartElement {
	if !isStanza(start.Name) {
		return start
	}
	for i, a := range start.Attr {
		if a.Name.Space == "" && a.Name.Local == "from" {
			start.Attr[i].Value = s.from
			return start
		}
	}
	start.Attr = append(start.Attr, xml.Attr{Name: xml.Name{Local: "from"}, Value: s.from})
	return start
}

// readFailed ends the session, or notes that the client has ended it, and returns
// what to tell the host.
func (s *Session) readFailed(err error) error {
	condition := stream.Error{}
	switch {
	case errors.Is(err, errClosedFrame), errors.Is(err, io.EOF) && !s.options.WebSocket:
		s.clean.Store(true)
		return io.EOF
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case errors.Is(err, ErrTooLarge):
		s.refuse(stream.PolicyViolation)
	case errors.Is(err, stream.InvalidNamespace):
		s.refuse(stream.InvalidNamespace)
	case errors.As(err, &condition): // the client's own, or text where none may be
		s.refuse(stream.BadFormat)
	case errors.As(err, new(*xml.SyntaxError)):
		s.refuse(stream.NotWellFormed)
	}
	return fmt.Errorf("middleware: %w", err)
}

// reject answers a message, or an IQ that asks, that goes no further. Nothing answers
// an error (RFC 6120 §8.3.1), and presences are left to others.
func (s *Session) reject(start xml.StartElement, condition stanza.Condition) {
	name, kind := start.Name.Local, attribute(start, "type")
	asks := name == "iq" && (kind == string(stanza.GetIQ) || kind == string(stanza.SetIQ))
	if !asks && (name != "message" || kind == string(stanza.ErrorMessage)) {
		return
	}
	tag := xml.StartElement{Name: xml.Name{Local: name}, Attr: []xml.Attr{
		{Name: xml.Name{Local: "type"}, Value: string(stanza.ErrorMessage)},
		{Name: xml.Name{Local: "to"}, Value: s.from},
		{Name: xml.Name{Local: "id"}, Value: attribute(start, "id")},
	}}
	if to := attribute(start, "to"); to != "" {
		tag.Attr = append(tag.Attr, xml.Attr{Name: xml.Name{Local: "from"}, Value: to})
	}
	reason := stanza.Error{Type: stanza.Modify, Condition: condition}
	_ = s.Send(context.Background(), xmlstream.Wrap(reason.TokenReader(), tag)) // not worth more
}
