// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/cache"
)

// deepCopy returns p in memory of its own.
func deepCopy(p cache.Packet) cache.Packet {
	p.Key = cache.Key{To: strings.Clone(p.Key.To), From: strings.Clone(p.Key.From), ID: strings.Clone(p.Key.ID)}
	p.Resource = strings.Clone(p.Resource)
	p.Stanza = bytes.Clone(p.Stanza)
	p.Copies = slices.Clone(p.Copies)
	for i := range p.Copies {
		p.Copies[i].Resource = strings.Clone(p.Copies[i].Resource)
	}
	return p
}

// whole returns a packet of which every field is set. All of them are of one size, so
// that one fits into the memory of another.
func whole(n int, letter string) cache.Packet {
	p := packet(fmt.Sprintf("%06d", n), strings.Repeat(letter, 100))
	p.Key.From = percy + "/" + strings.Repeat(letter, 8)
	p.Resource = strings.Repeat(letter, 9)
	p.Sum, p.Marks, p.Attempt = uint64(n), cache.Chat|cache.Room, n%10
	p.Received, p.Expires = after(-time.Duration(n)*time.Second), after(time.Duration(n+1)*time.Hour)
	return p
}

// What was got stays as it was, after the memory in which it lay is used again, and
// whoever got it may append to it.
func TestAPacketThatWasGotStaysAsItWas(t *testing.T) {
	type sighting struct {
		how                string
		packet, want       cache.Packet
		longer, wantLonger []byte
	}
	f := newFixture(t, &cache.Options{Tombstones: 8})
	var all []sighting
	see := func(how string, p cache.Packet) {
		t.Helper()
		if p.Seq == 0 || len(p.Copies) != 2 {
			t.Fatalf("%s: %+v", how, p)
		}
		s := sighting{how: how, packet: p, want: deepCopy(p), longer: append(p.Stanza, how...)}
		s.wantLonger = bytes.Clone(s.longer)
		all = append(all, s)
	}
	seeEach := func(how string, packets iter.Seq[cache.Packet]) {
		t.Helper()
		before := len(all)
		for p := range packets {
			see(how, p)
		}
		if n := len(all) - before; n != 20 {
			t.Errorf("%s: %d packets", how, n)
		}
	}
	// send puts a packet, delivers it to both resources and returns its receipt.
	send := func(n int, letter, resource string) (cache.Ref, cache.Receipt) {
		p := whole(n, letter)
		r := f.put(p)
		f.deliver(r, resource+" "+letter, 1)
		f.deliver(r, crown+" "+letter, 2)
		return r, cache.Receipt{To: richard, Resource: resource + " " + letter, From: percy, ID: p.Key.ID}
	}
	for n := range 20 {
		r, receipt := send(n, "a", throne)
		get, _ := f.Get(r)
		see("Get", get)
		if n%2 == 0 {
			taken, _ := f.Take(r)
			see("Take", taken)
			see("Settle, late", f.settle(receipt, cache.Late).Packet)
			f.Again(f.now, r, ackWait) // which finishes it
		} else {
			see("Settle", f.settle(receipt, cache.Settled).Packet)
		}
		remembered, _, _ := f.Remembered(r)
		see("Remembered", remembered)
		receipt.Resource = crown + " a"
		see("Settle, absorbed", f.settle(receipt, cache.Absorbed).Packet)
	}
	for n := range 20 {
		send(100+n, "b", throne)
	}
	seeEach("Of", f.Of(richard))
	seeEach("On", f.On(richard, 2))
	seeEach("All", f.All())
	f.now = after(time.Minute)
	seeEach("Due", f.Due(f.now))

	for n := range 4000 {
		r, receipt := send(1000+n, "c", crown)
		switch n % 3 {
		case 0:
			f.settle(receipt, cache.Settled)
		case 1:
			f.Drop(f.now, r)
		}
		if n == 2000 {
			for p := range f.Of(richard) {
				f.Drop(f.now, p.Ref())
			}
		}
	}
	for _, s := range all {
		if diff := cmp.Diff(s.want, s.packet); diff != "" {
			t.Fatalf("from %s (-want +got):\n%s", s.how, diff)
		}
		if !bytes.Equal(s.longer, s.wantLonger) {
			t.Fatalf("from %s, and appended to: %q, want %q", s.how, s.longer, s.wantLonger)
		}
	}
}

