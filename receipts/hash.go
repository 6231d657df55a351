// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"bytes"
	"unicode/utf8"

	"mellium.im/xmpp/stanza"
)

// A hash is the state of FNV-1a with 64 bits.
type hash uint64

const (
	hashStart = 14695981039346656037
	hashPrime = 1099511628211
)

// The bytes that part what is hashed. XML can carry none of them.
const (
	markStart byte = iota
	markEnd
	markValue
)

// mark takes in one byte.
func (h *hash) mark(c byte) { *h = (*h ^ hash(c)) * hashPrime }

// bytes takes in bytes as they are.
func (h *hash) bytes(data []byte) {
	sum := *h
	for _, c := range data {
		sum = (sum ^ hash(c)) * hashPrime
	}
	*h = sum
}

// number takes in a number.
func (h *hash) number(n uint64) {
	for ; n > 0; n >>= 8 {
		h.mark(byte(n))
	}
}

// value takes in the decoded value of an attribute.
func (h *hash) value(t Text) {
	if plain, ok := t.Plain(); ok {
		h.bytes(plain)
		return
	}
	var room [128]byte
	h.bytes(t.AppendTo(room[:0]))
}

// name takes in the name of an element. The namespaces of all kinds of streams are one.
func (h *hash) name(space, local []byte) {
	if contentSpace(space) != "" {
		space = []byte(stanza.NSClient)
	}
	h.bytes(space)
	h.mark(markValue)
	h.bytes(local)
}

// text takes in text between two tags as a decoder gives it: with references replaced,
// line ends made one character, and without the tags of CDATA sections.
func (h *hash) text(raw []byte) {
	const open, end = "<![CDATA[", "]]>"
	for len(raw) > 0 {
		literal, found := bytes.CutPrefix(raw, []byte(open))
		if found {
			n := bytes.Index(literal, []byte(end))
			h.lines(literal[:n])
			raw = literal[n+len(end):]
			continue
		}
		n := bytes.IndexByte(raw, '<')
		if n < 0 {
			n = len(raw)
		}
		h.references(raw[:n])
		raw = raw[n:]
	}
}

// references takes in text without CDATA sections.
func (h *hash) references(raw []byte) {
	for {
		n := bytes.IndexByte(raw, '&')
		if n < 0 {
			h.lines(raw)
			return
		}
		h.lines(raw[:n])
		r, size := reference(raw[n:])
		var room [utf8.UTFMax]byte
		h.bytes(utf8.AppendRune(room[:0], r))
		raw = raw[n+size:]
	}
}

// lines takes in text without references. A line ends in one character (XML 1.0 §2.11).
func (h *hash) lines(raw []byte) {
	for {
		n := bytes.IndexByte(raw, '\r')
		if n < 0 {
			h.bytes(raw)
			return
		}
		h.bytes(raw[:n])
		raw = raw[n+1:]
		if len(raw) == 0 || raw[0] != '\n' {
			h.mark('\n')
		}
	}
}
