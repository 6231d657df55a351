// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

import (
	"testing"

	"github.com/untilack/untilack/receipts"
)

// id returns the id of a stanza as Scan gives it.
func id(t *testing.T, raw string) receipts.Text {
	t.Helper()
	m, err := receipts.Scan([]byte("<message id='" + raw + "'/>"))
	if err != nil {
		t.Fatal(err)
	}
	return m.ID
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		name, raw, want string
		plain           bool
	}{
		{"nothing is empty and plain", "", "", true},
		{"what needs no decoding is plain", "aé b", "aé b", true},
		{"references are decoded", "a&amp;b", "a&b", false},
		{"white space is decoded", "a\r\n\tb", "a  b", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := id(t, c.raw)
			if got.String() != c.want || string(got.AppendTo([]byte("x"))) != "x"+c.want {
				t.Errorf("it is %q", got.String())
			}
			plain, ok := got.Plain()
			if ok != c.plain || ok && string(plain) != c.want {
				t.Errorf("Plain gives %q, %t", plain, ok)
			}
			if got.IsEmpty() != (c.want == "") {
				t.Errorf("IsEmpty gives %t", got.IsEmpty())
			}
			if !got.Equal(receipts.NewText(c.want)) || !receipts.NewText(c.want).Equal(got) {
				t.Error("it is not equal to its value")
			}
			if got.Equal(receipts.NewText(c.want + "x")) {
				t.Error("it is equal to another value")
			}
		})
	}
}

func TestR13TextsAreComparedByCodePoints(t *testing.T) {
	for _, c := range []struct {
		name, a, b string
		want       bool
	}{
		{"the same in two spellings is equal", "a&#38;", "&#x61;&amp;", true},
		{"case matters", "a", "A", false},
		{"accents are not composed", "e\u0301", "é", false},
		{"spaces are not trimmed", "a", "a ", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := id(t, c.a).Equal(id(t, c.b)); got != c.want {
				t.Errorf("it is %t", got)
			}
		})
	}
}

func TestR14NewTextMapsWhiteSpace(t *testing.T) {
	if got := receipts.NewText("a\t\r\nbč").String(); got != "a   bč" {
		t.Errorf("it is %q", got)
	}
}
