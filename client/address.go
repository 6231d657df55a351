// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"strings"

	"mellium.im/xmpp/jid"
)

// maxAddress is the greatest length of an address in bytes (RFC 7622 §3.1). What is longer
// is nobody's.
const maxAddress = 3*1023 + len("@/")

// bareOf returns an address without its resource.
func bareOf(address string) string {
	bare, _, _ := strings.Cut(address, "/")
	return bare
}

// domainOf returns the domain of an address.
func domainOf(address string) string {
	bare := bareOf(address)
	return bare[strings.Index(bare, "@")+1:]
}

// sameBare reports whether two addresses are of the same account.
func sameBare(a, b string) bool { return sameAddress(bareOf(a), bareOf(b)) }

// sameAddress reports whether two addresses are the same. Mostly they are written alike,
// or differ for sure, and need not be taken apart.
func sameAddress(a, b string) bool {
	switch {
	case a == b:
		return true
	case len(a) > maxAddress, len(b) > maxAddress, isCanonical(a) && isCanonical(b):
		return false
	}
	x, err := jid.Parse(a)
	if err != nil {
		return false
	}
	y, err := jid.Parse(b)
	return err == nil && x.Equal(y)
}

// isCanonical reports whether there is no other way to write an address, as far as one can
// see at a glance: it has lower-case ASCII alone, no dot at the end of the domain, and no
// number as the domain.
func isCanonical(address string) bool {
	for i := range len(address) {
		switch c := address[i]; {
		case c <= ' ', c > '~', 'A' <= c && c <= 'Z', c == '[':
			return false
		case c == '.' && (i+1 == len(address) || address[i+1] == '/'):
			return false
		}
	}
	return true
}

// parsed returns an address, or the zero one if it is none.
func parsed(address string) jid.JID {
	j, err := jid.Parse(address)
	if err != nil {
		return jid.JID{}
	}
	return j
}
