// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// A Text is the value of an attribute.
//
// A Text that comes from [Scan] is a part of the stanza's bytes and is decoded
// only when it is asked for: it is valid for as long as nobody changes them, and
// keeps them in memory.
//
// Decoding replaces character references and predefined entities exactly once,
// and makes a space of every tab, line feed and carriage return (XML 1.0 §3.3.3).
// Nothing else is changed: ids are opaque (RFC 6120 §8.1.3).
type Text struct {
	raw     []byte
	decoded bool // raw is the value itself
}

// NewText returns a Text whose value is s, with white space as described at
// [Text].
func NewText(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{raw: []byte(spaced(s)), decoded: true}
}

// spaced returns s with every tab, line feed and carriage return made a space.
func spaced(s string) string {
	return strings.Map(func(r rune) rune {
		if isSpace[byte(r)] && r < utf8.RuneSelf {
			return ' '
		}
		return r
	}, s)
}

// IsEmpty reports whether the value is empty, or was not there at all.
func (t Text) IsEmpty() bool { return len(t.raw) == 0 }

// Plain returns the value's bytes without copying if it needs no decoding.
// The result must not be changed.
func (t Text) Plain() ([]byte, bool) {
	if t.decoded || special(t.raw) == len(t.raw) {
		return t.raw, true
	}
	return nil, false
}

// String returns the decoded value.
func (t Text) String() string {
	if plain, ok := t.Plain(); ok {
		return string(plain)
	}
	var room [128]byte
	return string(t.AppendTo(room[:0]))
}

// AppendTo appends the decoded value to b.
func (t Text) AppendTo(b []byte) []byte {
	if t.decoded {
		return append(b, t.raw...)
	}
	for raw := t.raw; len(raw) > 0; {
		n := special(raw)
		b, raw = append(b, raw[:n]...), raw[n:]
		if len(raw) == 0 {
			break
		}
		r, size := ' ', 1
		switch {
		case raw[0] == '&':
			r, size = reference(raw)
			if size == 0 { // can not happen after Scan
				r, size = utf8.RuneError, 1
			}
			if r == '\t' || r == '\n' || r == '\r' {
				r = ' '
			}
		case len(raw) > 1 && raw[0] == '\r' && raw[1] == '\n':
			size = 2 // one line end (XML 1.0 §2.11)
		}
		b, raw = utf8.AppendRune(b, r), raw[size:]
	}
	return b
}

// Equal reports whether the two decoded values are the same.
func (t Text) Equal(u Text) bool {
	a, plainA := t.Plain()
	b, plainB := u.Plain()
	var roomA, roomB [128]byte
	if !plainA {
		a = t.AppendTo(roomA[:0])
	}
	if !plainB {
		b = u.AppendTo(roomB[:0])
	}
	return bytes.Equal(a, b)
}

// special returns the offset of the first byte of raw that decoding changes, or
// its length.
func special(raw []byte) int {
	for i, c := range raw {
		if c == '&' || c < ' ' {
			return i
		}
	}
	return len(raw)
}
