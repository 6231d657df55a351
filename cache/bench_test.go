// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack/cache"
)

// A sample is the packets of a benchmark: keys of two addresses of 24 bytes and an id
// of 36, stanzas of 400. They are used in a circle.
type sample struct {
	packets []cache.Packet
}

// newSample returns so many packets that none is put again while it waits, or is
// remembered.
func newSample(waiting int) sample {
	recipients := max(1, waiting/100)
	packets := make([]cache.Packet, waiting+100_000)
	for i := range packets {
		packets[i] = cache.Packet{
			Key: cache.Key{
				To:   fmt.Sprintf("%08d@montague.example", i%recipients),
				From: fmt.Sprintf("%08d@capulet.examples/h", i%1000)[:24],
				ID:   fmt.Sprintf("%036d", i),
			},
			Stanza: make([]byte, 400),
		}
	}
	return sample{packets}
}

func (s sample) packet(i int) *cache.Packet { return &s.packets[i%len(s.packets)] }

var sizes = []int{1_000, 100_000, 1_000_000}

// unlimited is for benchmarks that hold more than the defaults allow.
var unlimited = &cache.Options{Limits: cache.Limits{RecipientPackets: -1, RecipientBytes: -1, PairPackets: -1, Bytes: -1}}

// One packet is put and delivered, and the one before all others is settled, while so
// many wait.
func BenchmarkPutSettle(b *testing.B) { benchmarkPutSettle(b, unlimited) }

// The same without tombstones.
func BenchmarkPutSettleForget(b *testing.B) {
	o := *unlimited
	o.Tombstones = -1
	benchmarkPutSettle(b, &o)
}

func benchmarkPutSettle(b *testing.B, o *cache.Options) {
	for _, waiting := range sizes {
		b.Run(strconv.Itoa(waiting), func(b *testing.B) {
			s := newSample(waiting)
			c := cache.New(o)
			now := start
			put := func(i int) {
				r, err := c.Put(now, *s.packet(i), ackWait)
				if err != nil {
					b.Fatal(err)
				}
				c.Deliver(r, cache.Copy{Resource: throne, Stream: 1})
			}
			for i := range waiting {
				put(i)
			}
			i := waiting
			b.ReportAllocs()
			for b.Loop() {
				put(i)
				k := &s.packet(i - waiting).Key
				if c.Settle(now, cache.Receipt{To: k.To, Resource: throne, From: k.From, ID: k.ID}).Verdict != cache.Settled {
					b.Fatal("not settled")
				}
				now = now.Add(time.Microsecond)
				i++
			}
		})
	}
}

// The obvious way: a map, a mutex, and a timer for each packet.
func BenchmarkPutSettleMapAfterFunc(b *testing.B) {
	for _, waiting := range sizes {
		b.Run(strconv.Itoa(waiting), func(b *testing.B) {
			type pending struct {
				packet *cache.Packet
				timer  *time.Timer
			}
			s := newSample(waiting)
			var mu sync.Mutex
			m := make(map[cache.Key]pending)
			put := func(i int) {
				p := s.packet(i)
				timer := time.AfterFunc(time.Hour, func() {
					mu.Lock()
					delete(m, p.Key)
					mu.Unlock()
				})
				mu.Lock()
				m[p.Key] = pending{p, timer}
				mu.Unlock()
			}
			settle := func(k cache.Key) {
				mu.Lock()
				p, ok := m[k]
				delete(m, k)
				mu.Unlock()
				if !ok || !p.timer.Stop() {
					b.Fatal("not settled")
				}
			}
			for i := range waiting {
				put(i)
			}
			i := waiting
			b.ReportAllocs()
			for b.Loop() {
				put(i)
				settle(s.packet(i - waiting).Key)
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
			if _, err := c.Put(start, *s.packet(i), ackWait); err != nil {
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
