// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"sync"
	"time"

	"github.com/untilack/untilack/cache"
)

// untilackEntrants are this module's cache, used in several ways.
var untilackEntrants = []entrant{
	{name: "untilack", main: true, clock: callerClock, copies: true, build: newUntilack},
	{name: "untilack-deliver", main: true, clock: callerClock, copies: true, build: newUntilackDelivering},
	{name: "untilack-batch", main: true, clock: callerClock, copies: true, batch: true, build: newUntilack},
}

// batch puts packets, then settles others, each in one call, and returns how many
// of those waited. It is nil as long as the cache has no such calls.
var batch func(c *cache.PacketCache, now time.Time, puts []cache.Packet, wait time.Duration, settles []cache.Receipt) (settled int)

// tomb is the resource to which copies go.
const tomb = "tomb"

// An untilack is the packet cache.
type untilack struct {
	setting
	*cache.PacketCache
	delivering bool      // each packet is noted as delivered before it is settled
	arrays     sync.Pool // of *arrays
}

// arrays are what a batch is handed over in, used again and again.
type arrays struct {
	packets  [batchSize]cache.Packet
	receipts [batchSize]cache.Receipt
}

// limits are lifted, for the defaults would not hold what is put here.
var limits = cache.Limits{RecipientPackets: -1, RecipientBytes: -1, PairPackets: -1, Packets: -1, Bytes: -1}

func newUntilack(s setting) contender {
	return &untilack{setting: s, PacketCache: cache.New(&cache.Options{Limits: limits, Brief: true})}
}

func newUntilackDelivering(s setting) contender {
	u := newUntilack(s).(*untilack)
	u.delivering = true
	return u
}

func packetOf(m *message) cache.Packet {
	return cache.Packet{Key: cache.Key{To: m.to, From: m.from, ID: m.id}, Stanza: m.stanza}
}

func receiptOf(m *message) cache.Receipt {
	return cache.Receipt{To: m.to, Resource: tomb, Stream: 1, From: m.from, ID: m.id}
}

func (u *untilack) put(now time.Time, m *message, wait time.Duration) {
	r, err := u.Put(now, packetOf(m), wait)
	if err != nil {
		panic(err)
	}
	if u.delivering && !u.Deliver(r, cache.Copy{Resource: tomb, Stream: 1}) {
		panic("a packet that was just put is gone")
	}
}

func (u *untilack) settle(now time.Time, m *message) bool {
	return u.Settle(now, receiptOf(m)).Verdict == cache.Settled
}

func (u *untilack) tick(now time.Time) {
	for p := range u.Due(now) {
		if _, ok := u.Drop(now, p.Ref()); ok {
			u.expired(p.Stanza)
		}
	}
}

func (u *untilack) waiting() int { return u.Len() }
func (u *untilack) close()       {}

func (u *untilack) exchange(now time.Time, puts []message, wait time.Duration, settles []message) int {
	a, ok := u.arrays.Get().(*arrays)
	if !ok {
		a = new(arrays)
	}
	defer u.arrays.Put(a)
	for i := range puts {
		a.packets[i] = packetOf(&puts[i])
	}
	for i := range settles {
		a.receipts[i] = receiptOf(&settles[i])
	}
	return batch(u.PacketCache, now, a.packets[:len(puts)], wait, a.receipts[:len(settles)])
}
