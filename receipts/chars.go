// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// isSpace holds the white space of XML (XML 1.0 §2.3).
var isSpace = [256]bool{' ': true, '\t': true, '\n': true, '\r': true}

// isCharacter reports whether XML can carry r (XML 1.0 §2.2).
func isCharacter(r rune) bool {
	switch {
	case r < ' ':
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0xD800:
		return true
	case r < 0xE000:
		return false // half of a surrogate pair
	}
	return r <= utf8.MaxRune && r != 0xFFFE && r != 0xFFFF
}

const (
	everyByte  = 0x0101010101010101
	everyHigh  = 0x80 * everyByte
	everySpace = ' ' * everyByte
)

// illegal returns the offset of the first byte of data that is no part of a
// character that XML can carry, or -1.
// It looks at many bytes at a time, since nearly all of them are plain ASCII.
func illegal(data []byte) int {
	const size = 32
	var room [size]byte
	if len(data) < size {
		n := copy(room[:], data)
		copy(room[n:], "                                ")
		data = room[:]
	}
	var all uint64
	for i := 0; i < len(data); i += size {
		i = min(i, len(data)-size) // the last block overlaps the one before
		block := data[i : i+size : i+size]
		a := binary.LittleEndian.Uint64(block)
		b := binary.LittleEndian.Uint64(block[8:])
		c := binary.LittleEndian.Uint64(block[16:])
		d := binary.LittleEndian.Uint64(block[24:])
		all |= a | b | c | d
		if (below(a)|below(b)|below(c)|below(d))&everyHigh == 0 {
			continue // no control character among them
		}
		if n := control(block); n >= 0 {
			return i + n
		}
	}
	if all&everyHigh == 0 {
		return -1
	}
	return illegalBeyondASCII(data)
}

// below sets the highest bit of some byte if any byte of word is a control
// character.
func below(word uint64) uint64 { return (word - everySpace) &^ word }

// control returns the offset of the first control character, or -1.
func control(data []byte) int {
	for i, c := range data {
		if c < ' ' && !isSpace[c] {
			return i
		}
	}
	return -1
}

// illegalBeyondASCII is like illegal, but does not look at control characters.
func illegalBeyondASCII(data []byte) int {
	if !utf8.Valid(data) {
		for i := 0; i < len(data); {
			r, size := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && size == 1 {
				return i
			}
			i += size
		}
	}
	// Of all that is valid UTF-8, only U+FFFE and U+FFFF are left to refuse.
	for i := 0; ; {
		n := bytes.Index(data[i:], []byte("\xEF\xBF"))
		if n < 0 {
			return -1
		}
		i += n
		if data[i+2] >= 0xBE {
			return i
		}
		i += 3
	}
}

// reference decodes the character reference or predefined entity that data
// begins with, and returns its length in bytes, which is 0 if it is none.
func reference(data []byte) (rune, int) {
	end := bytes.IndexByte(data[:min(len(data), 64)], ';')
	if end < 3 || data[0] != '&' {
		return longReference(data)
	}
	switch string(data[1:end]) {
	case "amp":
		return '&', end + 1
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	}
	return number(data, end)
}

// longReference is for what has no end nearby: any number of leading zeros is
// allowed.
func longReference(data []byte) (rune, int) {
	if len(data) < 64 {
		return 0, 0
	}
	for i, c := range data[1:] {
		switch {
		case c == ';':
			return number(data, i+1)
		case c != '#' && c != 'x' && digit(c) < 0:
			return 0, 0
		}
	}
	return 0, 0
}

// number decodes the character reference data[:end+1].
func number(data []byte, end int) (rune, int) {
	if data[1] != '#' {
		return 0, 0
	}
	digits, base := data[2:end], int32(10)
	if len(digits) > 0 && digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	if len(digits) == 0 {
		return 0, 0
	}
	var r rune
	for _, c := range digits {
		d := digit(c)
		if d < 0 || d >= base {
			return 0, 0
		}
		if r = r*base + d; r > utf8.MaxRune {
			return 0, 0
		}
	}
	if !isCharacter(r) {
		return 0, 0
	}
	return r, end + 1
}

// digit returns the value of a hexadecimal digit, or -1.
func digit(c byte) int32 {
	switch {
	case '0' <= c && c <= '9':
		return int32(c - '0')
	case 'a' <= c && c <= 'f':
		return int32(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int32(c-'A') + 10
	}
	return -1
}
