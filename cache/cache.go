// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package cache keeps messages that were sent and not yet acknowledged, each until
// a receipt for it comes or its deadline passes.
//
// A message is put before it is written to a stream of the recipient (Put), each
// copy is noted before it is written (Deliver), and a receipt that arrives is shown
// to the cache (Settle), which decides which message it answers.
// Messages for which no receipt came in time come out of Due; whoever acts on one
// claims it first (Take), and says afterwards whether it waits again (Again) or is
// finished (Drop).
//
// The cache looks into no message, does no input or output, starts no goroutine and
// reads no clock: the time is an argument.
// All its methods are safe for concurrent use, and none of them holds a lock while
// it calls back.
package cache

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// A PacketCache holds packets that wait for a receipt, and for a while what is
// needed to recognise a receipt for one that waits no more (a tombstone).
type PacketCache struct {
	limits Limits
	tick   time.Duration

	origin  atomic.Pointer[time.Time] // the first time that was heard of
	seq     atomic.Uint64             // of the last packet that was put
	packets budget
	bytes   budget
	graves  graveyard
	shards  [shardCount]shard
}

// New returns an empty cache. A nil pointer means the defaults.
func New(o *Options) *PacketCache {
	options := o.withDefaults()
	c := &PacketCache{
		limits: options.Limits,
		tick:   options.Tick,
	}
	c.packets.limit = int64(options.Limits.Packets)
	c.bytes.limit = options.Limits.Bytes
	c.graves.init(options.Tombstones, options.TombstoneAge)
	seed := maphash.MakeSeed()
	for i := range c.shards {
		c.shards[i].init(seed)
	}
	return c
}

// Len returns the number of packets that wait, those that are taken included.
func (c *PacketCache) Len() int { return int(c.packets.used.Load()) }

// start returns the origin of the cache's time, which is the first time that it was
// told of.
func (c *PacketCache) start(now time.Time) time.Time {
	if origin := c.origin.Load(); origin != nil {
		return *origin
	}
	c.origin.CompareAndSwap(nil, &now)
	return *c.origin.Load()
}
