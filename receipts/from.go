// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import "fmt"

// AppendFrom appends to dst the stanza with from as the address of its sender.
//
// A server has to do so with everything that a client sends, whatever the client
// has put there itself (RFC 6120 §8.1.2.1). Every other byte remains as it is.
//
// The error wraps [ErrSyntax], [ErrLimit], [ErrNotStanza], or [ErrValue] if from
// is empty or can not be written; dst is then returned as it was. What is added
// may bring a stanza that is just within the limits beyond them.
// The bytes of dst and of stanza must not overlap.
func AppendFrom(dst, stanza []byte, from string) ([]byte, error) {
	var l layout
	m, err := scanStanza(stanza, &l)
	switch {
	case err != nil:
		return dst, err
	case m.Element == Other:
		return dst, ErrNotStanza
	case !writable(from):
		return dst, fmt.Errorf("%w: from %q", ErrValue, from)
	}
	value := edit{span{l.name, l.name}, " from=" + quoted(from)}
	if l.from.from > 0 {
		// The old value's quotes go, too.
		value = edit{span{l.from.from - 1, l.from.to + 1}, quoted(from)}
	}
	return splice(dst, stanza, []edit{value}), nil
}
