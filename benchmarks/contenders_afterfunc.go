// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/puzpuzpuz/xsync/v4"
)

// afterFuncEntrants have a timer of the runtime for each packet: the obvious way.
var afterFuncEntrants = []entrant{
	{name: "map-afterfunc", main: true, clock: realClock, build: newTimerMap},
	{name: "sharded-afterfunc", clock: realClock, build: newTimerSharded},
	{name: "xsync-afterfunc", clock: realClock, build: newTimerXsync},
}

// A timed packet is one that waits, and the timer that ends its wait.
type timed struct {
	stanza []byte
	timer  *time.Timer
}

// A timerMap is a map, a mutex, and a timer for each packet.
type timerMap struct {
	setting
	mu      sync.Mutex
	packets map[string]timed
}

func newTimerMap(s setting) contender {
	return &timerMap{setting: s, packets: make(map[string]timed)}
}

func (t *timerMap) put(_ time.Time, m *message, wait time.Duration) {
	kept := t.keep(m)
	key := kept.key
	t.mu.Lock()
	// Under the lock, so that the timer finds its packet.
	t.packets[key] = timed{kept.stanza, time.AfterFunc(wait, func() { t.expire(key) })}
	t.mu.Unlock()
}

func (t *timerMap) take(key string) (timed, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.packets[key]
	delete(t.packets, key)
	return p, ok
}

func (t *timerMap) settle(_ time.Time, m *message) bool {
	p, ok := t.take(m.key)
	return ok && p.timer.Stop()
}

func (t *timerMap) expire(key string) {
	if p, ok := t.take(key); ok {
		t.expired(p.stanza)
	}
}

func (t *timerMap) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.packets)
}

func (t *timerMap) tick(time.Time) {}

func (t *timerMap) close() {
	for _, p := range t.packets {
		p.timer.Stop()
	}
}

// A timerSharded is many of them.
type timerSharded struct {
	seed   maphash.Seed
	shards [shardCount]struct {
		timerMap
		_ [64]byte // neighbours share no cache line
	}
}

func newTimerSharded(s setting) contender {
	t := &timerSharded{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].setting = s
		t.shards[i].packets = make(map[string]timed)
	}
	return t
}

func (t *timerSharded) shard(key string) *timerMap {
	return &t.shards[maphash.String(t.seed, key)%shardCount].timerMap
}

func (t *timerSharded) put(now time.Time, m *message, wait time.Duration) {
	t.shard(m.key).put(now, m, wait)
}

func (t *timerSharded) settle(now time.Time, m *message) bool {
	return t.shard(m.key).settle(now, m)
}

func (t *timerSharded) waiting() (count int) {
	for i := range t.shards {
		count += t.shards[i].waiting()
	}
	return count
}

func (t *timerSharded) tick(time.Time) {}

func (t *timerSharded) close() {
	for i := range t.shards {
		t.shards[i].close()
	}
}

// A timerXsync has a concurrent map instead of maps and mutexes.
type timerXsync struct {
	setting
	packets *xsync.Map[string, *timed]
}

func newTimerXsync(s setting) contender {
	return &timerXsync{s, xsync.NewMap[string, *timed]()}
}

func (t *timerXsync) put(_ time.Time, m *message, wait time.Duration) {
	kept := t.keep(m)
	key := kept.key
	t.packets.Store(key, &timed{kept.stanza, time.AfterFunc(wait, func() { t.expire(key) })})
}

func (t *timerXsync) settle(_ time.Time, m *message) bool {
	p, ok := t.packets.LoadAndDelete(m.key)
	return ok && p.timer.Stop()
}

func (t *timerXsync) expire(key string) {
	if p, ok := t.packets.LoadAndDelete(key); ok {
		t.expired(p.stanza)
	}
}

func (t *timerXsync) waiting() int   { return t.packets.Size() }
func (t *timerXsync) tick(time.Time) {}

func (t *timerXsync) close() {
	t.packets.Range(func(_ string, p *timed) bool {
		p.timer.Stop()
		return true
	})
}
