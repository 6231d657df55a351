// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"bytes"
	"sync"
)

// A span is a part of the stanza, from its first byte to behind its last one.
type span struct{ from, to int }

// A qualified is a name with or without a prefix.
type qualified struct {
	span
	local int // where the local part begins
}

// An attribute is an attribute of a tag.
type attribute struct {
	name  qualified
	value span // without the quotes
}

// A declaration binds a prefix, or without one the default namespace, within one
// element.
type declaration struct {
	prefix  span
	space   span
	decoded []byte // the namespace, if it is not what stands there
	level   int    // of the element
}

// A scanner walks over the tags of one stanza.
//
// It finds everything that is not well-formed except for characters, which
// illegal has to check before.
//
// The search for the next "<" comes first: a tag has to end before it, since it
// may not stand in the value of an attribute, and what is left is text.
type scanner struct {
	data []byte
	pos  int // of the next "<", or the end
	err  error

	tag      span
	closing  bool // it is an end tag
	empty    bool // it is a start tag without an end tag
	level    int  // how deep its element is, 1 for the stanza
	name     qualified
	count    int // how many attributes it has
	prefixed int // how many of them have a prefix

	started   bool // there was a tag
	depth     int  // how many elements are open
	declared  int  // how many declarations are in force
	ampersand int  // the next one at or after some place, see references
	bracket   int  // the same for "]]>", see checkText

	attributes   [MaxAttributes]attribute
	names        [MaxDepth]span // of the elements that are open
	declarations [MaxDeclarations]declaration
}

// scanners keeps scanners that are not in use, since they are too large to be
// made anew for every stanza.
var scanners = sync.Pool{New: func() any { return new(scanner) }}

// scan returns a scanner for data.
// It has to be released.
func scan(data []byte) *scanner {
	s := scanners.Get().(*scanner)
	s.data, s.err = data, nil
	s.tag, s.closing, s.empty, s.started = span{}, false, false, false
	s.count, s.depth, s.declared = 0, 0, 0
	s.ampersand, s.bracket = -1, -1
	if len(data) > MaxStanza {
		s.fail(ErrLimit, "it is too long", MaxStanza)
		return s
	}
	if at := illegal(data); at >= 0 {
		s.fail(ErrSyntax, "it has bytes that are no character of XML", at)
		return s
	}
	s.pos = s.nextTag(0)
	s.checkText(0, s.pos)
	return s
}

// release ends the use of the scanner.
func (s *scanner) release() {
	s.forget(0)
	s.data, s.err = nil, nil
	scanners.Put(s)
}

// fail ends the walk.
func (s *scanner) fail(err error, reason string, offset int) {
	if s.err == nil {
		s.err = failure(err, reason, offset)
	}
}

// next moves on to the next tag.
// It returns false behind the last one, or if something is wrong.
func (s *scanner) next() bool {
	if s.empty {
		s.forget(s.level)
		s.empty = false
	}
	for s.err == nil {
		if s.pos == len(s.data) {
			if s.depth > 0 || !s.started {
				s.fail(ErrSyntax, "it ends too early", s.pos)
			}
			return false
		}
		next := 0
		switch s.peek(1) {
		case '/':
			s.endTag()
			next = s.nextTag(s.tag.to)
		case '?':
			s.fail(ErrSyntax, "processing instructions and declarations are forbidden", s.pos)
			return false
		case '!':
			s.literal()
			continue
		default:
			next = s.nextTag(s.pos + 1)
			s.startTag(next)
		}
		if s.err == nil && s.tag.to < next {
			s.checkText(s.tag.to, next)
		}
		s.pos = next
		return s.err == nil
	}
	return false
}

// peek returns a byte ahead, or 0 at the end.
func (s *scanner) peek(ahead int) byte {
	if s.pos+ahead < len(s.data) {
		return s.data[s.pos+ahead]
	}
	return 0
}

// nextTag returns where the next "<" at or after from is, or the end.
func (s *scanner) nextTag(from int) int {
	if from < len(s.data) && s.data[from] == '<' {
		return from
	}
	if n := bytes.IndexByte(s.data[from:], '<'); n >= 0 {
		return from + n
	}
	return len(s.data)
}

