// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"

	"mellium.im/xmlstream"
)

// A collector keeps copies of the tokens that are written to it.
type collector struct {
	list  []xml.Token
	depth int
}

// EncodeToken implements xmlstream.TokenWriter.
func (c *collector) EncodeToken(t xml.Token) error {
	_, err := c.add(t)
	return err
}

// add adds a token, and reports whether it was the last of an element. White
// space between elements is passed over.
func (c *collector) add(t xml.Token) (whole bool, err error) {
	switch t := t.(type) {
	case xml.StartElement:
		c.depth++
	case xml.EndElement:
		c.depth--
	case xml.CharData:
		if c.depth == 0 && len(bytes.Trim(t, " \t\r\n")) == 0 {
			return false, nil
		}
	}
	c.list = append(c.list, xml.CopyToken(t))
	return c.depth <= 0, nil
}

// resume goes on after some tokens, of which depth elements are open.
func (c *collector) resume(list []xml.Token, depth int) { c.list, c.depth = list, depth }

// tokenSize is what a token counts for by itself: the shortest one takes about
// that many bytes on the wire.
const tokenSize = 4

// sizeOf returns about how many bytes a start tag takes on the wire, tokenSize
// apart.
func sizeOf(t *xml.StartElement) int {
	size := len(t.Name.Local) + len(t.Name.Space)
	for i := range t.Attr {
		a := &t.Attr[i]
		size += len(a.Name.Local) + len(a.Name.Space) + len(a.Value)
	}
	return size
}

// take returns the tokens and starts anew.
func (c *collector) take() []xml.Token {
	list := c.list
	c.list, c.depth = nil, 0
	return list
}

// A tokens reads tokens out of a list.
type tokens struct{ list []xml.Token }

// Token implements xml.TokenReader.
func (t *tokens) Token() (xml.Token, error) {
	if len(t.list) == 0 {
		return nil, io.EOF
	}
	token := t.list[0]
	t.list = t.list[1:]
	return token, nil
}

// A tokenWriter sends each element as soon as it is whole.
type tokenWriter struct {
	s      *Session
	next   *outgoing // the element that is written; nil: none was begun
	closed bool
}

// TokenWriter returns a writer of tokens, which sends each top-level element when
// its end has been written to it, as Send does. It takes no lock: other writes,
// and other TokenWriters, go on in between, and none of them cuts a stanza.
//
// Close fails with ErrIncomplete, and writes nothing, in the middle of an
// element. After it, writes return io.EOF. A TokenWriter is not safe for
// concurrent use.
func (s *Session) TokenWriter() xmlstream.TokenWriteFlushCloser {
	return &tokenWriter{s: s}
}

// EncodeToken implements xmlstream.TokenWriter.
func (w *tokenWriter) EncodeToken(t xml.Token) error {
	if w.closed {
		return io.EOF
	}
	if w.next == nil {
		w.next = newOutgoing()
	}
	whole, err := w.next.add(t)
	if err != nil || !whole {
		return err
	}
	e, err := w.next.finish()
	w.next = nil
	if err != nil {
		return err
	}
	defer e.release()
	return w.s.send(context.Background(), e)
}

// Flush does nothing: whole elements are on their way already.
func (w *tokenWriter) Flush() error {
	if w.closed {
		return io.EOF
	}
	return nil
}

// Close implements io.Closer.
func (w *tokenWriter) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	if w.next == nil || w.next.isEmpty() {
		return nil
	}
	return ErrIncomplete
}
