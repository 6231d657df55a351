// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"encoding/xml"
	"strconv"

	"mellium.im/xmpp/stanza"
)

// Encode returns the bytes of the next element that r gives, for a stream whose
// default namespace is that of clients.
// See [AppendTokens].
func Encode(r xml.TokenReader) ([]byte, error) {
	return AppendTokens(nil, r, stanza.NSClient)
}

// AppendTokens appends to dst the bytes of the next element that r gives.
//
// The tokens are taken as the Token method of [xml.Decoder] gives them.
// The default namespace that is in force where the bytes will stand is outer:
// that of the stream for a stream over TCP, and "" for a frame of its own as in
// a WebSocket (RFC 7395 §3.3.3) or in a store.
// Bytes made for "" are right in both places.
//
// Elements are written without prefixes, and with a declaration of their
// namespace where it changes. Other declarations are kept, because values may
// refer to their prefixes; attributes in a namespace get a prefix for it.
// An element that has no namespace, and that is not said to have none, is in the
// same one as the element around it, and the outermost one in that of the
// stream, or of clients if outer is "".
// White space before the element is passed over.
//
// The result is well-formed and says the same to [Scan] as the tokens say to
// [Read]. What needs more attributes or declarations than [Scan] allows when it is
// written so is refused. The error is [io.EOF] if there is no further token, and otherwise wraps
// [ErrSyntax], [ErrLimit] or the error of r; dst is then returned as it was.
func AppendTokens(dst []byte, r xml.TokenReader, outer string) ([]byte, error) {
	e := encoder{dst: dst, scopes: make([]scope, 1, 8)}
	e.scopes[0] = scope{written: outer}
	for {
		token, err := e.check.next(r)
		if err != nil {
			return dst, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			err = e.start(t)
		case xml.EndElement:
			e.end(t)
		case xml.CharData:
			e.text(t)
		}
		switch {
		case err == nil && len(e.dst)-len(dst) > MaxStanza:
			return dst, e.check.fail(ErrLimit, "it is too long")
		case err != nil:
			return dst, err
		case e.check.started && e.check.level() == 0:
			return e.dst, nil
		}
	}
}

// An encoder writes one element.
type encoder struct {
	dst      []byte
	check    checker
	scopes   []scope // of the open elements, and the one around them
	prefixes []binding
	pending  bool // the last start tag lacks its end
	count    int  // how many attributes it has
}

// A scope is what holds within an element.
type scope struct {
	written  string // the default namespace as it was written
	none     bool   // the default namespace was said to be none
	bound    int    // how many prefixes were bound before
	declared int    // how many declarations are in force
}

// A binding is a prefix with its namespace.
type binding struct{ prefix, space string }

// flush ends a start tag whose element is not empty.
func (e *encoder) flush() {
	if e.pending {
		e.dst = append(e.dst, '>')
		e.pending = false
	}
}

// text writes character data.
func (e *encoder) text(data xml.CharData) {
	if e.check.level() > 0 && len(data) > 0 {
		e.flush()
		e.dst = appendEscaped(e.dst, data, false)
	}
}

// end writes an end tag.
func (e *encoder) end(t xml.EndElement) {
	if e.pending {
		e.dst = append(e.dst, "/>"...)
		e.pending = false
	} else {
		e.dst = append(e.dst, "</"...)
		e.name(t.Name)
		e.dst = append(e.dst, '>')
	}
	last := len(e.scopes) - 1
	e.prefixes = e.prefixes[:e.scopes[last].bound]
	e.scopes = e.scopes[:last]
}

// start writes a start tag up to its end.
func (e *encoder) start(t xml.StartElement) error {
	e.flush()
	e.count = 0
	outer := e.scopes[len(e.scopes)-1]
	inner := scope{none: outer.none, bound: len(e.prefixes), declared: outer.declared}
	for _, a := range t.Attr {
		if a.Name.Space == "" && a.Name.Local == "xmlns" {
			inner.none = a.Value == ""
		}
	}
	e.dst = append(e.dst, '<')
	e.name(t.Name)
	inner.written = e.space(t.Name.Space, outer.written, inner.none)
	if inner.written != outer.written || len(e.scopes) == 1 && outer.written == "" {
		if reason := declarable(nil, []byte(inner.written)); reason != "" {
			return e.check.fail(ErrSyntax, reason)
		}
		e.attribute("", "xmlns", inner.written)
	}
	if err := e.declarations(t.Attr); err != nil {
		return err
	}
	inner.declared += e.count
	for _, a := range t.Attr {
		if !isDeclaration(a.Name) {
			e.attribute(e.prefix(a.Name.Space), a.Name.Local, a.Value)
		}
	}
	e.scopes = append(e.scopes, inner)
	e.pending = true
	if e.count > MaxAttributes || inner.declared > MaxDeclarations {
		return e.check.fail(ErrLimit, "an element needs too many attributes")
	}
	return nil
}