// startTag reads a start tag that has to end before limit.
func (s *scanner) startTag(limit int) {
	s.closing, s.level = false, s.depth+1
	switch {
	case s.level == 1 && s.started:
		s.fail(ErrSyntax, "there is more than one element", s.pos)
	case s.level > MaxDepth:
		s.fail(ErrLimit, "it is too deep", s.pos)
	}
	s.started = true
	s.count, s.prefixed = 0, 0
	s.name = s.readName(s.pos+1, limit)

	var seen uint64
	data := s.data[:limit]
	for end := s.name.to; s.err == nil; {
		at := blank(data, end)
		switch {
		case at == len(data):
			s.fail(ErrSyntax, "a tag does not end", s.pos)
		case data[at] == '>':
			s.opened(at + 1)
			return
		case data[at] == '/':
			if at+1 == len(data) || data[at+1] != '>' {
				s.fail(ErrSyntax, "a tag does not end", s.pos)
				return
			}
			s.empty = true
			s.opened(at + 2)
			return
		case at == end:
			s.fail(ErrSyntax, "white space is missing in a tag", at)
		default:
			end = s.readAttribute(at, limit, &seen)
		}
	}
}

// opened completes a start tag that ends at the given place.
func (s *scanner) opened(end int) {
	s.tag = span{s.pos, end}
	if s.name.local > s.name.from {
		if _, ok := s.lookup(s.prefix(s.name)); !ok {
			s.fail(ErrSyntax, "a prefix is not declared", s.pos)
		}
	}
	if s.prefixed > 0 {
		s.checkPrefixes()
	}
	if !s.empty {
		s.names[s.depth] = s.name.span
		s.depth++
	}
}

// endTag reads an end tag.
func (s *scanner) endTag() {
	s.closing, s.level = true, s.depth
	if s.level == 0 {
		s.fail(ErrSyntax, "an end tag comes first", s.pos)
		return
	}
	name := s.names[s.level-1]
	at := s.pos + 2 + name.to - name.from
	if at >= len(s.data) || string(s.data[s.pos+2:at]) != string(s.data[name.from:name.to]) {
		s.fail(ErrSyntax, "an end tag does not match", s.pos)
		return
	}
	at = blank(s.data, at)
	if at == len(s.data) || s.data[at] != '>' {
		s.fail(ErrSyntax, "an end tag does not match", s.pos)
		return
	}
	s.tag = span{s.pos, at + 1}
	s.depth--
	s.forget(s.level)
}

// literal passes over a CDATA section; everything else that begins so is
// forbidden.
func (s *scanner) literal() {
	const open, end = "<![CDATA[", "]]>"
	if !bytes.HasPrefix(s.data[s.pos:], []byte(open)) {
		s.fail(ErrSyntax, "comments and document types are forbidden", s.pos)
		return
	}
	if s.depth == 0 {
		s.fail(ErrSyntax, "there is text outside of the element", s.pos)
		return
	}
	from := s.pos + len(open)
	n := bytes.Index(s.data[from:], []byte(end))
	if n < 0 {
		s.fail(ErrSyntax, "it ends too early", len(s.data))
		return
	}
	from += n + len(end)
	s.pos = s.nextTag(from)
	s.checkText(from, s.pos)
}

// checkText checks the text between two tags.
func (s *scanner) checkText(from, to int) {
	if s.depth == 0 {
		for i, c := range s.data[from:to] {
			if !isSpace[c] {
				s.fail(ErrSyntax, "there is text outside of the element", from+i)
				return
			}
		}
		return
	}
	if s.ampersand < to {
		s.references(from, to)
	}
	if s.bracket < from {
		s.bracket = len(s.data)
		if n := bytes.Index(s.data[from:], []byte("]]>")); n >= 0 {
			s.bracket = from + n
		}
	}
	if s.bracket < to {
		s.fail(ErrSyntax, "there is ]]> in text", s.bracket)
	}
}

// references checks the references between two places.
func (s *scanner) references(from, to int) {
	for {
		if s.ampersand < from {
			s.ampersand = len(s.data)
			if n := bytes.IndexByte(s.data[from:], '&'); n >= 0 {
				s.ampersand = from + n
			}
		}
		if s.ampersand >= to {
			return
		}
		_, size := reference(s.data[s.ampersand:to])
		if size == 0 {
			s.fail(ErrSyntax, "a reference is not known", s.ampersand)
			return
		}
		from = s.ampersand + size
	}
}
