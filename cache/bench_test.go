// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/untilack/untilack/cache"
)

// A sample writes the packets of a benchmark, one after the other into the same bytes:
// keys of two addresses of 24 bytes and an id of 36, stanzas of 400 that contain them.
type sample struct {
	recipients int
	bytes      []byte
}

const (
	template = "<message to='00000000@montague.exampl' from='00000000@capulet.example' id='00000000-0000-0000-0000-000000000000' type='chat'>"
	toAt     = len("<message to='")
	fromAt   = toAt + 24 + len("' from='")
	idAt     = fromAt + 24 + len("' id='")
)

func newSample(waiting int) *sample {
	stanza := []byte(template)
	for len(stanza) < 400 {
		stanza = append(stanza, 'x')
	}
	return &sample{max(1, min(waiting/10, 100_000)), stanza}
}

// packet returns the packet with a number, until the next call.
func (s *sample) packet(i int) cache.Packet {
	s.number(toAt, i%s.recipients)
	s.number(fromAt, i/s.recipients%4)
	s.number(idAt, i)
	cut := func(at, size int) string { return unsafe.String(&s.bytes[at], size) }
	return cache.Packet{Key: cache.Key{To: cut(toAt, 24), From: cut(fromAt, 24), ID: cut(idAt, 36)}, Stanza: s.bytes}
}

func (s *sample) number(at, n int) {
	for i := range 8 {
		s.bytes[at+i] = '0' + byte(n>>(28-4*i)&15)
	}
}

var sizes = []int{1_000, 10_000, 100_000, 1_000_000}

// unlimited lifts the bounds that a benchmark would meet.
var unlimited = &cache.Options{Limits: cache.Limits{RecipientPackets: -1, RecipientBytes: -1, PairPackets: -1, Bytes: -1}, Brief: true}

// BenchmarkNothing is what the other benchmarks cost without a cache.
func BenchmarkNothing(b *testing.B) {
	puts, settles := newSample(1_000_000), newSample(1_000_000)
	sum := 0
	for i := 0; b.Loop(); i++ {
		p, q := puts.packet(i), settles.packet(i)
		sum += len(p.Key.ID) + len(q.Key.ID)
	}
}

func BenchmarkPutSettle(b *testing.B) { benchmarkPutSettle(b, unlimited, false) }

// BenchmarkPutDeliverSettle is the same, with the note of a copy.
func BenchmarkPutDeliverSettle(b *testing.B) { benchmarkPutSettle(b, unlimited, true) }

// BenchmarkPutSettleForget remembers no packet that is finished.
func BenchmarkPutSettleForget(b *testing.B) {
	o := *unlimited
	o.Tombstones = -1
	benchmarkPutSettle(b, &o, false)
}

func benchmarkPutSettle(b *testing.B, o *cache.Options, deliver bool) {
	for _, waiting := range sizes {
		b.Run(strconv.Itoa(waiting), func(b *testing.B) {
			puts, settles := newSample(waiting), newSample(waiting)
			c := cache.New(o)
			now := start
			put := func(i int) {
				r, err := c.Put(now, puts.packet(i), ackWait)
				if err != nil {
					b.Fatal(err)
				}
				if deliver {
					c.Deliver(r, cache.Copy{Resource: throne, Stream: 1})
				}
			}
			settle := func(i int) {
				k := settles.packet(i).Key
				if c.Settle(now, cache.Receipt{To: k.To, Resource: throne, From: k.From, ID: k.ID}).Verdict != cache.Settled {
					b.Fatal("not settled")
				}
			}
			i := 0
			for ; i < waiting; i++ {
				put(i)
			}
			for end := i + 100_000; i < end; i++ { // the steady state, tombstones included
				put(i)
				settle(i - waiting)
			}
			b.ReportAllocs()
			for b.Loop() {
				put(i)
				settle(i - waiting)
				now = now.Add(10 * time.Second / time.Duration(waiting))
				i++
			}
		})
	}
}

// BenchmarkPutSettleMapAfterFunc does the same with a map and a timer of the runtime
// for each packet: no tombstones, no order, no limits, and no copy of the stanza.
func BenchmarkPutSettleMapAfterFunc(b *testing.B) {
	for _, waiting := range sizes {
		b.Run(strconv.Itoa(waiting), func(b *testing.B) {
			type pending struct {
				stanza []byte
				timer  *time.Timer
			}
			puts, settles := newSample(waiting), newSample(waiting)
			key := func(p cache.Packet) string { return unsafe.String(unsafe.StringData(p.Key.To), idAt+36-toAt) }
			var mu sync.Mutex
			m := make(map[string]pending)
			put := func(i int) {
				p := puts.packet(i)
				k := strings.Clone(key(p))
				timer := time.AfterFunc(time.Hour, func() {
					mu.Lock()
					delete(m, k)
					mu.Unlock()
				})
				mu.Lock()
				m[k] = pending{p.Stanza, timer}
				mu.Unlock()
			}
			settle := func(i int) {
				k := key(settles.packet(i))
				mu.Lock()
				p, ok := m[k]
				delete(m, k)
				mu.Unlock()
				if !ok || !p.timer.Stop() {
					b.Fatal("not settled")
				}
			}
			i := 0
			for ; i < waiting; i++ {
				put(i)
			}
			b.ReportAllocs()
			for b.Loop() {
				put(i)
				settle(i - waiting)
				i++
			}
			b.StopTimer()
			for _, p := range m {
				p.timer.Stop()
			}
		})
	}
}

// Everything that waits is due at once, is taken and dropped.
func BenchmarkDue(b *testing.B) {
	const waiting = 100_000
	s := newSample(waiting)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		c := cache.New(unlimited)
		for i := range waiting {
			if _, err := c.Put(start, s.packet(i), ackWait); err != nil {
				b.Fatal(err)
			}
		}
		now := start.Add(time.Minute)
		b.StartTimer()
		for p := range c.Due(now) {
			c.Take(p.Ref())
			c.Drop(now, p.Ref())
		}
		if c.Len() != 0 {
			b.Fatal("something waits")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/waiting, "ns/packet")
}

// A receipt that names nothing.
func BenchmarkSettleUnknown(b *testing.B) {
	c := cache.New(nil)
	r := receipt(throne, "nothing")
	b.ReportAllocs()
	for b.Loop() {
		c.Settle(start, r)
	}
}