// An odd packet has a string that is long, or that lies far behind in the stanza.
type oddPacket struct {
	number            int
	which             int // of the strings
	size, offset      int // of that string; the offset is 0 if it does not matter
	cut               bool
	received, expires time.Time
}

func (o oddPacket) String() string {
	return fmt.Sprintf("%s of %d bytes at %d, cut from the stanza: %v, received %v, expires %v",
		[]string{"recipient", "sender", "id", "resource"}[o.which], o.size, o.offset, o.cut, o.received, o.expires)
}

// packet returns the packet. If its strings are cut from the stanza, the odd one comes
// last there; else the stanza is so long that the odd one lies at its offset, if those
// before it are appended to the stanza.
func (o oddPacket) packet() cache.Packet {
	texts := []string{richard, from, fmt.Sprintf("%06d", o.number), throne}
	texts[o.which] = (texts[o.which] + strings.Repeat("x", o.size))[:o.size]
	rest := strings.Join(slices.Delete(slices.Clone(texts), o.which, o.which+1), "")
	before := len(strings.Join(texts[:o.which], ""))
	p := cache.Packet{Sum: 7, Marks: cache.Chat, Attempt: 3, Received: o.received, Expires: o.expires}
	if o.cut {
		p.Stanza = []byte(rest + strings.Repeat("-", max(0, o.offset-len(rest))) + texts[o.which])
		for i, text := range texts {
			at := strings.LastIndex(string(p.Stanza), text)
			texts[i] = unsafe.String(&p.Stanza[at], len(text))
		}
	} else {
		p.Stanza = bytes.Repeat([]byte("-"), max(10, o.offset-before))
	}
	p.Key, p.Resource = cache.Key{To: texts[0], From: texts[1], ID: texts[2]}, texts[3]
	return p
}

func oddPackets() (all []oddPacket) {
	times := []time.Time{
		{},
		time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
		start.Add(-time.Hour),
		start.Add(time.Nanosecond),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	}
	add := func(o oddPacket) {
		for n := range 25 {
			if small := o.size+o.offset < 1000; small || n < 3 || n == 24 {
				o.number, o.received, o.expires = len(all), times[n%5], times[n/5]
				all = append(all, o)
			}
		}
	}
	for n := range 8 {
		o := oddPacket{which: n % 4, cut: n < 4}
		for _, edge := range []int{254, 255, 256, 65_534, 65_535, 65_536, 65_537, 200_000} {
			o.size, o.offset = edge, 0
			add(o)
			o.size, o.offset = 20, edge
			add(o)
		}
	}
	return all
}

// differing returns the names of the fields in which packets differ: some are too long
// to be shown.
func differing(want, got cache.Packet) (names []string) {
	for _, field := range []struct {
		name string
		same bool
	}{
		{"Key", want.Key == got.Key},
		{"Sum", want.Sum == got.Sum},
		{"Resource", want.Resource == got.Resource},
		{"Marks", want.Marks == got.Marks},
		{"Received", want.Received.Equal(got.Received)},
		{"Expires", want.Expires.Equal(got.Expires)},
		{"Attempt", want.Attempt == got.Attempt},
		{"Stanza", bytes.Equal(want.Stanza, got.Stanza)},
		{"Seq", want.Seq == got.Seq},
		{"Copies", slices.Equal(want.Copies, got.Copies)},
		{"Taken", want.Taken == got.Taken},
	} {
		if !field.same {
			names = append(names, field.name)
		}
	}
	return names
}

