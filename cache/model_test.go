// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/untilack/untilack/cache"
)

// What the operations of a model test choose from. Keys are made to be mistaken for
// each other.
var (
	recipients = []string{richard, "queen@royalty.england.lit"}
	senders    = []string{from, york, percy, "romeo@montague.lit/orchard", "/", "a/b/c"}
	receiptsTo = []string{from, york, percy, percy + "/windsor", "romeo@montague.lit", "", "a", "a/b"}
	ids        = []string{"1", "2", " 1"}
	bodies     = []string{"a", "b", "c"}
	resources  = []string{throne, crown, ""}
	waits      = []time.Duration{0, 1, 10 * time.Millisecond, time.Second, time.Minute, 25 * time.Hour}
)

// A script is where a model test takes its choices from.
type script interface {
	// choose returns a number below n.
	choose(n int) int
}

// A twin is a cache and its model, which are asked the same.
type twin struct {
	*fixture
	model  naive
	script script
}

func pick[T any](s script, from []T) T { return from[s.choose(len(from))] }

// ref returns the handle of some packet that was put, finished or not.
func (w *twin) ref() cache.Ref {
	if w.model.seq == 0 {
		return cache.Ref{To: richard, Seq: 1}
	}
	// Mostly one of the last few.
	back := uint64(w.script.choose(8))
	return w.model.packets[w.model.seq-min(back, w.model.seq-1)-1].Ref()
}

// step does one operation to both.
func (w *twin) step() {
	w.Helper()
	s := w.script
	switch s.choose(12) {
	case 0, 1:
		w.put()
	case 2, 3:
		r := w.ref()
		c := cache.Copy{Resource: pick(s, resources), Stream: uint64(s.choose(3)), Mark: uint64(w.model.deliveries)}
		w.same("Deliver", w.model.deliver(r.Seq, c), w.Deliver(r, c))
	case 4:
		r, stream := w.ref(), uint64(s.choose(3))
		w.same("Undeliver", w.model.undeliver(r.Seq, stream), w.Undeliver(r, stream))
	case 5, 6, 7:
		w.receipt()
	case 8:
		r := w.ref()
		_, ok := w.Take(r)
		w.same("Take", w.model.take(r.Seq), ok)
	case 9:
		r, wait := w.ref(), pick(s, waits)
		w.same("Again", w.model.again(w.now, r.Seq, wait), w.Again(w.now, r, wait))
	case 10:
		r := w.ref()
		late, ok := w.Drop(w.now, r)
		wantLate, wantOK := w.model.drop(r.Seq)
		w.same("Drop", []bool{wantLate, wantOK}, []bool{late, ok})
	case 11:
		w.now = w.now.Add(pick(s, waits))
		w.same("Due", w.model.due(w.now), seqs(w.Due(w.now)))
	}
}

// steps does many operations, and compares what can be seen now and then.
func (w *twin) steps() {
	w.Helper()
	for i := range 400 {
		w.step()
		if i%100 == 0 {
			w.check()
		}
	}
	w.check()
}

func (w *twin) put() {
	w.Helper()
	s := w.script
	p := cache.Packet{
		Key:    cache.Key{To: pick(s, recipients), From: pick(s, senders), ID: pick(s, ids)},
		Stanza: []byte(pick(s, bodies)),
	}
	wait := pick(s, waits)
	want, isNew := w.model.put(w.now, p, wait)
	got, err := w.Put(w.now, p, wait)
	w.same("Put", want, got.Seq)
	w.same("Put's error", isNew, err == nil)
}

func (w *twin) receipt() {
	w.Helper()
	s := w.script
	r := cache.Receipt{To: pick(s, recipients), Resource: pick(s, resources), From: pick(s, receiptsTo), ID: pick(s, ids)}
	if s.choose(2) == 0 {
		// One that may mean a packet there is.
		if p := w.model.known(w.ref().Seq); p != nil {
			r.To, r.From, r.ID = p.Key.To, p.Key.From, p.Key.ID
		}
	}
	verdict, p := w.model.settle(r)
	got := w.Settle(w.now, r)
	w.same("Settle", verdict.String(), got.Verdict.String())
	if p != nil {
		w.same("Settle's copies", p.shown().Copies, got.Packet.Copies)
		w.same("Settle's packet", p.Seq, got.Packet.Seq)
	}
}

// check compares everything that can be seen.
func (w *twin) check() {
	w.Helper()
	var want []cache.Packet
	for _, p := range w.model.packets {
		if !p.finished {
			want = append(want, p.shown())
		}
	}
	w.same("All", want, slices.Collect(w.All()))
	w.same("Len", len(want), w.Len())
	for _, to := range recipients {
		var of []cache.Packet
		for _, p := range want {
			if p.Key.To == to {
				of = append(of, p)
			}
		}
		w.same("Of", of, slices.Collect(w.Of(to)))
	}
}

