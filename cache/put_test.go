// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/cache"
)

func TestPutNeedsAWholeKey(t *testing.T) {
	f := newFixture(t, nil)
	for _, key := range []cache.Key{{}, {From: from, ID: "1"}, {To: richard, ID: "1"}, {To: richard, From: from}} {
		if _, err := f.Put(f.now, cache.Packet{Key: key}, ackWait); !errors.Is(err, cache.ErrKey) {
			t.Errorf("Put(%+v) = %v", key, err)
		}
	}
	if f.Len() != 0 {
		t.Errorf("Len() = %d", f.Len())
	}
}

// R116: a retransmission has one entry, another message with the same id its own.
func TestARetransmissionIsADuplicate(t *testing.T) {
	f := newFixture(t, nil)
	first := f.put(packet("1", "one"))
	second := f.put(packet("1", "two"))
	for _, tt := range []struct {
		body string
		want cache.Ref
	}{{"one", first}, {"two", second}} {
		got, err := f.Put(f.now, packet("1", tt.body), ackWait)
		if got != tt.want || !errors.Is(err, cache.ErrDuplicate) {
			t.Errorf("Put(%s) = %v, %v, want %v", tt.body, got, err, tt.want)
		}
	}
	f.Take(first)
	if got, err := f.Restore(f.now, packet("1", "one"), 0); got != first || !errors.Is(err, cache.ErrDuplicate) {
		t.Errorf("Restore of a taken packet = %v, %v", got, err)
	}
	f.Drop(f.now, first)
	if third := f.put(packet("1", "one")); third == first {
		t.Error("a finished packet came back")
	}
	other := packet("1", "one")
	other.Sum = 1
	f.put(other)
	if got, want := f.Stats().Duplicate, uint64(3); got != want {
		t.Errorf("%d duplicates, want %d", got, want)
	}
}

// R185: resending costs no memory without end.
func TestTheSameMessageSentOftenStaysOneEntry(t *testing.T) {
	f := newFixture(t, nil)
	r := f.put(packet("1", "a"))
	for i := range 1000 {
		f.deliver(r, throne, uint64(i))
		f.Put(f.now, packet("1", "a"), ackWait)
	}
	p, _ := f.Get(r)
	if len(p.Copies) != 64 || p.Copies[63].Stream != 999 || p.Copies[0].Stream != 936 || f.Len() != 1 {
		t.Errorf("%d packets, %d copies: %v", f.Len(), len(p.Copies), p.Copies)
	}
}

func TestAnEmptyStanzaIsNoDuplicateOfATombstone(t *testing.T) {
	f := newFixture(t, nil)
	p := cache.Packet{Key: cache.Key{To: richard, From: from, ID: "1"}}
	f.Drop(f.now, f.put(p))
	f.has(f.put(p), true)
}

func TestPutResetsWhatTheCacheSets(t *testing.T) {
	f := newFixture(t, nil)
	p := packet("1", "a")
	p.Seq, p.Taken, p.Copies = 77, true, []cache.Copy{{Resource: crown}}
	got, _ := f.Get(f.put(p))
	want := packet("1", "a")
	want.Seq = 1
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packet (-want +got):\n%s", diff)
	}
	if got.Identity() != p.Identity() {
		t.Errorf("Identity() = %v", got.Identity())
	}
}

// A limit, and packets that reach it and pass it.
var limitTests = []struct {
	name   string
	limits cache.Limits
	fill   int // packets that fit
	packet func(i int) cache.Packet
	other  func() cache.Packet // fits all the same
	text   string
}{
	{
		name:   "packets for one recipient",
		limits: cache.Limits{RecipientPackets: 3},
		fill:   3,
		packet: func(i int) cache.Packet { return fromSender(i, richard) },
		other:  func() cache.Packet { return fromSender(0, "queen@royalty.england.lit") },
		text:   "packets for this recipient",
	},
	{
		name:   "bytes for one recipient",
		limits: cache.Limits{RecipientBytes: 350},
		fill:   3,
		packet: func(i int) cache.Packet { return fromSender(i, richard) },
		other:  func() cache.Packet { return fromSender(0, "queen@royalty.england.lit") },
		text:   "bytes for this recipient",
	},
	{
		name:   "packets from one sender to one recipient, over the sender's resources",
		limits: cache.Limits{PairPackets: 3},
		fill:   3,
		packet: func(i int) cache.Packet {
			p := packet("1", strconv.Itoa(i))
			p.Key.From = percy + "/" + strconv.Itoa(i)
			return p
		},
		other: func() cache.Packet { return fromSender(0, richard) },
		text:  "packets from this sender to this recipient",
	},
	{
		name:   "packets in all",
		limits: cache.Limits{Packets: 3},
		fill:   3,
		packet: func(i int) cache.Packet { return fromSender(i, strconv.Itoa(i)+"@royalty.england.lit") },
		text:   "packets in all",
	},
	{
		name:   "bytes in all",
		limits: cache.Limits{Bytes: 399},
		fill:   3,
		packet: func(i int) cache.Packet { return fromSender(i, strconv.Itoa(i)+"@royalty.england.lit") },
		text:   "bytes in all",
	},
}

