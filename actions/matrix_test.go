// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions_test

import (
	"testing"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
	"github.com/untilack/untilack/cache"
)

const (
	bare    = "kingrichard@royalty.england.lit"
	throne  = "throne"
	crown   = "crown"
	henry   = "northumberland@shakespeare.lit/westminster"
	durable = true
)

// message returns a packet to the bare address, or to a resource, with nothing
// but these marks.
func message(resource string, marks cache.Marks) cache.Packet {
	to := bare
	if resource != "" {
		to += "/" + resource
	}
	p := actionstest.NewPacket(to, henry, "richard2-4.1.247")
	p.Marks = marks
	return p
}

// The matrix of final actions, row by row. Same means the addressed resource,
// or, of a message to the bare address, the one that has a copy.
func TestMatrix(t *testing.T) {
	const normal = cache.Marks(0)
	tests := []struct {
		name     string
		resource string
		marks    cache.Marks
		gone     bool

		repeat, same, other, store, bounce bool
	}{
		{"chat, bare", "", cache.Chat, false, true, true, true, true, true},
		{"chat, full, present", throne, cache.Chat, false, true, true, false, true, true},
		{"chat, full, gone", throne, cache.Chat, true, true, true, true, true, true},
		{"normal, bare", "", normal, false, true, true, true, true, true},
		{"normal, full, present", throne, normal, false, true, true, false, false, true},
		{"normal, full, gone", throne, normal, true, true, true, false, false, true},
		{"headline, bare", "", cache.Headline, false, true, true, true, false, false},
		{"headline, full", throne, cache.Headline, false, true, true, false, false, true},
		{"headline, full, gone", throne, cache.Headline, true, true, true, false, false, true},
		{"from a room's occupant", throne, cache.Chat | cache.Room, false, true, true, false, false, false},
		{"from a room's occupant, gone", throne, cache.Chat | cache.Room, true, true, true, false, false, false},
		{"no copy, full", throne, cache.Chat | cache.Pinned, false, true, true, false, false, true},
		{"no copy, full, gone", throne, cache.Chat | cache.Pinned, true, true, true, false, false, true},
		{"encrypted, bare", "", cache.Chat | cache.Encrypted, false, true, true, true, true, false},
		{"encrypted, full, gone", throne, cache.Chat | cache.Encrypted, true, true, true, true, true, false},
		{"read past, bare", "", cache.Chat | cache.Read, false, false, true, true, false, false},
		{"not to be stored", "", cache.Chat | cache.NeverStored, false, true, true, true, false, true},
		{"sender not authorised", "", cache.Chat | cache.Unauthorised, false, true, true, true, true, false},
		{"not asked", "", cache.Chat | cache.NotAsked, false, true, true, true, true, false},
		{"not asked, normal", "", cache.NotAsked, false, true, true, true, true, false},
		{"in custody", "", cache.Chat | cache.Stored | cache.Delivered, false, true, true, true, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := message(tt.resource, tt.marks)
			check := func(what string, got, want bool) {
				t.Helper()
				if got != want {
					t.Errorf("%s: got %t, want %t", what, got, want)
				}
			}
			check("MayRepeat", actions.MayRepeat(p), tt.repeat)
			check("MayMoveTo the same", actions.MayMoveTo(p, throne, tt.gone), tt.same)
			check("MayMoveTo another", actions.MayMoveTo(p, crown, tt.gone), tt.other)
			check("MayMoveTo none", actions.MayMoveTo(p, "", tt.gone), false)
			check("MayStore", actions.MayStore(p, durable), tt.store)
			check("MayStore in memory", actions.MayStore(p, !durable), tt.store)
			check("MayKeep", actions.MayKeep(p, durable), true)
			check("MayBounce", actions.MayBounce(p), tt.bounce)
		})
	}
}

func TestVolatileGoesToMemoryOnly(t *testing.T) {
	p := message("", cache.Chat|cache.Volatile)
	if actions.MayStore(p, durable) || actions.MayKeep(p, durable) {
		t.Error("a store that lasts may have it")
	}
	if !actions.MayStore(p, !durable) || !actions.MayKeep(p, !durable) {
		t.Error("a store in memory may not have it")
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	tests := []struct {
		marks   cache.Marks
		attempt int
		want    bool
	}{
		{cache.Chat, 4, true},
		{cache.Chat, 5, false},
		{cache.Chat | cache.Encrypted, 0, true},
		{cache.Chat | cache.Encrypted, 1, false},
		{cache.Chat | cache.Read, 0, false},
	}
	for _, tt := range tests {
		p := message("", tt.marks)
		p.Attempt = tt.attempt
		if got := actions.MayRepeat(p); got != tt.want {
			t.Errorf("MayRepeat with marks %b after %d attempts: got %t, want %t", tt.marks, tt.attempt, got, tt.want)
		}
	}
}

func TestNobodyToBounceTo(t *testing.T) {
	p := message("", cache.Chat)
	p.Key.From = ""
	if actions.MayBounce(p) {
		t.Error("MayBounce without a sender: got true")
	}
}

// A message from a room's occupant that has no resource has nowhere to go.
func TestRoomAndPinnedNeedAResource(t *testing.T) {
	for _, mark := range []cache.Marks{cache.Room, cache.Pinned} {
		if actions.MayMoveTo(message("", cache.Chat|mark), crown, true) {
			t.Errorf("MayMoveTo with mark %b: got true", mark)
		}
	}
}