// Strings of any length and times of any age come out as they were put, as long as the
// packet waits and as long as it is remembered.
func TestLongStringsAndFarTimes(t *testing.T) {
	f := newFixture(t, &cache.Options{Tombstones: 1 << 20, TombstoneAge: -1})
	f.Sweep(start) // the first time that the cache hears of
	var finished []cache.Packet
	odd := oddPackets()
	for _, o := range odd {
		same := func(what string, want, got cache.Packet) {
			t.Helper()
			if names := differing(want, got); names != nil {
				t.Fatalf("%v: %s has another %v", o, what, names)
			}
		}
		p := o.packet()
		r := f.put(p)
		f.deliver(r, p.Resource, 1)
		p.Seq, p.Copies = r.Seq, []cache.Copy{{Resource: p.Resource, Stream: 1}}
		if again, err := f.Put(f.now, p, 0); again != r || !errors.Is(err, cache.ErrDuplicate) {
			t.Fatalf("%v: put again: %v", o, err)
		}
		got, _ := f.Get(r)
		same("Get", p, got)
		only := func(what string, packets iter.Seq[cache.Packet]) {
			t.Helper()
			all := slices.Collect(packets)
			if len(all) != 1 {
				t.Fatalf("%v: %s yields %d packets", o, what, len(all))
			}
			same(what, p, all[0])
		}
		only("Of", f.Of(p.Key.To))
		f.now = f.now.Add(time.Hour)
		only("Due", f.Due(f.now))
		p.Copies = []cache.Copy{{Resource: p.Resource, Stream: 1, Acked: true}}
		receipt := cache.Receipt{To: p.Key.To, Resource: p.Resource, From: cache.Bare(p.Key.From), ID: p.Key.ID}
		same("Settle", p, f.settle(receipt, cache.Settled).Packet)
		p.Stanza = nil
		got, _, _ = f.Remembered(r)
		same("Remembered", p, got)
		if _, err := f.Restore(f.now, p, 0); !errors.Is(err, cache.ErrFinished) {
			t.Fatalf("%v: restored: %v", o, err)
		}
		finished = append(finished, deepCopy(p))
	}
	for i, p := range finished {
		got, _, _ := f.Remembered(p.Ref())
		if names := differing(p, got); names != nil {
			t.Fatalf("%v: at last another %v is remembered", odd[i], names)
		}
	}
}

// heap returns how much memory is in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what has a finalizer goes at the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestMemoryIsGivenUp(t *testing.T) {
	const packets = 100_000
	f := newFixture(t, &cache.Options{TombstoneAge: 30 * time.Second})
	before := heap()
	s := newSample(packets)
	s.recipients = 1000
	s.bytes = append(s.bytes, make([]byte, 2000)...)
	for i := range packets {
		p := s.packet(i)
		p.Stanza = p.Stanza[:400+i%50*40]
		f.put(p)
	}
	peak := heap() - before
	for i := range packets {
		k := s.packet(i).Key
		f.settle(cache.Receipt{To: k.To, Resource: throne, From: k.From, ID: k.ID}, cache.Settled)
	}
	for range 60 {
		f.now = f.now.Add(time.Second)
		seqs(f.Due(f.now))
	}
	left := heap() - before
	t.Logf("%d bytes at the peak, %d left", peak, left)
	if left > peak/20 {
		t.Errorf("%d bytes are left of %d", left, peak)
	}
	want := cache.Stats{Put: packets, Settled: packets}
	if diff := cmp.Diff(want, f.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// What is remembered of a burst must not hold the memory of all of it: it lies here and
// there between what has gone.
func TestTombstonesMoveTogether(t *testing.T) {
	const packets = 50_000
	f := newFixture(t, &cache.Options{Tombstones: 1000})
	before := heap()
	s := newSample(packets)
	refs := make([]cache.Ref, packets)
	for i := range refs {
		refs[i] = f.put(s.packet(i))
		refs[i].To = strings.Clone(refs[i].To)
	}
	peak := heap() - before
	order := rand.New(rand.NewPCG(1, 1)).Perm(packets)
	for _, i := range order {
		f.Drop(f.now, refs[i])
	}
	last := refs[order[packets-1]]
	f.Mark(last, cache.Stored, 0)
	for range 30 {
		f.now = f.now.Add(time.Second)
		seqs(f.Due(f.now))
	}
	left := heap() - before
	t.Logf("%d bytes at the peak, %d left", peak, left)
	if left > peak/5 {
		t.Errorf("%d bytes are left of %d", left, peak)
	}
	count := 0
	for i, at := range order {
		p, waits, ok := f.Remembered(refs[at])
		if ok != (i >= packets-1000) || waits || ok && p.Key != s.packet(at).Key {
			t.Fatalf("the last but %d: %+v, waits %v, remembered %v", packets-i-1, p, waits, ok)
		}
		if p.Marks.Has(cache.Stored) {
			count++
		}
	}
	if count != 1 {
		t.Errorf("%d have the mark of one", count)
	}
}

// Of what is remembered, stanzas are no part.
func TestTombstonesHoldNoLargeStanza(t *testing.T) {
	f := newFixture(t, nil)
	large := strings.Repeat("x", 30_000)
	before := heap()
	for i := range 1000 {
		p := packet(strconv.Itoa(i), large)
		f.Drop(f.now, f.put(p))
	}
	if more := heap() - before; more > 2_000_000 {
		t.Errorf("%d bytes for 1,000 tombstones", more)
	}
	runtime.KeepAlive(f)
}

// What comes and goes leaves nothing behind, however often.
func TestWhatComesAndGoesTakesNoSpace(t *testing.T) {
	packets := make([]cache.Packet, 100)
	for i := range packets {
		packets[i] = packet(strconv.Itoa(i), "a")
	}
	wave := func(f *fixture, size int) {
		for _, p := range packets[:size] {
			r := f.put(p)
			f.deliver(r, throne, 1)
			f.deliver(r, crown, 2)
			f.Undeliver(r, 1)
		}
		for _, p := range packets[:size] {
			f.settle(receipt(crown, p.Key.ID), cache.Settled)
		}
	}
	for _, tt := range []struct {
		name  string
		o     cache.Options
		round func(f *fixture, i int)
		count int
	}{
		{"accounts that grow a little", cache.Options{Tombstones: -1}, func(f *fixture, _ int) { wave(f, 20) }, 3000},
		{"accounts that grow", cache.Options{Tombstones: -1}, func(f *fixture, _ int) { wave(f, len(packets)) }, 300},
		{"tombstones", cache.Options{Tombstones: 50}, func(f *fixture, _ int) { wave(f, 20) }, 1000},
		{"accounts that meet their limit", cache.Options{Tombstones: -1, Limits: cache.Limits{PairPackets: 1}}, func(f *fixture, i int) {
			p := packet("1", "a")
			p.Key.To = strconv.Itoa(i)
			r := f.put(p)
			p.Key.ID = "2"
			if _, err := f.Put(f.now, p, 0); !errors.Is(err, cache.ErrFull) {
				f.Fatalf("over the limit: %v", err)
			}
			f.Drop(f.now, r)
		}, 10_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, &tt.o)
			for i := range tt.count / 10 {
				tt.round(f, -i)
			}
			before := heap()
			for i := range tt.count {
				tt.round(f, i)
			}
			if more := heap() - before; more > 250_000 {
				t.Errorf("%d bytes more than before", more)
			}
			runtime.KeepAlive(f)
		})
	}
}

