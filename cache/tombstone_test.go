// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/cache"
)

// remembered returns the ids of those messages that have a tombstone.
func remembered(f *fixture, count int) (ids []int) {
	for i := range count {
		r := receipt(throne, strconv.Itoa(i))
		r.Resource = "someone who was sent nothing"
		if f.Settle(f.now, r).Verdict == cache.Ambiguous {
			ids = append(ids, i)
		}
	}
	return ids
}

func TestTombstonesAreBoundedAndTheUnansweredStayLongest(t *testing.T) {
	f := newFixture(t, &cache.Options{Tombstones: 4})
	for i := range 8 {
		r := f.sent(packet(strconv.Itoa(i), "a"))
		if i%4 == 0 {
			f.deliver(r, crown, 2) // which never answers
		}
		f.settle(receipt(throne, strconv.Itoa(i)), cache.Settled)
	}
	if diff := cmp.Diff([]int{0, 4, 6, 7}, remembered(f, 8)); diff != "" {
		t.Errorf("remembered (-want +got):\n%s", diff)
	}
	f.settle(receipt(crown, "0"), cache.Absorbed) // now the youngest of the answered
	f.Drop(f.now, f.sent(packet("8", "a")))
	f.Drop(f.now, f.sent(packet("9", "a")))
	if diff := cmp.Diff([]int{0, 4, 8, 9}, remembered(f, 10)); diff != "" {
		t.Errorf("then (-want +got):\n%s", diff)
	}
	f.Undeliver(cache.Ref{To: richard, Seq: 5}, 2) // nothing of it was written
	for i := 10; i < 12; i++ {
		f.Drop(f.now, f.sent(packet(strconv.Itoa(i), "a")))
	}
	if diff := cmp.Diff([]int{8, 9, 10, 11}, remembered(f, 12)); diff != "" {
		t.Errorf("at last (-want +got):\n%s", diff)
	}
	f.Drop(f.now, f.sent(packet("12", "a"))) // all are unanswered: the oldest goes
	if diff := cmp.Diff([]int{9, 10, 11, 12}, remembered(f, 13)); diff != "" {
		t.Errorf("of the unanswered (-want +got):\n%s", diff)
	}
	if got := f.Stats().Tombstones; got != 4 {
		t.Errorf("%d tombstones", got)
	}
}

func TestATombstoneIsAnsweredOnceItsLastCopyIsTakenBack(t *testing.T) {
	f := newFixture(t, &cache.Options{Tombstones: 2})
	f.Drop(f.now, f.sent(packet("0", "a")))
	r := f.sent(packet("1", "a"))
	f.Drop(f.now, r)
	f.Undeliver(r, 1)
	f.Drop(f.now, f.sent(packet("2", "a")))
	if diff := cmp.Diff([]int{0, 2}, remembered(f, 3)); diff != "" {
		t.Errorf("remembered (-want +got):\n%s", diff)
	}
}

func TestTombstonesAreForgottenWithAge(t *testing.T) {
	for _, tt := range []struct {
		name   string
		forget func(f *fixture)
	}{
		{"by Sweep", func(f *fixture) { f.Sweep(f.now) }},
		{"by Due", func(f *fixture) { seqs(f.Due(f.now)) }},
		{"by the next that is finished", func(f *fixture) { f.Drop(f.now, f.put(packet("x", "a"))) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, nil)
			f.sent(packet("0", "a"))
			f.deliver(f.sent(packet("1", "a")), crown, 2)
			for i := range 2 {
				f.settle(receipt(throne, strconv.Itoa(i)), cache.Settled)
			}
			f.now = after(10 * time.Minute)
			f.settle(receipt(crown, "1"), cache.Absorbed) // counts as new
			f.now = after(15 * time.Minute)
			f.Sweep(f.now)
			if diff := cmp.Diff([]int{0, 1}, remembered(f, 2)); diff != "" {
				t.Errorf("at the age (-want +got):\n%s", diff)
			}
			f.now = after(15*time.Minute + 1)
			tt.forget(f)
			if diff := cmp.Diff([]int{1}, remembered(f, 2)); diff != "" {
				t.Errorf("after the age (-want +got):\n%s", diff)
			}
			f.now = after(25*time.Minute + 1)
			tt.forget(f)
			if got := remembered(f, 2); got != nil {
				t.Errorf("still remembered: %v", got)
			}
			f.settle(receipt(throne, "0"), cache.Unknown)
		})
	}
}

func TestTombstoneSettings(t *testing.T) {
	none := newFixture(t, &cache.Options{Tombstones: -1})
	none.sent(packet("0", "a"))
	none.settle(receipt(throne, "0"), cache.Settled)
	none.settle(receipt(throne, "0"), cache.Unknown)

	endless := newFixture(t, &cache.Options{TombstoneAge: -1})
	endless.sent(packet("0", "a"))
	endless.settle(receipt(throne, "0"), cache.Settled)
	endless.Sweep(after(100_000 * time.Hour))
	endless.settle(receipt(throne, "0"), cache.Absorbed)
}

func TestAnEmptyCacheCanBeSwept(t *testing.T) {
	f := newFixture(t, nil)
	f.Sweep(f.now)
	if got := seqs(f.Due(f.now)); got != nil {
		t.Errorf("due: %v", got)
	}
}

