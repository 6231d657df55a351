// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"iter"
	"testing"
	"time"

	"github.com/untilack/untilack/cache"
)

const (
	richard = "kingrichard@royalty.england.lit"
	percy   = "northumberland@shakespeare.lit"
	from    = percy + "/westminster"
	york    = percy + "/york"
	throne  = "throne"
	crown   = "crown"
	ackWait = 30 * time.Second
)

// start is the time at which every test begins.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// after returns the time that lies so far after the start.
func after(d time.Duration) time.Time { return start.Add(d) }

// A fixture is a cache in a test, with a time that the test sets.
type fixture struct {
	testing.TB
	*cache.PacketCache
	now time.Time
}

func newFixture(t testing.TB, o *cache.Options) *fixture {
	return &fixture{TB: t, PacketCache: cache.New(o), now: start}
}

// packet returns a message from the usual sender to the usual recipient.
func packet(id, body string) cache.Packet {
	return cache.Packet{
		Key:    cache.Key{To: richard, From: from, ID: id},
		Stanza: []byte("<message id='" + id + "'>" + body + "</message>"),
	}
}

// put puts p, which must succeed, with the usual deadline.
func (f *fixture) put(p cache.Packet) cache.Ref {
	f.Helper()
	r, err := f.Put(f.now, p, ackWait)
	if err != nil {
		f.Fatalf("Put(%q): %v", p.Key.ID, err)
	}
	return r
}

// deliver notes a copy, which must succeed.
func (f *fixture) deliver(r cache.Ref, resource string, stream uint64) {
	f.Helper()
	if !f.Deliver(r, cache.Copy{Resource: resource, Stream: stream}) {
		f.Fatalf("Deliver(%v) to %s: gone", r, resource)
	}
}

// sent puts p and delivers it to the throne on stream 1.
func (f *fixture) sent(p cache.Packet) cache.Ref {
	f.Helper()
	r := f.put(p)
	f.deliver(r, throne, 1)
	return r
}

// receipt returns a receipt from a resource of the usual recipient to the usual
// sender.
func receipt(resource, id string) cache.Receipt {
	return cache.Receipt{To: richard, Resource: resource, From: from, ID: id}
}

// settle shows a receipt to the cache and fails unless the verdict is the one that
// is wanted.
func (f *fixture) settle(r cache.Receipt, want cache.Verdict) cache.Settlement {
	f.Helper()
	s := f.Settle(f.now, r)
	if s.Verdict != want {
		f.Errorf("receipt from %s for %q to %s: %v, want %v", r.Resource, r.ID, r.From, s.Verdict, want)
	}
	return s
}

// has fails unless the packet waits, or does not.
func (f *fixture) has(r cache.Ref, want bool) {
	f.Helper()
	if _, ok := f.Get(r); ok != want {
		f.Errorf("packet %d waits: %v, want %v", r.Seq, ok, want)
	}
}

// seqs returns the Seq of every packet.
func seqs(packets iter.Seq[cache.Packet]) (numbers []uint64) {
	for p := range packets {
		numbers = append(numbers, p.Seq)
	}
	return numbers
}
