// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/cache"
)

// Each row sets a scene with messages of one id and says what the receipts of a
// resource then mean.
var settleTests = []struct {
	name  string
	scene func(f *fixture)
	from  string // of the receipts: throne if empty
	want  []cache.Verdict
}{
	{
		name:  "the only message, delivered to another resource: the client caught up",
		scene: func(f *fixture) { f.deliver(f.put(packet("1", "a")), crown, 2) },
		want:  []cache.Verdict{cache.Settled, cache.Ambiguous},
	},
	{
		name:  "the only message, never delivered",
		scene: func(f *fixture) { f.put(packet("1", "a")) },
		want:  []cache.Verdict{cache.Settled, cache.Ambiguous},
	},
	{
		name: "two messages, neither delivered to this resource",
		scene: func(f *fixture) {
			f.put(packet("1", "a"))
			f.deliver(f.put(packet("1", "b")), crown, 2)
		},
		want: []cache.Verdict{cache.Ambiguous},
	},
	{
		name: "one waits and one is finished, neither delivered to this resource",
		scene: func(f *fixture) {
			f.Drop(f.now, f.put(packet("1", "a")))
			f.put(packet("1", "b"))
		},
		want: []cache.Verdict{cache.Ambiguous},
	},
	{
		name: "the only message is taken and was not delivered to this resource",
		scene: func(f *fixture) {
			r := f.put(packet("1", "a"))
			f.deliver(r, crown, 2)
			f.Take(r)
		},
		want: []cache.Verdict{cache.Ambiguous},
	},
	{
		name: "one waits and one is taken, neither delivered to this resource",
		scene: func(f *fixture) {
			f.Take(f.put(packet("1", "a")))
			f.put(packet("1", "b"))
		},
		want: []cache.Verdict{cache.Ambiguous},
	},
	{
		name: "a repeated receipt does not reach a younger message that was not delivered here",
		scene: func(f *fixture) {
			f.sent(packet("1", "a"))
			f.settle(receipt(throne, "1"), cache.Settled)
			f.put(packet("1", "b"))
		},
		want: []cache.Verdict{cache.Absorbed, cache.Absorbed},
	},
	{
		name: "two copies on two streams of one resource take one receipt each",
		scene: func(f *fixture) {
			f.deliver(f.sent(packet("1", "a")), throne, 2)
			f.sent(packet("1", "b"))
		},
		want: []cache.Verdict{cache.Settled, cache.Absorbed, cache.Settled, cache.Absorbed},
	},
	{
		name: "a copy of which nothing was written takes no receipt",
		scene: func(f *fixture) {
			r := f.sent(packet("1", "a"))
			f.deliver(r, throne, 2)
			f.Undeliver(r, 2)
			f.sent(packet("1", "b"))
		},
		want: []cache.Verdict{cache.Settled, cache.Settled},
	},
	{
		name: "a packet whose only copy is taken back counts as never delivered",
		scene: func(f *fixture) {
			r := f.sent(packet("1", "a"))
			f.Undeliver(r, 1)
			f.sent(packet("1", "b"))
			f.deliver(r, throne, 1)
		},
		want: []cache.Verdict{cache.Settled, cache.Settled, cache.Absorbed},
	},
	{
		name: "this resource saw two messages in another order than they were first delivered in",
		scene: func(f *fixture) {
			a := f.sent(packet("1", "a"))
			f.deliver(f.put(packet("1", "b")), crown, 2)
			f.deliver(a, crown, 2)
		},
		from: crown,
		want: []cache.Verdict{cache.Ambiguous},
	},
	{
		name: "the same after the first delivery was taken back",
		scene: func(f *fixture) {
			a := f.sent(packet("1", "a"))
			f.deliver(f.put(packet("1", "b")), crown, 2)
			f.deliver(a, crown, 2)
			f.Undeliver(a, 1)
		},
		from: crown,
		want: []cache.Verdict{cache.Settled, cache.Settled, cache.Absorbed},
	},
	{
		name: "a finished message absorbs, whatever order this resource saw",
		scene: func(f *fixture) {
			a := f.sent(packet("1", "a"))
			f.deliver(f.put(packet("1", "b")), crown, 2)
			f.deliver(a, crown, 2)
			f.settle(receipt(throne, "1"), cache.Settled)
		},
		from: crown,
		want: []cache.Verdict{cache.Absorbed, cache.Settled},
	},
	{
		name: "a packet that is taken and the oldest is late, and the younger one waits its turn",
		scene: func(f *fixture) {
			a := f.sent(packet("1", "a"))
			f.sent(packet("1", "b"))
			f.Take(a)
		},
		want: []cache.Verdict{cache.Late, cache.Settled, cache.Absorbed},
	},
	{
		name:  "an id that nobody used",
		scene: func(f *fixture) { f.sent(packet("2", "a")) },
		want:  []cache.Verdict{cache.Unknown},
	},
	{
		name: "a sender without a resource is found by its bare address alone",
		scene: func(f *fixture) {
			p := packet("1", "a")
			p.Key.From = percy
			f.sent(p)
		},
		want: []cache.Verdict{cache.Unknown},
	},
}

