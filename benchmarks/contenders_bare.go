// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"hash/maphash"
	"sync"
	"time"
)

// bareEntrants keep packets and know no deadlines: the least that one can do.
var bareEntrants = []entrant{
	{name: "bare-map", build: newBareMap},
	{name: "bare-sharded", main: true, build: newBareSharded},
}

const shardCount = 64

// A bareMap is a map and a mutex.
type bareMap struct {
	setting
	mu      sync.Mutex
	packets map[string][]byte
}

func newBareMap(s setting) contender {
	return &bareMap{setting: s, packets: make(map[string][]byte)}
}

func (b *bareMap) put(_ time.Time, m *message, _ time.Duration) {
	kept := b.keep(m)
	b.mu.Lock()
	b.packets[kept.key] = kept.stanza
	b.mu.Unlock()
}

func (b *bareMap) settle(_ time.Time, m *message) bool {
	b.mu.Lock()
	before := len(b.packets)
	delete(b.packets, m.key)
	ok := len(b.packets) < before // the cheapest way to ask
	b.mu.Unlock()
	return ok
}

func (b *bareMap) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.packets)
}

func (b *bareMap) tick(time.Time) {}
func (b *bareMap) close()         {}

// A bareSharded is many of them, so that two rarely meet.
type bareSharded struct {
	seed   maphash.Seed
	shards [shardCount]struct {
		bareMap
		_ [64]byte // neighbours share no cache line
	}
}

func newBareSharded(s setting) contender {
	b := &bareSharded{seed: maphash.MakeSeed()}
	for i := range b.shards {
		b.shards[i].setting = s
		b.shards[i].packets = make(map[string][]byte)
	}
	return b
}

func (b *bareSharded) shard(key string) *bareMap {
	return &b.shards[maphash.String(b.seed, key)%shardCount].bareMap
}

func (b *bareSharded) put(now time.Time, m *message, wait time.Duration) {
	b.shard(m.key).put(now, m, wait)
}

func (b *bareSharded) settle(now time.Time, m *message) bool {
	return b.shard(m.key).settle(now, m)
}

func (b *bareSharded) waiting() (count int) {
	for i := range b.shards {
		count += b.shards[i].waiting()
	}
	return count
}

func (b *bareSharded) tick(time.Time) {}
func (b *bareSharded) close()         {}
