// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import "slices"

// An edit replaces a part of a stanza.
type edit struct {
	span
	with string
}

// splice appends stanza to dst with the edits made, which must not overlap and
// are made in order of where they begin.
func splice(dst, stanza []byte, edits []edit) []byte {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.from - b.from })
	done := 0
	for _, e := range edits {
		dst = append(append(dst, stanza[done:e.from]...), e.with...)
		done = e.to
	}
	return append(dst, stanza[done:]...)
}

// insert returns the edit that puts a child behind all others.
func (l *layout) insert(stanza []byte, child string) edit {
	if !l.empty {
		return edit{span{l.close, l.close}, child}
	}
	end := "></" + string(stanza[l.stanza.from+1:l.name]) + ">"
	return edit{span{l.close, l.stanza.to}, end[:1] + child + end[1:]}
}

// writable reports whether XML can carry a value.
func writable(value string) bool {
	return value != "" && illegal([]byte(value)) < 0
}

// quoted returns value as the value of an attribute, with quotes.
func quoted(value string) string {
	return "'" + string(appendEscaped(nil, []byte(value), true)) + "'"
}
