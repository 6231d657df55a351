// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/cache"
)

func TestDueIsNeverEarlyAndAtMostOneTickLate(t *testing.T) {
	f := newFixture(t, nil)
	f.now = after(3 * time.Millisecond)
	f.put(packet("0", "sets where the ticks are"))
	f.now = after(10 * time.Millisecond)
	r := f.put(packet("1", "a"))
	deadline := f.now.Add(ackWait)
	for _, step := range []struct {
		now  time.Time
		want []uint64
	}{
		{deadline.Add(-1), []uint64{1}},
		{deadline, nil},
		{deadline.Add(10 * time.Millisecond), []uint64{r.Seq}},
		{deadline.Add(time.Hour), nil},
	} {
		if diff := cmp.Diff(step.want, seqs(f.Due(step.now))); diff != "" {
			t.Errorf("at %v (-want +got):\n%s", step.now.Sub(deadline), diff)
		}
	}
	f.has(r, true)
	if got := f.Stats().Due; got != 2 {
		t.Errorf("%d were due", got)
	}
}

func TestDueWithoutAWaitNeverComes(t *testing.T) {
	f := newFixture(t, nil)
	f.Put(f.now, packet("1", "a"), 0)
	f.Put(f.now, packet("2", "b"), -time.Second)
	if got := seqs(f.Due(after(1000 * time.Hour))); got != nil {
		t.Errorf("due: %v", got)
	}
	if next, ok := f.Next(); ok {
		t.Errorf("Next: %v", next)
	}
}

