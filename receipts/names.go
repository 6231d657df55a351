// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import "unicode/utf8"

// What a byte may be in a name without a colon.
const (
	inName    = 1 << iota // anywhere in it
	startName             // also its first byte
	beyond                // part of a character beyond ASCII
)

// nameByte classifies bytes.
// Characters beyond ASCII need a closer look, which validName takes.
var nameByte = func() (class [256]uint8) {
	for c := range class {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
			class[c] = inName | startName
		case '0' <= c && c <= '9', c == '-', c == '.':
			class[c] = inName
		case c >= utf8.RuneSelf:
			class[c] = inName | startName | beyond
		}
	}
	return class
}()

// validName reports whether s is a name without a colon (XML 1.0, fifth
// edition, §2.3; Namespaces in XML §4).
func validName(s string) bool {
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !validRune(s[i:]):
			return false
		case i == 0 && !startsName(r):
			return false
		case !startsName(r) && !continuesName(r):
			return false
		}
	}
	return s != ""
}

// validRune tells a replacement character that stands in s from bytes that are
// not UTF-8.
func validRune(s string) bool {
	_, size := utf8.DecodeRuneInString(s)
	return size > 1
}

// startsName reports whether a name may begin with r.
func startsName(r rune) bool {
	if r < utf8.RuneSelf {
		return nameByte[r]&startName != 0
	}
	for _, span := range nameStarts {
		if r >= span[0] && r <= span[1] {
			return true
		}
	}
	return false
}

// continuesName reports whether r may stand in a name, but not at its beginning.
func continuesName(r rune) bool {
	if r < utf8.RuneSelf {
		return nameByte[r]&inName != 0
	}
	return r == 0xB7 || r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040
}

// nameStarts are the characters beyond ASCII that a name may begin with.
var nameStarts = [...][2]rune{
	{0xC0, 0xD6},
	{0xD8, 0xF6},
	{0xF8, 0x2FF},
	{0x370, 0x37D},
	{0x37F, 0x1FFF},
	{0x200C, 0x200D},
	{0x2070, 0x218F},
	{0x2C00, 0x2FEF},
	{0x3001, 0xD7FF},
	{0xF900, 0xFDCF},
	{0xFDF0, 0xFFFD},
	{0x10000, 0xEFFFF},
}
