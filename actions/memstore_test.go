// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
	"github.com/untilack/untilack/cache"
)

// fill puts n rows of mail for a recipient, and returns their packets.
func fill(tb testing.TB, s actions.Store, recipient string, n int) []cache.Packet {
	tb.Helper()
	packets := make([]cache.Packet, n)
	for i := range packets {
		packets[i] = actionstest.NewPacket(recipient, henry, fmt.Sprint("m", i))
		if err := errors.Join(s.Put(tb.Context(), actions.NewRow(packets[i], false))...); err != nil {
			tb.Fatal(err)
		}
	}
	return packets
}

func TestMemStore(t *testing.T) {
	actionstest.TestStore(t, func(*testing.T) actions.Store { return new(actions.MemStore) })
}

func TestMemStoreQuota(t *testing.T) {
	actionstest.TestStoreQuota(t, 5, func(*testing.T) actions.Store {
		return actions.NewMemStore(&actions.MemStoreOptions{MaxMessages: 5})
	})
}

func TestMemStoreIsVolatile(t *testing.T) {
	if actions.Lasting(new(actions.MemStore)) {
		t.Error("Lasting: got true")
	}
	if !actions.Lasting(actions.PutFunc(nil)) {
		t.Error("Lasting of a store that says nothing: got false")
	}
}

func TestMemStoreCounts(t *testing.T) {
	s := actions.NewMemStore(nil)
	packets := fill(t, s, bare, 3)
	fill(t, s, "other@x.lit", 2)
	one, all := s.Used(bare), s.Total()
	if one.Messages != 3 || all.Messages != 5 || one.Bytes <= 0 || all.Bytes <= one.Bytes {
		t.Errorf("got %+v of %+v", one, all)
	}
	for _, p := range packets {
		s.Delete(t.Context(), p.Identity(), p.Identity())
	}
	if got := s.Used(bare); got != (actions.Usage{}) {
		t.Errorf("after the Delete: got %+v", got)
	}
	if _, err := actions.Purge(t.Context(), s, "other@x.lit", nil); err != nil {
		t.Error(err)
	}
	if got := s.Total(); got != (actions.Usage{}) {
		t.Errorf("after the Purge: got %+v", got)
	}
}

