// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// Read tells what the next stanza says that r gives.
//
// The tokens are taken as the Token method of [xml.Decoder] gives them for a
// stanza inside of a stream: the Space of a name is a namespace, not a prefix.
// Read consumes white space before the stanza and the stanza itself, up to its
// last end element. For an element that is no stanza, the result has Element
// [Other] and nothing else.
//
// Read gives the same result as [Scan], but cannot see what the decoder has
// hidden: encoding/xml lets pass prefixes that are not declared or that stand
// for the stanza's own namespace, missing white space between attributes, and
// references to half of a surrogate pair.
//
// The error is [io.EOF] if there is no further token at all.
// Otherwise it wraps [ErrSyntax], [ErrLimit] or the error of r.
func Read(r xml.TokenReader) (Message, error) {
	var m Message
	c := checker{}
	list := false // the child that is open is a list of rules
	for {
		token, err := c.next(r)
		if err != nil {
			return Message{}, err
		}
		start, ok := token.(xml.StartElement)
		switch {
		case !ok && c.started && c.level() == 0:
			m.close()
			return m, nil
		case !ok || c.level() > 1 && m.Element != MessageStanza:
		case c.level() == 1:
			m.readOpen(start)
		case c.level() == 2:
			list = m.readChild(start)&rules != 0
		case c.level() == 3 && list:
			m.readRule(start)
		}
	}
}

// readOpen takes in the stanza's own tag.
func (m *Message) readOpen(start xml.StartElement) {
	m.open([]byte(start.Name.Space), []byte(start.Name.Local))
	for _, a := range start.Attr {
		if a.Name.Space == "" {
			m.attribute([]byte(a.Name.Local), NewText(a.Value))
		}
	}
}

// readChild takes in the tag of a direct child.
func (m *Message) readChild(start xml.StartElement) Marks {
	marks := m.meaning([]byte(start.Name.Space), []byte(start.Name.Local))
	var value Text
	if name := telling(marks); name != "" {
		value = NewText(valueOf(start, name))
	}
	m.child(marks, value)
	return marks
}

// readRule takes in the tag of a child of a list of rules.
func (m *Message) readRule(start xml.StartElement) {
	if start.Name.Space == nsRules && start.Name.Local == "rule" {
		m.rule(spaced(valueOf(start, "condition")), spaced(valueOf(start, "action")),
			spaced(valueOf(start, "value")))
	}
}

// valueOf returns the value of the attribute that has this name and is in no
// namespace, or "".
func valueOf(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// A checker reads the tokens of one element and refuses what a stream may not
// carry, as far as tokens show it.
type checker struct {
	open     []opened
	started  bool
	declared int // how many declarations of namespaces are in force
	size     int // in bytes, roughly
}

// An opened is an element that has not ended.
type opened struct {
	name     xml.Name
	declares int
}

// level returns how many elements are open.
func (c *checker) level() int { return len(c.open) }

// next returns the next token, which is valid until the next one is read.
func (c *checker) next(r xml.TokenReader) (xml.Token, error) {
	token, err := r.Token()
	if token == nil {
		switch {
		case err == nil:
			return nil, c.fail(ErrSyntax, "a token is missing")
		case !errors.Is(err, io.EOF):
			return nil, wrap(err)
		case c.started:
			return nil, c.fail(ErrSyntax, "it ends too early")
		}
		return nil, io.EOF
	}
	// An error that comes with a token is about the next one.
	switch t := token.(type) {
	case xml.StartElement:
		err = c.start(t)
	case xml.EndElement:
		err = c.end(t)
	case xml.CharData:
		err = c.text(t)
	default:
		err = c.fail(ErrSyntax, "comments, instructions and document types are forbidden")
	}
	return token, err
}

// fail returns an error about the present place.
func (c *checker) fail(err error, reason string) error {
	return failure(err, reason, c.size)
}

// wrap returns the error of a reader of tokens.
func wrap(err error) error {
	if syntax := (*xml.SyntaxError)(nil); errors.As(err, &syntax) {
		return fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return fmt.Errorf("receipts: reading a stanza: %w", err)
}

// grow counts what has been read.
func (c *checker) grow(n int) error {
	if c.size += n; c.size > MaxStanza {
		return c.fail(ErrLimit, "it is too long")
	}
	return nil
}

// text checks character data.
func (c *checker) text(data xml.CharData) error {
	if c.level() == 0 {
		for _, b := range data {
			if !isSpace[b] {
				return c.fail(ErrSyntax, "there is text outside of the element")
			}
		}
	}
	if illegal(data) >= 0 {
		return c.fail(ErrSyntax, "it has bytes that are no character of XML")
	}
	return c.grow(len(data))
}

// end checks an end tag.
func (c *checker) end(t xml.EndElement) error {
	n := c.level() - 1
	if n < 0 || c.open[n].name != t.Name {
		return c.fail(ErrSyntax, "an end tag does not match")
	}
	c.declared -= c.open[n].declares
	c.open = c.open[:n]
	return nil
}
