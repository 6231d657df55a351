// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package gate

import "strings"

// A scanner finds where the elements of a stream end. It does not parse XML: what is not
// well-formed it cuts somewhere, and the parser finds out. The tag that opens a stream
// over TCP is an element of its own to it, and so are the XML declaration before it and the tag
// that closes it.
type scanner struct {
	depth int
	tag   bool // within a tag
	first byte // of the tag, after its '<'
	name  []byte
	named bool // the name is over
	last  byte // before the present one
	quote byte // the quotation mark that is open
	cdata int  // within a CDATA section: 1, and more for each "]" just seen
}

// cdataStart begins a CDATA section. It is all that a stream may have of what begins so.
const cdataStart = "![CDATA["

// isBetween reports whether no element has begun.
func (s *scanner) isBetween() bool { return s.depth == 0 && !s.tag }

// add takes the next byte, and reports whether it is the last of an element.
func (s *scanner) add(octet byte) (ended bool, err error) {
	last := s.last
	s.last = octet
	switch {
	case s.quote != 0:
		if octet == s.quote {
			s.quote = 0
		}
	case s.cdata > 0:
		s.addData(octet)
	case !s.tag:
		if s.depth == 0 && octet != '<' {
			return false, ErrText
		}
		if octet == '<' {
			s.tag, s.first, s.named, s.name = true, 0, false, s.name[:0]
		}
	case s.first == 0 && octet == '>': // no tag, which the parser finds out
		s.tag = false
		return s.depth == 0, nil
	case s.first == 0:
		s.first = octet
		s.name = append(s.name, octet)
		if octet == '?' && s.depth > 0 {
			return false, ErrRestricted
		}
	case s.first == '!':
		return false, s.addMarkup(octet)
	case octet == '\'' || octet == '"':
		s.quote = octet
	case octet == '>':
		s.tag = false
		if s.first == '?' && string(s.name) != "?xml" {
			return false, ErrRestricted
		}
		return s.endTag(last), nil
	default:
		s.addName(octet)
	}
	return false, nil
}

// addMarkup takes a byte of what begins with "<!".
func (s *scanner) addMarkup(octet byte) error {
	s.name = append(s.name, octet)
	switch {
	case s.depth == 0 || !strings.HasPrefix(cdataStart, string(s.name)):
		return ErrRestricted
	case len(s.name) == len(cdataStart):
		s.tag, s.cdata = false, 1
	}
	return nil
}

// addData takes a byte of a CDATA section, which "]]>" ends.
func (s *scanner) addData(octet byte) {
	switch {
	case octet == ']':
		s.cdata = min(s.cdata+1, 3)
	case octet == '>' && s.cdata == 3:
		s.cdata = 0
	default:
		s.cdata = 1
	}
}

// maxName is more than the name of a stream's tag can have, with any usual prefix.
const maxName = 64

// addName notes the tag's name, as far as it matters.
func (s *scanner) addName(octet byte) {
	if isSpace(octet) || octet == '/' {
		s.named = true
	}
	if !s.named && s.depth == 0 && len(s.name) < maxName {
		s.name = append(s.name, octet)
	}
}

// endTag takes the end of a tag.
func (s *scanner) endTag(last byte) (ended bool) {
	switch {
	case s.first == '?':
		return true
	case s.first == '/':
		s.depth = max(s.depth-1, 0) // below is the end of the stream
	case s.depth == 0 && last != '/' && s.opensStream():
		return true
	case last != '/':
		s.depth++
	}
	return s.depth == 0
}

// opensStream reports whether the tag is that of a stream over TCP, whatever its prefix.
func (s *scanner) opensStream() bool {
	const local = "stream"
	n := len(s.name) - len(local)
	return n >= 0 && string(s.name[n:]) == local && (n == 0 || s.name[n-1] == ':')
}

func isSpace(octet byte) bool {
	return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n'
}