func (w *twin) same(what string, want, got any) {
	w.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		w.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// newTwin returns a twin that forgets no tombstone, as the model does not.
func newTwin(t testing.TB, s script) *twin {
	w := &twin{fixture: newFixture(t, &cache.Options{TombstoneAge: -1}), script: s}
	w.Due(start)(nil) // the first time that the cache hears of: ticks count from here
	return w
}

type random struct{ *rand.Rand }

func (r random) choose(n int) int { return r.IntN(n) }

func TestModel(t *testing.T) {
	for seed := range uint64(150) {
		newTwin(t, random{rand.New(rand.NewPCG(seed, 3))}).steps()
	}
}

// What is found by hash is compared with what was meant: nothing that can be seen
// depends on the hashes, even if all of them are equal.
func TestModelWhereHashesCollide(t *testing.T) {
	for seed := range uint64(60) {
		w := newTwin(t, random{rand.New(rand.NewPCG(seed, 6))})
		w.Narrow([]uint64{0, 1, 1 << 63, 3 << 32}[seed%4])
		w.steps()
	}
}

// Accounts that grow and shrink: hundreds of packets, put and settled by turns.
func TestModelWithManyPackets(t *testing.T) {
	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := newTwin(t, random{r})
		w.Narrow([]uint64{1<<64 - 1, 7 << 61}[seed])
		for i := range 2000 {
			p := packet(strconv.Itoa(r.IntN(400)), pick(w.script, bodies))
			p.Key.To = pick(w.script, recipients)
			if filling := i/500%2 == 0; filling || r.IntN(4) == 0 {
				want, isNew := w.model.put(w.now, p, 0)
				got, err := w.Put(w.now, p, 0)
				w.same("Put", want, got.Seq)
				w.same("Put's error", isNew, err == nil)
			} else {
				receipt := cache.Receipt{To: p.Key.To, From: p.Key.From, ID: p.Key.ID, Resource: throne}
				verdict, _ := w.model.settle(receipt)
				w.same("Settle", verdict.String(), w.Settle(w.now, receipt).Verdict.String())
			}
			if i%250 == 0 {
				w.check()
			}
		}
		w.check()
	}
}

// The same with few choices: one name is used over and over.
func TestModelWithOneName(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 5))
		w := newTwin(t, random{r})
		for i := range 300 {
			p := packet("1", pick(w.script, bodies))
			want, _ := w.model.put(w.now, p, ackWait)
			got, _ := w.Put(w.now, p, ackWait)
			w.same("Put", want, got.Seq)
			for range r.IntN(4) {
				c := cache.Copy{Resource: pick(w.script, resources)}
				w.same("Deliver", w.model.deliver(want, c), w.Deliver(got, c))
			}
			receipt := receipt(pick(w.script, resources), "1")
			verdict, _ := w.model.settle(receipt)
			w.same("Settle", verdict.String(), w.Settle(w.now, receipt).Verdict.String())
			if i%50 == 0 {
				w.check()
			}
		}
	}
}

// tape is a script of bytes; at its end it says 0.
type tape struct{ bytes []byte }

func (s *tape) choose(n int) int {
	if len(s.bytes) == 0 {
		return 0
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return int(b) % n
}

func FuzzMatch(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 3, 2, 0, 0, 1, 5, 0, 0, 0, 0, 1, 11, 3})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 2, 1, 1, 1, 8, 0, 5, 0, 0, 0, 0, 0, 9, 0, 1})
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 4))
		seed := make([]byte, 200)
		for i := range seed {
			seed[i] = byte(r.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &tape{data[:min(len(data), 400)]}
		w := newTwin(t, s)
		for len(s.bytes) > 0 {
			w.step()
		}
		w.check()
	})
}

// Whatever the strings are: a receipt finds a packet exactly if recipient and id are
// equal, and the sender is or its bare address is.
func FuzzKeys(f *testing.F) {
	f.Add(richard, from, "1", richard, percy, "1")
	f.Add("a", "/", "1", "a", "", "1")
	f.Add("a", "b/c/d", "\x00", "a", "b/c", "\x00")
	f.Add("a\x00", "b", "c", "a", "\x00b", "c")
	f.Fuzz(func(t *testing.T, to, from, id, receiptTo, receiptFrom, receiptID string) {
		c := cache.New(nil)
		k := cache.Key{To: to, From: from, ID: id}
		r, err := c.Put(start, cache.Packet{Key: k}, ackWait)
		if whole := to != "" && from != "" && id != ""; whole != (err == nil) {
			t.Fatalf("Put: %v", err)
		}
		if err != nil {
			return
		}
		p, ok := c.Get(r)
		if !ok || p.Key != k || p.Ref() != r {
			t.Fatalf("Get = %+v, %v", p, ok)
		}
		want := cache.Unknown
		if receiptTo == to && receiptID == id && (receiptFrom == from || receiptFrom == cache.Bare(from)) {
			want = cache.Settled
		}
		if got := c.Settle(start, cache.Receipt{To: receiptTo, From: receiptFrom, ID: receiptID}); got.Verdict != want {
			t.Fatalf("Settle: %v, want %v", got.Verdict, want)
		}
	})
}