// Ids are chosen by others: a few long ones must not fill the memory.
func TestLongIDsLeaveFewerTombstones(t *testing.T) {
	f := newFixture(t, &cache.Options{Tombstones: 100})
	long := strings.Repeat("x", 10_000)
	for i := range 100 {
		f.sent(packet(strconv.Itoa(i)+long, "a"))
		f.settle(receipt(throne, strconv.Itoa(i)+long), cache.Settled)
	}
	if got := f.Stats().Tombstones; got != 5 {
		t.Errorf("%d tombstones of 10 kB in the space of 100 of 512 bytes", got)
	}
	f.sent(packet(strings.Repeat("x", 100_000), "a"))
	f.settle(receipt(throne, strings.Repeat("x", 100_000)), cache.Settled)
	if got := f.Stats().Tombstones; got != 0 {
		t.Errorf("%d tombstones after one that is larger than the space for all", got)
	}
}

// One id used over and over must not make each receipt slower than the last.
func TestTombstonesOfOneNameAreFew(t *testing.T) {
	f := newFixture(t, nil)
	f.deliver(f.sent(packet("1", "first")), crown, 2)
	f.settle(receipt(throne, "1"), cache.Settled)
	for i := range 1000 {
		f.sent(packet("1", strconv.Itoa(i)))
		f.settle(receipt(throne, "1"), cache.Settled)
	}
	if got := f.Stats().Tombstones; got != 16 {
		t.Errorf("%d tombstones", got)
	}
	f.put(packet("1", "last"))
	got := f.settle(receipt(crown, "1"), cache.Absorbed)
	if got.Packet.Seq != 1 {
		t.Errorf("the unanswered one was forgotten: %+v", got.Packet)
	}
}

// Nor must those that were forgotten, while others stay that are many or long. If they
// did, this would take minutes.
func TestForgottenTombstonesOfOneNameCostNothing(t *testing.T) {
	f := newFixture(t, nil)
	cycle := func(id string) {
		f.Drop(f.now, f.sent(packet(id, "a")))
		f.settle(receipt(throne, id), cache.Absorbed)
	}
	long := strings.Repeat("x", 200_000)
	for i := range 150 {
		cycle(strconv.Itoa(i) + long)
	}
	for range 75_000 {
		cycle("1")
	}
	if got := f.Stats().Tombstones; got != 16+150 {
		t.Errorf("%d tombstones", got)
	}
}

// What has gone is not remembered, whoever buried the others.
func TestATombstoneThatHasGoneIsForgottenByAllCalls(t *testing.T) {
	f := newFixture(t, &cache.Options{Tombstones: 1})
	var refs []cache.Ref
	for i := range 3 {
		p := packet("1", "a")
		p.Key.To = strconv.Itoa(i) + "@royalty.england.lit"
		r := f.put(p)
		f.deliver(r, throne, 1)
		f.Drop(f.now, r)
		refs = append(refs, r)
	}
	if _, _, ok := f.Remembered(refs[0]); ok || f.Mark(refs[0], cache.Stored, 0) || f.Undeliver(refs[0], 1) {
		t.Error("the first of three is remembered where one may be")
	}
}

func TestOtherTombstonesOfOneNameCanGo(t *testing.T) {
	f := newFixture(t, &cache.Options{Tombstones: 3})
	for i := range 5 {
		f.sent(packet("1", strconv.Itoa(i)))
		f.settle(receipt(throne, "1"), cache.Settled)
	}
	last := f.sent(packet("1", "last"))
	if got := f.Stats().Tombstones; got != 3 {
		t.Errorf("%d tombstones", got)
	}
	f.settle(receipt(throne, "1"), cache.Settled)
	f.has(last, false)
}

// Tombstones of all lengths come and go: those that are remembered are the last ones,
// as they were.
func TestTombstonesOfAnyLength(t *testing.T) {
	for most := 1; most < 60; most++ {
		f := newFixture(t, &cache.Options{Tombstones: most, TombstoneAge: -1})
		var finished []cache.Packet
		for i := range 5 * most {
			p := packet(strconv.Itoa(i)+strings.Repeat("x", i*i*31%397), "a")
			p.Sum = uint64(i)
			p.Seq = f.put(p).Seq
			f.settle(receipt(throne, p.Key.ID), cache.Settled)
			p.Stanza = nil
			finished = append(finished, p)
			for j, want := range finished[max(0, i-most):] {
				if j == 0 && i >= most {
					want = cache.Packet{} // one too many
				}
				got, waits, ok := f.Remembered(finished[max(0, i-most)+j].Ref())
				if names := differing(want, got); names != nil || waits || ok != (want.Seq > 0) {
					t.Fatalf("at most %d, after %d, the last but %d: waits %v, remembered %v, with another %v", most, i+1, min(i, most)-j, waits, ok, names)
				}
			}
		}
	}
}

// Those that were forgotten before their turn do not come back.
func TestForgottenTombstonesStayForgotten(t *testing.T) {
	f := newFixture(t, nil)
	refs := []cache.Ref{f.sent(packet("0", "a"))} // stays, so that they go out of turn
	f.settle(receipt(throne, "0"), cache.Settled)
	for i := range 1000 {
		refs = append(refs, f.sent(packet("1", strconv.Itoa(i))))
		f.settle(receipt(throne, "1"), cache.Settled)
	}
	for _, want := range []int{1 + 16, 0} {
		count := 0
		for _, r := range refs {
			if _, _, ok := f.Remembered(r); ok {
				count++
			}
		}
		if got := f.Stats().Tombstones; got != want || count != want {
			t.Errorf("%d tombstones, and %d are found, want %d", got, count, want)
		}
		f.Sweep(after(time.Hour))
	}
}
