// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"errors"
	"testing"
	"time"

	"github.com/untilack/untilack/cache"
)

// A row is read from the store while its message's receipt comes: the message has
// ended, and the row is about to go.
func TestAMessageThatHasEndedIsNotRestored(t *testing.T) {
	for end, ends := range map[string]func(*fixture, cache.Ref){
		"settled": func(f *fixture, _ cache.Ref) { f.settle(receipt(throne, "1"), cache.Settled) },
		"dropped": func(f *fixture, r cache.Ref) { f.Drop(f.now, r) },
	} {
		f := newFixture(t, nil)
		row := packet("1", "one")
		row.Received = start
		ends(f, f.sent(row))
		if _, err := f.Restore(f.now, row, 0); !errors.Is(err, cache.ErrFinished) || f.Len() != 0 {
			t.Errorf("Restore of one that was %s: %v, %d wait; want %v", end, err, f.Len(), cache.ErrFinished)
		}
	}
}

// A message that ended, and was sent once more since, is another one: its row is
// mail.
func TestAMessageThatWasSentAgainIsRestored(t *testing.T) {
	f := newFixture(t, nil)
	row := packet("1", "one")
	row.Received = start
	f.sent(row)
	f.settle(receipt(throne, "1"), cache.Settled)
	row.Received = start.Add(time.Minute)
	r, err := f.Restore(f.now, row, 0)
	if err != nil {
		t.Fatalf("Restore of a message that was sent again: %v", err)
	}
	f.has(r, true)
}

// A message that became mail comes back with its copies, for their receipts.
func TestMailIsRestoredWithItsCopies(t *testing.T) {
	f := newFixture(t, nil)
	row := packet("1", "one")
	row.Received = start
	r := f.sent(row)
	f.Mark(r, cache.Stored, 0)
	f.Drop(f.now, r)
	again, err := f.Restore(f.now, row, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.has(r, false)
	f.has(again, true)
	if s := f.settle(receipt(throne, "1"), cache.Settled); !s.HasCopy || s.Copy.Stream != 1 || s.Packet.Ref() != again {
		t.Errorf("the receipt for the first copy: %+v", s)
	}
}
