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
	"math"
	"sync/atomic"
	"time"

	"github.com/untilack/untilack/internal/arena"
)

// A PacketCache holds packets that wait for a receipt, and for a while what is
// needed to recognise a receipt for one that waits no more (a tombstone).
type PacketCache struct {
	hasher
	limits Limits
	tick   time.Duration
	brief  bool // see Options.Brief

	origin  atomic.Pointer[time.Time] // the first time that was heard of
	swept   atomic.Int64              // when old tombstones were forgotten last, since then
	trimmed atomic.Int64              // when memory was given up last
	budget  budget
	graves  graveyard
	shards  []shard
	shift   uint8 // from a hash to the number of its shard
}

// New returns an empty cache. A nil pointer means the defaults.
func New(o *Options) *PacketCache {
	options := o.withDefaults()
	c := &PacketCache{
		hasher: hasher{maphash.MakeSeed(), math.MaxUint64},
		limits: options.Limits,
		tick:   options.Tick,
		brief:  options.Brief,
	}
	number := shardBits()
	c.shards, c.shift = make([]shard, 1<<number), uint8(64-number)
	c.budget.packets.limit = int64(options.Limits.Packets)
	c.budget.bytes.limit = options.Limits.Bytes
	for i := range c.shards {
		c.shards[i].wake.Store(noDeadline)
	}
	c.graves.space, c.graves.age = int64(options.Tombstones)*graveWeight, options.TombstoneAge
	return c
}

// Len returns the number of packets that wait, those that are taken included.
func (c *PacketCache) Len() int { return int(c.budget.packets.used.Load()) }

// since returns how long after the cache's origin a time is, which is the first time
// that it was told of.
func (c *PacketCache) since(now time.Time) time.Duration {
	if origin := c.origin.Load(); origin != nil {
		return now.Sub(*origin)
	}
	c.begin(now)
	return now.Sub(*c.origin.Load())
}

func (c *PacketCache) begin(now time.Time) { c.origin.CompareAndSwap(nil, &now) }

// after returns the time that lies so long after since.
func after(since, wait time.Duration) time.Duration {
	if deadline := since + wait; deadline >= since {
		return deadline
	}
	return math.MaxInt64
}

// How often old tombstones are forgotten, and memory that is not needed any more is
// given up.
const (
	sweepAfter = time.Second
	trimAfter  = 10 * time.Second
)

// tidy does now and then what need not be done at each call.
func (c *PacketCache) tidy(since time.Duration) {
	if passed(&c.swept, since, sweepAfter) {
		c.eachShard(func(s *shard) {
			s.clear(&c.graves, c.graves.oldest(since), sweepStep)
		})
	}
	if passed(&c.trimmed, since, trimAfter) {
		c.eachShard((*shard).giveUp)
	}
}

// passed reports whether so much time has passed since it last said so.
func passed(last *atomic.Int64, since, wait time.Duration) bool {
	was := last.Load()
	return (int64(since)-was >= int64(wait) || int64(since) < was) && last.CompareAndSwap(was, int64(since))
}

// eachShard calls f for each shard, which is locked.
func (c *PacketCache) eachShard(f func(*shard)) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		f(s)
		s.mu.Unlock()
	}
}

// giveUp gives up memory that is not needed any more.
func (s *shard) giveUp() {
	s.accounts.trim()
	s.names.trim()
	s.graves.numbers, s.graves.numbered = table[arena.Ref]{}, false
	if s.arena.Bytes() > 2*s.arena.Used() {
		s.squeezeAll()
	}
	for i := range s.graves.plots {
		s.trim(&s.graves.plots[i])
	}
	s.arena.Trim()
	s.out = binder{}
}
