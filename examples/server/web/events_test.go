// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package web

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/untilack/untilack"
)

// TestLongEvents checks that what strangers choose does not fill the memory.
func TestLongEvents(t *testing.T) {
	e := NewEvents()
	long := strings.Repeat("é", 100_000)
	e.Watch(untilack.Event{ID: "m1", Sender: "romeo@localhost/orchard", Recipient: "juliet@localhost"})
	e.Watch(untilack.Event{ID: "x" + long, Sender: long, Err: errors.New(long)})
	got, _, _ := e.since(0)
	if len(got) != 2 || got[0].ID != "m1" || got[0].Sender != "romeo@localhost/orchard" {
		t.Fatalf("got %+v", got)
	}
	for _, text := range []string{got[1].ID, got[1].Sender, got[1].Err.Error()} {
		if len(text) > maxText || len(text) < maxText-utf8.UTFMax || !utf8.ValidString(text) {
			t.Errorf("%d bytes are kept, want about %d: %q", len(text), maxText, text)
		}
	}
}
