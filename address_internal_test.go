// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"strings"
	"testing"

	"mellium.im/xmpp/jid"
)

// addresses are given to the fast path and to mellium's parser.
var addresses = []string{
	"", "/", "@", "a", "a/b", "a@b", "a@b/c", "a@b@c", "@b", "a@", "a@/c", "a@b/", "/c", "a@b//", "a@b/c@d/e",
	"kingrichard@royalty.england.lit/throne", "KingRichard@royalty.england.lit", "a@ROYALTY.lit", "a@b/Throne",
	"a.b-c_d@x.y-z", "a@x_y", "_a@b", ".a@b", "a.@b", "-@b", "a@-b", "a@b-", "a@b--c", "a@xn--bcher-kva.example", "a@xn--a",
	"a@b.", "a@.b", "a@b..c", "a@1.2.3.4", "a@[::1]", "a@1", "a@123.456", "a@b.1", "1@1a", "a@0x1",
	"juliet&co@b", "a b@c", "a@b c", "a@b/c d", "a@b/ c", "a@b/c ", "a@b/\t", "a@b/\x00", "a@b/\x7f", "a@b/ü", "ü@b", "a@ü.b",
	"a@b/\u00a0", "a@b/\ufb00", "\u1e9e@b", "a@\u3002b", "a\u200d@b", "a@b/\xff", "a\xff@b", "a@b\xff", "a'b@c", "a\"b@c", "a:b@c", "a<b@c",
	"a@" + strings.Repeat("b", 63) + ".c", "a@" + strings.Repeat("b", 64) + ".c", "a@" + strings.Repeat("b.", 126) + "c",
	"a@" + strings.Repeat("b.", 127) + "c", "a@" + strings.Repeat("b.", 511) + "c",
	strings.Repeat("a", 1023) + "@b", strings.Repeat("a", 1024) + "@b", "a@b/" + strings.Repeat("c", 1023), "a@b/" + strings.Repeat("c", 1024),
	strings.Repeat("a", 4000), "a@b/" + strings.Repeat("\u00e4", 511), "a@b/" + strings.Repeat("\u00e4", 512),
	"a@b/!\"#$%&'()*+,-./:;<=>?[\\]^_`{|}~", "a~b@c", "a!b@c", "a#b@c", "a$b@c", "a%b@c", "a(b@c", "a*b@c", "a+b@c", "a,b@c", "a;b@c", "a=b@c", "a?b@c",
}

// agrees fails the test unless parseAddress says what jid.Parse says.
func agrees(t *testing.T, raw string) {
	t.Helper()
	got, ok := parseAddress([]byte(raw))
	want, err := jid.Parse(raw)
	if ok != (err == nil) {
		t.Fatalf("parseAddress(%q) = %v, jid.Parse says %v", raw, ok, err)
	}
	if !ok {
		if got != (address{}) {
			t.Errorf("parseAddress(%q) = %+v, want nothing", raw, got)
		}
		return
	}
	if got.full != want.String() || got.bare != want.Bare().String() || got.local != want.Localpart() || got.resource != want.Resourcepart() {
		t.Errorf("parseAddress(%q) = %+v, jid.Parse says %v", raw, got, want)
	}
}

func TestAddressesAreThoseOfTheFullParser(t *testing.T) {
	for _, raw := range addresses {
		agrees(t, raw)
	}
}

func TestTheFastPathTakesOrdinaryAddresses(t *testing.T) {
	for _, raw := range []string{"kingrichard@royalty.england.lit/throne", "juliet@capulet.lit", "capulet.lit", "a_b.c-1@x-y.z/Gajim.QQ2W;1"} {
		if !isNormal([]byte(raw)) {
			t.Errorf("%q goes to the full parser", raw)
		}
		if n := testing.AllocsPerRun(100, func() { parseAddress([]byte(raw)) }); n > 2 {
			t.Errorf("%q takes %v allocations", raw, n)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, raw := range addresses {
		f.Add(raw)
	}
	f.Fuzz(agrees)
}