// name writes the name of an element.
func (e *encoder) name(name xml.Name) {
	if name.Space == nsXML {
		e.dst = append(e.dst, "xml:"...) // it can not be a default namespace
	}
	e.dst = append(e.dst, name.Local...)
}

// space returns the namespace of an element that is said to be in the given one.
func (e *encoder) space(space, outer string, none bool) string {
	switch {
	case space == nsXML:
		return outer
	case space != "" || none:
		return space
	case outer == "" && len(e.scopes) == 1:
		return stanza.NSClient
	}
	return outer
}

// declarations writes the declarations of prefixes.
func (e *encoder) declarations(attrs []xml.Attr) error {
	for _, a := range attrs {
		if a.Name.Space == "xmlns" && a.Name.Local != "xml" {
			e.bind(a.Name.Local, a.Value)
		}
	}
	for _, a := range attrs {
		if isDeclaration(a.Name) || a.Name.Space == "" || e.prefix(a.Name.Space) != "" {
			continue
		}
		prefix := e.unused()
		if reason := declarable([]byte(prefix), []byte(a.Name.Space)); reason != "" {
			return e.check.fail(ErrSyntax, reason)
		}
		e.bind(prefix, a.Name.Space)
	}
	return nil
}

// bind declares a prefix.
func (e *encoder) bind(prefix, space string) {
	e.prefixes = append(e.prefixes, binding{prefix, space})
	e.attribute("xmlns", prefix, space)
}

// prefix returns a prefix that is bound to a namespace, or "".
func (e *encoder) prefix(space string) string {
	if space == nsXML {
		return "xml"
	}
	for i := len(e.prefixes) - 1; i >= 0; i-- {
		if b := e.prefixes[i]; b.space == space && e.namespace(b.prefix) == space {
			return b.prefix
		}
	}
	return ""
}

// namespace returns the namespace that a prefix is bound to.
func (e *encoder) namespace(prefix string) string {
	for i := len(e.prefixes) - 1; i >= 0; i-- {
		if e.prefixes[i].prefix == prefix {
			return e.prefixes[i].space
		}
	}
	return ""
}

// unused returns a prefix that is not bound.
func (e *encoder) unused() string {
	for n := len(e.prefixes); ; n++ {
		if prefix := "n" + strconv.Itoa(n); e.namespace(prefix) == "" {
			return prefix
		}
	}
}

// attribute writes an attribute.
func (e *encoder) attribute(prefix, local, value string) {
	e.count++
	e.dst = append(e.dst, ' ')
	if prefix != "" {
		e.dst = append(e.dst, prefix...)
		e.dst = append(e.dst, ':')
	}
	e.dst = append(e.dst, local...)
	e.dst = append(e.dst, "='"...)
	e.dst = appendEscaped(e.dst, []byte(value), true)
	e.dst = append(e.dst, '\'')
}

// appendEscaped appends text, or the value of an attribute, so that decoding
// gives the same again.
func appendEscaped(dst, text []byte, attribute bool) []byte {
	done := 0
	for i, c := range text {
		escape := ""
		switch {
		case c == '&':
			escape = "&amp;"
		case c == '<':
			escape = "&lt;"
		case c == '>':
			escape = "&gt;"
		case c == '\r':
			escape = "&#xD;"
		case !attribute:
		case c == '\'':
			escape = "&apos;"
		case c == '"':
			escape = "&quot;"
		case c == '\n':
			escape = "&#xA;"
		case c == '\t':
			escape = "&#x9;"
		}
		if escape != "" {
			dst = append(append(dst, text[done:i]...), escape...)
			done = i + 1
		}
	}
	return append(dst, text[done:]...)
}
