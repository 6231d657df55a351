// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/cache"
)

func TestLists(t *testing.T) {
	f := newFixture(t, nil)
	var refs []cache.Ref
	for i := range 6 {
		p := packet(strconv.Itoa(i), "a")
		if i%3 == 2 {
			p.Key.To = "queen@royalty.england.lit"
		}
		refs = append(refs, f.put(p))
		f.deliver(refs[i], throne, uint64(i%2))
	}
	f.deliver(refs[0], crown, 1)
	f.deliver(refs[0], crown, 1)
	f.Take(refs[1])
	f.Drop(f.now, refs[4])

	if diff := cmp.Diff([]uint64{1, 2, 4}, seqs(f.Of(richard))); diff != "" {
		t.Errorf("Of (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint64{1, 2, 4}, seqs(f.On(richard, 1))); diff != "" {
		t.Errorf("On stream 1 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint64{1}, seqs(f.On(richard, 0))); diff != "" {
		t.Errorf("On stream 0 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint64{1, 2, 3, 4, 6}, seqs(f.All())); diff != "" {
		t.Errorf("All (-want +got):\n%s", diff)
	}
	if got := seqs(f.Of("nobody")); got != nil {
		t.Errorf("Of nobody: %v", got)
	}
	for p := range f.Of(richard) {
		if p.Taken != (p.Seq == refs[1].Seq) {
			t.Errorf("packet %d: Taken is %v", p.Seq, p.Taken)
		}
	}
}

func TestTheBodyOfALoopMayChangeTheList(t *testing.T) {
	f := newFixture(t, nil)
	for i := range 5 {
		f.put(packet(strconv.Itoa(i), "a"))
	}
	var got []uint64
	for p := range f.Of(richard) {
		got = append(got, p.Seq)
		f.Drop(f.now, p.Ref())
		f.Drop(f.now, cache.Ref{To: richard, Seq: p.Seq + 1})
		f.put(packet("new "+strconv.Itoa(len(got)), "a"))
		if p.Seq == 3 {
			break
		}
	}
	if diff := cmp.Diff([]uint64{1, 3}, got); diff != "" {
		t.Errorf("yielded (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint64{5, 6, 7}, seqs(f.Of(richard))); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}
