// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions_test

import (
	"fmt"
	"testing"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
)

func BenchmarkMemStorePutDelete(b *testing.B) {
	for _, waiting := range []int{0, 9_000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			s := new(actions.MemStore)
			fill(b, s, bare, waiting)
			row := actions.NewRow(actionstest.NewPacket(bare, henry, "new"), false)
			id := row.Packet.Identity()
			b.ReportAllocs()
			for b.Loop() {
				row.Packet.Received = row.Packet.Received.Add(1e12)
				s.Put(b.Context(), row)
				s.Delete(b.Context(), id)
			}
		})
	}
}

func BenchmarkMemStorePut(b *testing.B) {
	s := actions.NewMemStore(&actions.MemStoreOptions{MaxMessages: 1 << 40, MaxBytes: 1 << 50, TotalBytes: 1 << 50})
	row := actions.NewRow(actionstest.NewPacket(bare, henry, "new"), false)
	b.ReportAllocs()
	for b.Loop() {
		row.Packet.Sum++
		s.Put(b.Context(), row)
	}
}

func BenchmarkMemStoreList(b *testing.B) {
	s := new(actions.MemStore)
	fill(b, s, bare, 9_000)
	b.ReportAllocs()
	for b.Loop() {
		if rows, _ := s.List(b.Context(), bare, 4_500, 64); len(rows) != 64 {
			b.Fatal("no rows")
		}
	}
}

func BenchmarkMemStoreNews(b *testing.B) {
	s := new(actions.MemStore)
	recipients := make([]string, 1_000)
	for i := range recipients {
		recipients[i] = fmt.Sprintf("user%d@x.lit", i)
		fill(b, s, recipients[i], 20)
	}
	_, mark, _ := s.News(b.Context(), nil, "", 0)
	b.ReportAllocs()
	for b.Loop() {
		s.News(b.Context(), recipients, mark, 0)
	}
}
