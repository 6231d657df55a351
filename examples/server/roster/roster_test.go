// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package roster

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/examples/internal/stores"
)

func open(t *testing.T) *Store {
	t.Helper()
	store, err := stores.Open(t.Context(), filepath.Join(t.TempDir(), "roster.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s, err := Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestChange(t *testing.T) {
	s := open(t)
	const account, contact = "romeo@capulet.example", "juliet@capulet.example"
	want := Item{Contact: contact, Name: "Juliet", Groups: []string{"'Friends'"}, Shown: true}
	was, is, err := s.Change(t.Context(), account, contact, func(i *Item) { *i = want })
	if err != nil || !cmp.Equal(was, Item{Contact: contact}) || !cmp.Equal(is, want) {
		t.Errorf("got %+v, %+v, %v", was, is, err)
	}
	items, err := s.List(t.Context(), account)
	if diff := cmp.Diff([]Item{want}, items); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, _, err := s.Change(t.Context(), account, contact, func(i *Item) { *i = Item{Contact: contact} }); err != nil {
		t.Error(err)
	}
	if items, err := s.List(t.Context(), account); err != nil || len(items) != 0 {
		t.Errorf("got %+v, %v, want nothing", items, err)
	}
}

func TestFull(t *testing.T) {
	s := open(t)
	show := func(i *Item) { i.Shown = true }
	if _, err := s.db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO server_roster SELECT 'a', i, '{}' FROM n`, MaxItems-1); err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, ErrFull} {
		if _, _, err := s.Change(t.Context(), "a", fmt.Sprint("contact", i), show); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if _, _, err := s.Change(t.Context(), "a", "contact0", func(i *Item) { i.Name = "x" }); err != nil {
		t.Errorf("what is there can not be changed: %v", err)
	}
}

// TestRequests plays two accounts that ask, grant, refuse and go.
func TestRequests(t *testing.T) {
	type step struct {
		by                string // who sends
		request           Request
		routed, shown     bool
		romeo, juliet     string // the states afterwards, as in a roster
		romeoAsk, asksHer bool
	}
	for name, steps := range map[string][]step{
		"granted": {
			{"romeo", Subscribe, true, true, "none", "none", true, true},
			{"juliet", Subscribed, true, true, "to", "from", false, false},
			{"juliet", Subscribed, false, false, "to", "from", false, false},
			{"romeo", Unsubscribe, true, true, "none", "none", false, false},
		},
		"refused": {
			{"romeo", Subscribe, true, true, "none", "none", true, true},
			{"romeo", Subscribe, true, true, "none", "none", true, true},
			{"juliet", Unsubscribed, true, true, "none", "none", false, false},
			{"juliet", Subscribed, false, false, "none", "none", false, false},
		},
		"taken back": {
			{"romeo", Subscribe, true, true, "none", "none", true, true},
			{"romeo", Unsubscribe, true, true, "none", "none", false, false},
			{"juliet", Subscribed, false, false, "none", "none", false, false},
		},
		"both": {
			{"romeo", Subscribe, true, true, "none", "none", true, true},
			{"juliet", Subscribed, true, true, "to", "from", false, false},
			{"juliet", Subscribe, true, true, "to", "from", false, false},
			{"romeo", Subscribed, true, true, "both", "both", false, false},
			{"juliet", Unsubscribed, true, true, "from", "to", false, false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var romeo, juliet Item
			for i, want := range steps {
				sender, other := &romeo, &juliet
				if want.by == "juliet" {
					sender, other = other, sender
				}
				got := want
				got.routed, got.shown = want.request.Send(sender), false
				if got.routed {
					got.shown = want.request.Receive(other)
				}
				got.romeo, got.juliet = romeo.Subscription(), juliet.Subscription()
				got.romeoAsk, got.asksHer = romeo.Ask, juliet.Asked
				if got != want {
					t.Errorf("step %d:\ngot  %+v\nwant %+v", i, got, want)
				}
			}
		})
	}
}
