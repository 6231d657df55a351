// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"bytes"
	"strings"
)

// Scan tells what one stanza says, which is given by its bytes.
//
// The bytes are taken as a child of a stream whose default namespace is that of
// clients, jabber:client, and which declares no prefix other than stream.
// White space around the stanza is ignored.
// For an element that is no stanza, the result has Element [Other] and nothing
// else.
//
// The texts of the result are parts of stanza, which must not be changed as long
// as they are in use.
// Scan does not allocate memory for ordinary stanzas, and very little for the
// others: those with more than 4 receipts, with rules (XEP-0079) or a time to live
// (XEP-0023), with escaped characters in namespaces or in the type, or with long
// names beyond ASCII.
//
// The error wraps [ErrSyntax] or [ErrLimit].
func Scan(stanza []byte) (Message, error) {
	return scanStanza(stanza, nil)
}

// scanStanza is Scan, and notes where things are if places is not nil.
func scanStanza(data []byte, places *layout) (m Message, err error) {
	s := scan(data)
	list := false // the child that is open is a list of rules
	for s.next() {
		if places != nil {
			places.note(s)
		}
		if s.closing || s.level > 1 && m.Element != MessageStanza {
			continue
		}
		switch s.level {
		case 1:
			m.scanOpen(s)
		case 2:
			marks := m.scanChild(s)
			list = marks&rules != 0
		case 3:
			if list {
				m.scanRule(s)
			}
		}
	}
	err = s.err
	s.release()
	if err != nil {
		return Message{}, err
	}
	m.close()
	return m, nil
}

// scanOpen takes in the stanza's own tag.
func (m *Message) scanOpen(s *scanner) {
	space, local := s.space(), s.local(s.name)
	if s.name.local > s.name.from && contentSpace(space) != "" {
		s.fail(ErrSyntax, "the stanza has a prefix", s.name.from) // RFC 6120 §4.8.5
		return
	}
	m.open(space, local)
	for i := range s.count {
		a := &s.attributes[i]
		if a.name.local == a.name.from {
			m.attribute(s.local(a.name), s.text(a.value))
		}
	}
}

// scanChild takes in the tag of a direct child.
func (m *Message) scanChild(s *scanner) Marks {
	marks := m.meaning(s.space(), s.local(s.name))
	var value Text
	if name := telling(marks); name != "" {
		value = s.text(s.value(name))
	}
	m.child(marks, value)
	return marks
}

// scanRule takes in the tag of a child of a list of rules.
func (m *Message) scanRule(s *scanner) {
	if string(s.space()) == nsRules && string(s.local(s.name)) == "rule" {
		m.rule(s.text(s.value("condition")).String(),
			s.text(s.value("action")).String(), s.text(s.value("value")).String())
	}
}

// Mentions reports whether a stanza may hold one of the two elements of XEP-0184.
// It looks for the namespace's bytes alone, at a small part of the cost of
// [Scan]: if the result is false, then Scan gives KindNone or an error; if it is
// true, only Scan can tell.
func Mentions(stanza []byte) bool {
	return hasNS(stanza) || bytes.Contains(stanza, []byte("&#"))
}

// hasNS reports whether the namespace's bytes are in a stanza. It goes from colon to
// colon, for its other letters are frequent in texts.
func hasNS(stanza []byte) bool {
	colon := strings.IndexByte(NS, ':')
	for at := 0; ; at++ {
		next := bytes.IndexByte(stanza[at:], ':')
		if next < 0 {
			return false
		}
		at += next
		if at >= colon && bytes.HasPrefix(stanza[at-colon:], []byte(NS)) {
			return true
		}
	}
}
