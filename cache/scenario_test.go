// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/cache"
)

func TestS1TheReceiptSettles(t *testing.T) {
	f := newFixture(t, nil)
	p := packet("m1", "hello")
	r := f.sent(p)
	got := f.settle(receipt(throne, "m1"), cache.Settled)

	p.Seq = r.Seq
	p.Copies = []cache.Copy{{Resource: throne, Stream: 1, Acked: true}}
	want := cache.Settlement{Verdict: cache.Settled, Packet: p, Copy: p.Copies[0], HasCopy: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settlement (-want +got):\n%s", diff)
	}
	stats := cache.Stats{Tombstones: 1, Put: 1, Settled: 1}
	if diff := cmp.Diff(stats, f.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	if due := seqs(f.Due(after(time.Hour))); due != nil {
		t.Errorf("the deadline still stands: %v", due)
	}
}

func TestS2TheReceiptIsAddressedToTheBareSender(t *testing.T) {
	f := newFixture(t, nil)
	f.sent(packet("m1", "hello"))
	f.settle(cache.Receipt{To: richard, Resource: throne, From: percy, ID: "m1"}, cache.Settled)
}

func TestS7BothResourcesAcknowledge(t *testing.T) {
	f := newFixture(t, nil)
	r := f.sent(packet("m1", "hello"))
	f.deliver(r, crown, 2)
	f.settle(receipt(throne, "m1"), cache.Settled)
	got := f.settle(receipt(crown, "m1"), cache.Absorbed)

	p := packet("m1", "")
	p.Seq, p.Stanza = r.Seq, nil
	p.Copies = []cache.Copy{
		{Resource: throne, Stream: 1, Acked: true},
		{Resource: crown, Stream: 2, Acked: true},
	}
	want := cache.Settlement{Verdict: cache.Absorbed, Packet: p, Copy: p.Copies[1], HasCopy: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settlement (-want +got):\n%s", diff)
	}
	for _, resource := range []string{throne, crown, throne} {
		if got := f.settle(receipt(resource, "m1"), cache.Absorbed); got.HasCopy {
			t.Errorf("a repeated receipt answers a copy: %v", got)
		}
	}
}

// S7 and then S13: what was absorbed must not reach a younger message.
func TestS7S13AYoungerMessageIsSafeFromTheOtherResource(t *testing.T) {
	f := newFixture(t, nil)
	first := f.sent(packet("1", "hello"))
	f.deliver(first, crown, 2)
	f.settle(receipt(throne, "1"), cache.Settled)
	second := f.sent(packet("1", "another"))
	f.settle(receipt(crown, "1"), cache.Absorbed)
	f.settle(receipt(crown, "1"), cache.Absorbed)
	f.has(second, true)
	f.settle(receipt(throne, "1"), cache.Settled)
	f.has(second, false)
}

func TestS8S9AnotherAccountSettlesNothing(t *testing.T) {
	f := newFixture(t, nil)
	r := f.sent(packet("m1", "hello"))
	for _, account := range []string{"tybalt@capulet.lit", "bob@royalty.england.lit"} {
		f.settle(cache.Receipt{To: account, Resource: throne, From: from, ID: "m1"}, cache.Unknown)
		f.settle(cache.Receipt{To: account, Resource: throne, From: percy, ID: "m1"}, cache.Unknown)
	}
	f.has(r, true)
}

func TestS10AReceiptToAThirdPartySettlesNothing(t *testing.T) {
	f := newFixture(t, nil)
	r := f.sent(packet("m1", "hello"))
	for _, third := range []string{"romeo@montague.lit", "romeo@montague.lit/orchard", ""} {
		f.settle(cache.Receipt{To: richard, Resource: throne, From: third, ID: "m1"}, cache.Unknown)
	}
	f.has(r, true)
}

func TestS11TwoResourcesOfTheSenderUseOneID(t *testing.T) {
	f := newFixture(t, nil)
	p := packet("1", "from york")
	p.Key.From = york
	second := f.sent(p)
	first := f.sent(packet("1", "from westminster"))
	f.settle(receipt(throne, "1"), cache.Settled)
	f.has(first, false)
	f.has(second, true)
	f.settle(cache.Receipt{To: richard, Resource: throne, From: percy + "/windsor", ID: "1"}, cache.Unknown)
}

func TestS12ABareReceiptBelongsToTheOldestDeliveredToItsResource(t *testing.T) {
	f := newFixture(t, nil)
	p := packet("1", "from york")
	p.Key.From = york
	second := f.put(p) // put first, delivered second
	first := f.sent(packet("1", "from westminster"))
	f.deliver(second, throne, 1)
	third := f.put(packet("1", "to the other resource"))
	f.deliver(third, crown, 2)

	bare := cache.Receipt{To: richard, Resource: throne, From: percy, ID: "1"}
	for i, r := range []cache.Ref{first, second} {
		if got := f.settle(bare, cache.Settled); got.Packet.Ref() != r {
			t.Errorf("receipt %d settles %v, want %v", i, got.Packet.Ref(), r)
		}
	}
	f.settle(bare, cache.Absorbed)
	f.has(third, true)
}

func TestS13AnIDUsedTwiceNeedsTwoReceipts(t *testing.T) {
	f := newFixture(t, nil)
	first, second := f.sent(packet("1", "one")), f.sent(packet("1", "two"))
	f.settle(receipt(throne, "1"), cache.Settled)
	f.has(first, false)
	f.has(second, true)
	f.settle(receipt(throne, "1"), cache.Settled)
	f.has(second, false)
	f.settle(receipt(throne, "1"), cache.Absorbed)
}

func TestS15TheReceiptComesBeforeTheWriteReturns(t *testing.T) {
	f := newFixture(t, nil)
	r := f.put(packet("m1", "hello"))
	write := func() { f.settle(receipt(throne, "m1"), cache.Settled) }
	f.deliver(r, throne, 1)
	write()
	if due := seqs(f.Due(after(time.Hour))); due != nil {
		t.Errorf("the deadline still stands: %v", due)
	}
	if f.Again(f.now, r, ackWait) || f.Deliver(r, cache.Copy{Resource: crown}) {
		t.Error("a settled packet can be armed or delivered again")
	}
}

func TestS17S18AReceiptAfterTheFinalAction(t *testing.T) {
	f := newFixture(t, nil)
	r := f.sent(packet("m1", "hello"))
	f.now = after(ackWait)
	for p := range f.Due(f.now) {
		if _, ok := f.Take(p.Ref()); !ok {
			t.Fatal("Take: gone")
		}
		f.Mark(r, cache.Stored, 0)
		if late, ok := f.Drop(f.now, r); late || !ok {
			t.Errorf("Drop = %v, %v", late, ok)
		}
	}
	got := f.settle(receipt(throne, "m1"), cache.Absorbed)
	if !got.Packet.Marks.Has(cache.Stored) || got.Packet.Stanza != nil || !got.HasCopy {
		t.Errorf("the tombstone remembers %+v", got.Packet)
	}
	if !f.Mark(r, 0, cache.Stored) {
		t.Error("a tombstone can not be marked")
	}
	if got := f.settle(receipt(throne, "m1"), cache.Absorbed); got.Packet.Marks != 0 {
		t.Errorf("the mark still stands: %v", got.Packet.Marks)
	}
}

func TestS17AReceiptDuringTheActionIsLate(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(f *fixture, r cache.Ref)
	}{
		{"and Drop tells of it", func(f *fixture, r cache.Ref) {
			if late, ok := f.Drop(f.now, r); !late || !ok {
				f.Errorf("Drop = %v, %v", late, ok)
			}
		}},
		{"and Again finishes the packet", func(f *fixture, r cache.Ref) {
			if f.Again(f.now, r, ackWait) {
				f.Error("Again gives back a packet that was acknowledged")
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, nil)
			r := f.sent(packet("m1", "hello"))
			p, ok := f.Take(r)
			if !ok || !p.Taken {
				t.Fatalf("Take = %+v, %v", p, ok)
			}
			got := f.settle(receipt(throne, "m1"), cache.Late)
			if got.Packet.Stanza == nil || !got.Packet.Taken || !got.Copy.Acked {
				t.Errorf("settlement: %+v", got)
			}
			if got := f.settle(receipt(throne, "m1"), cache.Late); got.HasCopy {
				t.Errorf("a repeated receipt answers a copy: %+v", got)
			}
			f.has(r, true)
			if f.Deliver(r, cache.Copy{Resource: crown}) {
				t.Error("it can be delivered after its receipt")
			}
			tt.end(f, r)
			f.has(r, false)
			f.settle(receipt(throne, "m1"), cache.Absorbed)
			if n := f.Stats().Taken; n != 0 {
				t.Errorf("%d packets taken", n)
			}
		})
	}
}