// Packets that come, wait and are settled cost no memory but that which was there.
func TestWaitingCostsNoAllocation(t *testing.T) {
	const waiting = 1000
	f := newFixture(t, &cache.Options{Tombstones: 1000, Brief: true})
	puts, settles := newSample(waiting), newSample(waiting)
	i := 0
	put := func() {
		f.put(puts.packet(i))
		i++
	}
	pair := func() {
		put()
		k := settles.packet(i - 1 - waiting).Key
		f.settle(cache.Receipt{To: k.To, Resource: throne, From: k.From, ID: k.ID}, cache.Settled)
		f.now = f.now.Add(10 * time.Millisecond)
	}
	for range waiting {
		put()
	}
	for range 20 * waiting {
		pair()
	}
	if n := testing.AllocsPerRun(20, func() {
		for range 1000 {
			pair()
		}
	}); n != 0 {
		t.Errorf("%v allocations for 1,000", n)
	}
}

// The strings of a packet may be cut from anywhere, be it only in part from the stanza.
func TestAStringThatEndsBehindTheStanza(t *testing.T) {
	f := newFixture(t, nil)
	memory := "<message/>" + richard + from + "12345"
	at := len("<message/>")
	p := cache.Packet{Key: cache.Key{To: memory[at : at+len(richard)], From: from, ID: memory[len(memory)-5:]}}
	p.Stanza = unsafe.Slice(unsafe.StringData(memory), at+3)
	f.put(p)
	p.Key.ID = memory[len(memory)-4:]
	p.Stanza = unsafe.Slice(unsafe.StringData(memory), len(memory)-2)
	p.Seq = f.put(p).Seq
	got := f.settle(cache.Receipt{To: richard, From: from, ID: "2345"}, cache.Settled)
	if diff := cmp.Diff(p, got.Packet); diff != "" {
		t.Errorf("packet (-want +got):\n%s", diff)
	}
}

// A Ref means nothing in the account of another, whatever the hash of that.
func TestARefIsOfItsRecipient(t *testing.T) {
	f := newFixture(t, nil)
	f.Narrow(0)
	r := f.put(packet("1", "a"))
	f.has(cache.Ref{To: "queen@royalty.england.lit", Seq: r.Seq}, false)
	f.has(r, true)
}