func TestDueIsInOrderOfPutWhateverTheDeadline(t *testing.T) {
	f := newFixture(t, &cache.Options{Tick: time.Millisecond})
	var want []uint64
	for i := range 2000 {
		p := packet(strconv.Itoa(i), "a")
		p.Key.To = strconv.Itoa(i%100) + "@royalty.england.lit"
		r, err := f.Put(f.now, p, time.Duration(1+i*7919%2000)*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, r.Seq)
	}
	if diff := cmp.Diff(want, seqs(f.Due(after(time.Minute)))); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestALoopOverDueThatEndsEarlyLeavesTheRest(t *testing.T) {
	f := newFixture(t, nil)
	for i := range 5 {
		f.put(packet(strconv.Itoa(i), "a"))
	}
	now := after(time.Minute)
	for p := range f.Due(now) {
		if p.Seq == 2 {
			break
		}
	}
	if next, ok := f.Next(); !ok || next.After(now) {
		t.Errorf("Next: %v, %v", next, ok)
	}
	if diff := cmp.Diff([]uint64{3, 4, 5}, seqs(f.Due(now))); diff != "" {
		t.Errorf("rest (-want +got):\n%s", diff)
	}
}

func TestALoopOverDueThatPanicsLeavesTheRest(t *testing.T) {
	f := newFixture(t, nil)
	f.put(packet("1", "a"))
	f.put(packet("2", "a"))
	func() {
		defer func() { _ = recover() }()
		for range f.Due(after(time.Minute)) {
			panic("in the loop")
		}
	}()
	if diff := cmp.Diff([]uint64{2}, seqs(f.Due(after(time.Minute)))); diff != "" {
		t.Errorf("rest (-want +got):\n%s", diff)
	}
}

// What the body of a loop over Due does to a packet whose turn has not come.
var meanwhileTests = []struct {
	name string
	do   func(f *fixture, r cache.Ref)
	then []uint64 // due at the next call
}{
	{"is settled", func(f *fixture, r cache.Ref) { f.Settle(f.now, receipt(throne, "2")) }, nil},
	{"is taken", func(f *fixture, r cache.Ref) { f.Take(r) }, nil},
	{"is dropped", func(f *fixture, r cache.Ref) { f.Drop(f.now, r) }, nil},
	{"is armed again", func(f *fixture, r cache.Ref) { f.Again(f.now, r, time.Second) }, []uint64{2}},
	{"is given no deadline", func(f *fixture, r cache.Ref) { f.Again(f.now, r, 0) }, nil},
	{"is taken and given back", func(f *fixture, r cache.Ref) { f.Take(r); f.Again(f.now, r, time.Second) }, []uint64{2}},
}

func TestAPacketIsNotYieldedIfMeanwhileIt(t *testing.T) {
	for _, tt := range meanwhileTests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, nil)
			f.sent(packet("1", "a"))
			second := f.sent(packet("2", "b"))
			f.sent(packet("3", "c"))
			f.now = after(time.Minute)
			var got []uint64
			for p := range f.Due(f.now) {
				got = append(got, p.Seq)
				if p.Seq == 1 {
					tt.do(f, second)
				}
			}
			if diff := cmp.Diff([]uint64{1, 3}, got); diff != "" {
				t.Errorf("yielded (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.then, seqs(f.Due(f.now.Add(time.Minute)))); diff != "" {
				t.Errorf("then (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAgainSetsANewDeadline(t *testing.T) {
	f := newFixture(t, nil)
	r := f.put(packet("1", "a"))
	if !f.Again(f.now, r, time.Hour) {
		t.Fatal("Again: gone")
	}
	if got := seqs(f.Due(after(time.Hour - 1))); got != nil {
		t.Errorf("early: %v", got)
	}
	if diff := cmp.Diff([]uint64{1}, seqs(f.Due(after(time.Hour)))); diff != "" {
		t.Errorf("due (-want +got):\n%s", diff)
	}
}

func TestTheDeadlineIsKnownAsLongAsThereIsOne(t *testing.T) {
	f := newFixture(t, nil)
	if _, ok := f.Deadline(cache.Ref{To: richard, Seq: 1}); ok {
		t.Error("what was never put has a deadline")
	}
	r := f.put(packet("1", "a"))
	for _, step := range []struct {
		what string
		do   func()
		want time.Time
	}{
		{"put", func() {}, after(ackWait)},
		{"armed again", func() { f.Again(f.now, r, time.Hour) }, after(time.Hour)},
		{"taken", func() { f.Take(r) }, time.Time{}},
		{"given back", func() { f.Again(f.now, r, time.Minute) }, after(time.Minute)},
		{"due", func() { seqs(f.Due(after(time.Minute))) }, time.Time{}},
		{"armed once more", func() { f.Again(f.now, r, time.Minute) }, after(time.Minute)},
		{"dropped", func() { f.Drop(f.now, r) }, time.Time{}},
	} {
		step.do()
		got, ok := f.Deadline(r)
		if early := step.want.Sub(got); ok == step.want.IsZero() || early > 0 || early < -100*time.Millisecond {
			t.Errorf("%s: got %v %v, want %v", step.what, got, ok, step.want)
		}
	}
}

func TestTakeIsExclusive(t *testing.T) {
	f := newFixture(t, nil)
	r := f.put(packet("1", "a"))
	if _, ok := f.Take(r); !ok {
		t.Fatal("Take: gone")
	}
	if _, ok := f.Take(r); ok {
		t.Error("taken twice")
	}
	if got := seqs(f.Due(after(time.Hour))); got != nil {
		t.Errorf("a taken packet is due: %v", got)
	}
	if got := f.Stats().Taken; got != 1 {
		t.Errorf("%d taken", got)
	}
	if !f.Again(f.now, r, ackWait) {
		t.Error("Again: gone")
	}
	if p, ok := f.Take(r); !ok || p.Seq != r.Seq {
		t.Errorf("Take = %v, %v", p, ok)
	}
}

func TestNextLeadsARunnerToTheDeadline(t *testing.T) {
	f := newFixture(t, nil)
	if _, ok := f.Next(); ok {
		t.Error("an empty cache has a deadline")
	}
	f.Put(f.now, packet("2", "b"), 48*time.Hour)
	f.Put(f.now, packet("1", "a"), 24*time.Hour)
	wakings := 0
	for {
		next, ok := f.Next()
		if !ok || next.After(after(24*time.Hour)) {
			t.Fatalf("Next: %v, %v", next, ok)
		}
		if wakings++; seqs(f.Due(next)) != nil {
			break
		}
	}
	if wakings > 6 {
		t.Errorf("%d wakings", wakings)
	}
}

// A Ref that is made up, or whose packet is long gone, does nothing.
func TestAWrongRef(t *testing.T) {
	f := newFixture(t, &cache.Options{Tombstones: -1})
	gone := f.put(packet("1", "a"))
	f.Drop(f.now, gone)
	there := f.put(packet("2", "b"))
	for _, r := range []cache.Ref{gone, {}, {To: "someone", Seq: there.Seq}, {To: richard, Seq: 99}} {
		_, get := f.Get(r)
		_, take := f.Take(r)
		late, drop := f.Drop(f.now, r)
		got := []bool{
			get, take, late, drop, f.Again(f.now, r, ackWait), f.Mark(r, 1, 0), f.Count(r),
			f.Deliver(r, cache.Copy{}), f.Undeliver(r, 0),
		}
		if diff := cmp.Diff(make([]bool, len(got)), got); diff != "" {
			t.Errorf("with %v (-want +got):\n%s", r, diff)
		}
	}
}

func TestMarksAndAttempts(t *testing.T) {
	f := newFixture(t, nil)
	p := packet("1", "a")
	p.Marks = cache.Chat | cache.Parked
	r := f.put(p)
	if !f.Mark(r, cache.Stored|cache.Read, cache.Parked) || !f.Count(r) || !f.Count(r) {
		t.Error("the packet is gone")
	}
	got, _ := f.Get(r)
	if got.Marks != cache.Chat|cache.Stored|cache.Read || got.Attempt != 2 {
		t.Errorf("marks %b, attempts %d", got.Marks, got.Attempt)
	}
}

func TestUndeliverTakesBackOneCopy(t *testing.T) {
	f := newFixture(t, nil)
	r := f.sent(packet("1", "a"))
	f.deliver(r, throne, 1)
	for i, want := range []bool{true, true, false} {
		if got := f.Undeliver(r, 1); got != want {
			t.Errorf("%d: got %v, want %v", i, got, want)
		}
	}
	f.deliver(r, throne, 1)
	f.settle(receipt(throne, "1"), cache.Settled)
	if f.Undeliver(r, 1) {
		t.Error("a copy that was answered is taken back")
	}
}