// fromSender returns a packet of 100 bytes from one of many senders.
func fromSender(i int, to string) cache.Packet {
	return cache.Packet{
		Key:    cache.Key{To: to, From: strconv.Itoa(i) + "@shakespeare.lit/home", ID: "1"},
		Stanza: make([]byte, 100),
	}
}

func TestLimits(t *testing.T) {
	for _, tt := range limitTests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, &cache.Options{Limits: tt.limits})
			var refs []cache.Ref
			for i := range tt.fill {
				refs = append(refs, f.put(tt.packet(i)))
			}
			full := func() {
				t.Helper()
				before := f.Len()
				_, err := f.Put(f.now, tt.packet(tt.fill), ackWait)
				if !errors.Is(err, cache.ErrFull) || !strings.HasSuffix(err.Error(), tt.text) {
					t.Errorf("over the limit: %v", err)
				}
				if f.Len() != before {
					t.Errorf("a packet that was refused counts: %d, before %d", f.Len(), before)
				}
			}
			full()
			if tt.other != nil {
				f.put(tt.other())
			}

			// What is given back may be used again, once.
			k := tt.packet(0).Key
			f.settle(cache.Receipt{To: k.To, Resource: throne, From: k.From, ID: k.ID}, cache.Settled)
			f.put(tt.packet(tt.fill + 1))
			full()
			f.Drop(f.now, refs[1])
			f.put(tt.packet(tt.fill + 2))
			full()

			// What stands in a store is kept whatever the limit, and counts.
			if _, err := f.Restore(f.now, tt.packet(tt.fill+3), 0); err != nil {
				t.Errorf("Restore: %v", err)
			}
			f.Drop(f.now, refs[2])
			full()
			if got := f.Stats().Full; got != 4 {
				t.Errorf("%d were refused, want 4", got)
			}
		})
	}
}

func TestANegativeLimitIsNone(t *testing.T) {
	f := newFixture(t, &cache.Options{Limits: cache.Limits{
		RecipientPackets: -1, RecipientBytes: -1, PairPackets: -1, Packets: -1, Bytes: -1,
	}})
	big := packet("big", "")
	big.Stanza = make([]byte, 17<<20)
	f.put(big)
	for i := range 10_001 {
		f.put(packet(strconv.Itoa(i), "a"))
	}
}

func TestDefaultLimits(t *testing.T) {
	f := newFixture(t, nil)
	for i := range 5000 {
		f.put(packet(strconv.Itoa(i), "a"))
	}
	if _, err := f.Put(f.now, packet("x", "a"), 0); !errors.Is(err, cache.ErrFull) {
		t.Errorf("the pair's 5,001st: %v", err)
	}
	for i := range 5000 {
		f.put(fromSender(i, richard))
	}
	if _, err := f.Put(f.now, fromSender(5000, richard), 0); !errors.Is(err, cache.ErrFull) {
		t.Errorf("the recipient's 10,001st: %v", err)
	}
	big := fromSender(0, "queen@royalty.england.lit")
	big.Stanza = make([]byte, 16<<20)
	f.put(big)
	if _, err := f.Put(f.now, fromSender(1, "queen@royalty.england.lit"), 0); !errors.Is(err, cache.ErrFull) {
		t.Errorf("over 16 MiB: %v", err)
	}
}

func TestARecipientWithoutPacketsTakesNoSpace(t *testing.T) {
	f := newFixture(t, nil)
	r := f.put(packet("1", "a"))
	f.put(packet("2", "b"))
	f.Drop(f.now, r)
	if got := f.Stats().Recipients; got != 1 {
		t.Errorf("%d recipients, want 1", got)
	}
	f.settle(receipt(throne, "2"), cache.Settled)
	want := cache.Stats{Tombstones: 2, Put: 2, Settled: 1, Dropped: 1}
	if diff := cmp.Diff(want, f.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}
