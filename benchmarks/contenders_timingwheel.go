// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/RussellLuo/timingwheel"
)

var timingWheelEntrants = []entrant{{name: "timingwheel", clock: realClock, build: newWheeled}}

// wheelSize is how many ticks one turn of the wheel takes: 41 s, longer than ackWait.
// What waits longer is in a second wheel of as many turns.
const wheelSize = 4096

// A wheeled contender has a sharded map, and a wheel for the timers.
type wheeled struct {
	wheel  *timingwheel.TimingWheel
	seed   maphash.Seed
	shards [shardCount]wheeledShard
}

type wheeledShard struct {
	setting
	mu      sync.Mutex
	packets map[string]wheeledPacket
	_       [64]byte // neighbours share no cache line
}

type wheeledPacket struct {
	stanza []byte
	timer  *timingwheel.Timer
}

func newWheeled(s setting) contender {
	w := &wheeled{wheel: timingwheel.NewTimingWheel(tickLength, wheelSize), seed: maphash.MakeSeed()}
	for i := range w.shards {
		w.shards[i].setting = s
		w.shards[i].packets = make(map[string]wheeledPacket)
	}
	w.wheel.Start()
	return w
}

func (w *wheeled) shard(key string) *wheeledShard {
	return &w.shards[maphash.String(w.seed, key)%shardCount]
}

func (w *wheeled) put(_ time.Time, m *message, wait time.Duration) {
	s := w.shard(m.key)
	kept := s.keep(m)
	key := kept.key
	s.mu.Lock()
	// Under the lock, so that the timer finds its packet.
	s.packets[key] = wheeledPacket{kept.stanza, w.wheel.AfterFunc(wait, func() { s.expire(key) })}
	s.mu.Unlock()
}

func (w *wheeled) settle(_ time.Time, m *message) bool {
	p, ok := w.shard(m.key).take(m.key)
	return ok && p.timer.Stop()
}

func (s *wheeledShard) take(key string) (wheeledPacket, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.packets[key]
	delete(s.packets, key)
	return p, ok
}

func (s *wheeledShard) expire(key string) {
	if p, ok := s.take(key); ok {
		s.expired(p.stanza)
	}
}

func (w *wheeled) waiting() (count int) {
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		count += len(s.packets)
		s.mu.Unlock()
	}
	return count
}

func (w *wheeled) tick(time.Time) {}
func (w *wheeled) close()         { w.wheel.Stop() }
