// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"testing"

	"mellium.im/xmpp/jid"
)

// What is told without taking addresses apart is what package jid says.
func FuzzSameAddress(f *testing.F) {
	for _, address := range []string{
		"juliet@capulet.lit", "Juliet@CAPULET.lit", "juliet@capulet.lit.", "juliet@capulet.lit./x", "capulet.lit", "a@[::1]", "a@[0:0::1]",
		"a@b/c.", "a@b/C", "a@b/c d", "a@xn--bcher-kva.example", "a@bücher.example", "ａ@b", "a@b/@/", "@", "/", "", "a@", "a\u00ad@b", "ß@b", "ss@b",
	} {
		for _, other := range []string{"juliet@capulet.lit", "a@b/c", "a@[::1]", "a@xn--bcher-kva.example", "a@b", "ss@b", ""} {
			f.Add(address, other)
		}
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, errX := jid.Parse(a)
		y, errY := jid.Parse(b)
		want := a == b || errX == nil && errY == nil && x.Equal(y) && len(a) <= maxAddress && len(b) <= maxAddress
		if got := sameAddress(a, b); got != want {
			t.Errorf("%q and %q: got %v, want %v", a, b, got, want)
		}
		// Package jid takes two dots for a domain of one dot, which it does not take.
		if again, err := jid.Parse(x.String()); errX != nil || err != nil || !again.Equal(x) {
			return
		}
		if !sameAddress(bareOf(a), x.Bare().String()) {
			t.Errorf("the account of %q is %q", a, bareOf(a))
		}
		if !sameAddress(domainOf(a), x.Domainpart()) {
			t.Errorf("the domain of %q is %q", a, domainOf(a))
		}
	})
}