func TestSettle(t *testing.T) {
	for _, tt := range settleTests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, nil)
			tt.scene(f)
			resource := tt.from
			if resource == "" {
				resource = throne
			}
			var got []cache.Verdict
			for range tt.want {
				got = append(got, f.Settle(f.now, receipt(resource, "1")).Verdict)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVerdictString(t *testing.T) {
	var got []string
	for v := range cache.Ambiguous + 2 {
		got = append(got, v.String())
	}
	want := []string{"unknown", "settled", "late", "absorbed", "ambiguous", "unknown"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// R186: a flood of receipts that name nothing costs no memory.
func TestAMillionUnknownReceiptsLeaveMemoryFlat(t *testing.T) {
	f := newFixture(t, nil)
	f.sent(packet("m1", "hello"))
	unknown := receipt(throne, "nothing")
	if n := testing.AllocsPerRun(1_000_000, func() { f.Settle(f.now, unknown) }); n != 0 {
		t.Errorf("%v allocations for each", n)
	}
	want := cache.Stats{Waiting: 1, Recipients: 1, Bytes: f.Stats().Bytes, Put: 1, Unknown: 1_000_001}
	if diff := cmp.Diff(want, f.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// What was handed out is never changed.
func TestCopiesThatWereHandedOutDoNotChange(t *testing.T) {
	f := newFixture(t, nil)
	r := f.sent(packet("m1", "hello"))
	f.deliver(r, crown, 2)
	before, _ := f.Get(r)
	f.deliver(r, "balcony", 3)
	_ = append(before.Copies, cache.Copy{Resource: "nobody"})
	between, _ := f.Get(r)
	f.Undeliver(r, 1)
	got := f.settle(receipt(crown, "m1"), cache.Settled)
	f.settle(receipt("balcony", "m1"), cache.Absorbed)
	want := []cache.Copy{{Resource: throne, Stream: 1}, {Resource: crown, Stream: 2}}
	if diff := cmp.Diff(want, before.Copies); diff != "" {
		t.Errorf("from Get (-want +got):\n%s", diff)
	}
	want = append(want, cache.Copy{Resource: "balcony", Stream: 3})
	if diff := cmp.Diff(want, between.Copies); diff != "" {
		t.Errorf("from the second Get (-want +got):\n%s", diff)
	}
	want = []cache.Copy{{Resource: crown, Stream: 2, Acked: true}, {Resource: "balcony", Stream: 3}}
	if diff := cmp.Diff(want, got.Packet.Copies); diff != "" {
		t.Errorf("from Settle (-want +got):\n%s", diff)
	}
}