func TestMemStoreLimits(t *testing.T) {
	size := func() int64 {
		s := new(actions.MemStore)
		fill(t, s, bare, 1)
		return s.Total().Bytes
	}()
	tests := []struct {
		name    string
		options actions.MemStoreOptions
		want    error
	}{
		{"messages of one recipient", actions.MemStoreOptions{MaxMessages: 2}, actions.ErrQuota},
		{"bytes of one recipient", actions.MemStoreOptions{MaxBytes: 3*size - 1}, actions.ErrQuota},
		{"bytes in all", actions.MemStoreOptions{TotalBytes: 3*size - 1}, actions.ErrFull},
		{"three fit", actions.MemStoreOptions{MaxMessages: 3, MaxBytes: 3 * size, TotalBytes: 3 * size}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := actions.NewMemStore(&tt.options)
			fill(t, s, bare, 2)
			row := actions.NewRow(actionstest.NewPacket(bare, henry, "m2"), false)
			if err := errors.Join(s.Put(t.Context(), row)...); !errors.Is(err, tt.want) || (tt.want == nil) != (err == nil) {
				t.Errorf("got error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestMemStoreSweeps(t *testing.T) {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	rows := func(s *actions.MemStore) {
		for i, age := range []time.Duration{0, time.Hour, 25 * time.Hour} {
			p := actionstest.NewPacket(bare, henry, fmt.Sprint("m", i))
			p.Received = now.Add(-age)
			if i == 0 {
				p.Expires = now
			}
			s.Put(t.Context(), actions.NewRow(p, false))
		}
	}
	aging, keeping := actions.NewMemStore(&actions.MemStoreOptions{Retention: 24 * time.Hour}), new(actions.MemStore)
	rows(aging)
	rows(keeping)
	if got := aging.Sweep(now); got != 2 || aging.Used(bare).Messages != 1 {
		t.Errorf("with a retention: swept %d, left %d, want 2 and 1", got, aging.Used(bare).Messages)
	}
	if got := keeping.Sweep(now.Add(-1)); got != 0 {
		t.Errorf("before the expiry: swept %d, want none", got)
	}
	if got := keeping.Sweep(now); got != 1 {
		t.Errorf("without a retention: swept %d, want the expired one", got)
	}
}

// A mark is short-lived, and there are only so many.
func TestMemStoreForgetsDeletions(t *testing.T) {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	s := actions.NewMemStore(&actions.MemStoreOptions{Now: func() time.Time { return now }})
	p := message("", cache.Chat)
	p.Received = now.Add(-time.Second)
	put := func() bool {
		s.Put(t.Context(), actions.NewRow(p, false))
		return s.Used(bare).Messages == 1
	}
	other := func(i int) cache.Identity { return cache.Identity{Sum: uint64(i)} }

	s.Delete(t.Context(), p.Identity())
	now = now.Add(15 * time.Minute)
	s.Delete(t.Context(), other(0))
	if put() {
		t.Error("forgotten within 15 minutes")
	}
	now = now.Add(1)
	s.Delete(t.Context(), other(0))
	if !put() {
		t.Error("not forgotten after 15 minutes")
	}

	s.Delete(t.Context(), p.Identity())
	for i := range 1<<16 - 1 {
		s.Delete(t.Context(), other(i))
	}
	if put() {
		t.Error("forgotten though there was room")
	}
	s.Delete(t.Context(), other(1<<16))
	if !put() {
		t.Error("not forgotten though there was no room")
	}
}

// A deletion that is repeated is remembered from its last time on.
func TestMemStoreRemembersTheLastDeletion(t *testing.T) {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	s := actions.NewMemStore(&actions.MemStoreOptions{Now: func() time.Time { return now }, MarkTime: time.Minute})
	p := message("", cache.Chat)
	p.Received = now.Add(-time.Second)
	for range 3 {
		s.Delete(t.Context(), p.Identity())
		now = now.Add(40 * time.Second)
	}
	s.Put(t.Context(), actions.NewRow(p, false))
	if s.Total().Messages != 0 {
		t.Error("forgotten with its first time")
	}
}

func TestAllReadsPastDeletes(t *testing.T) {
	s := new(actions.MemStore)
	fill(t, s, bare, actions.DefaultLimit+10)
	seen := 0
	for r, err := range actions.All(t.Context(), s, bare) {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		s.Delete(t.Context(), r.Packet.Identity())
	}
	if seen != actions.DefaultLimit+10 {
		t.Errorf("saw %d rows, want %d", seen, actions.DefaultLimit+10)
	}
	fill(t, s, "other@x.lit", 2)
	for range actions.All(t.Context(), s, "other@x.lit") {
		break
	}
}

func TestPurgeDeletesWhatMatches(t *testing.T) {
	s := new(actions.MemStore)
	packets := fill(t, s, bare, 5)
	blocked := func(r actions.Row) bool { return r.Packet.Key.ID == packets[2].Key.ID }
	if n, err := actions.Purge(t.Context(), s, bare, blocked); n != 1 || err != nil {
		t.Errorf("got %d, %v, want 1", n, err)
	}
	faulty := actionstest.NewFaultyStore(s, actionstest.Fault{Op: actionstest.Delete, Nth: 3, Err: errNet})
	if n, err := actions.Purge(t.Context(), faulty, bare, nil); n != 2 || !errors.Is(err, errNet) {
		t.Errorf("got %d, %v, want 2 and an error", n, err)
	}
	faulty.Set(actionstest.Fault{Op: actionstest.List, Err: errNet})
	if n, err := actions.Purge(t.Context(), faulty, bare, nil); n != 0 || !errors.Is(err, errNet) {
		t.Errorf("got %d, %v, want an error", n, err)
	}
}
