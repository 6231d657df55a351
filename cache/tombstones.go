// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"math"
	"sync"
	"time"
)

const (
	// graveWeight is what one tombstone may weigh on average, in bytes. Ids are
	// chosen by others, and may be as long as a stanza.
	graveWeight = 512
	// copyWeight is what a copy weighs, without its resource.
	copyWeight = 48
	// tombstonesPerName bounds the work for one receipt.
	tombstonesPerName = 16
	// sweepStep bounds what one call of Due removes.
	sweepStep = 1024
)

// A graveyard holds the tombstones of all shards in the order in which they go.
// It has its own lock, which is taken last.
type graveyard struct {
	mu       sync.Mutex
	plots    [2]plot // those with a copy that is not answered are in the second
	count    int
	weight   int64
	capacity int
	age      time.Duration
}

// A plot is a list of tombstones, the one that goes first at its head.
type plot struct {
	first, last *entry
}

// A grave is a tombstone's place in the graveyard, guarded by its lock.
type grave struct {
	plot   *plot // nil if it has none
	before *entry
	after  *entry        // also links what was taken out to be removed
	since  time.Duration // since the cache's origin
	weight int64
}

// init makes g ready for use.
func (g *graveyard) init(capacity int, age time.Duration) {
	g.capacity, g.age = capacity, age
}

// add adds e, and returns the tombstones that have to go for it, linked by their
// graves. The caller removes them when it holds no lock: see PacketCache.remove.
// It returns false if nothing is remembered at all.
func (g *graveyard) add(e *entry, now time.Duration) (crowded *entry, added bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.capacity == 0 {
		return nil, false
	}
	e.grave.since, e.grave.weight = now, e.weigh()
	g.push(e)
	for g.crowded() {
		crowded = g.pop(crowded)
	}
	return g.expire(now, 2, crowded), true
}

// crowded reports whether there are too many.
func (g *graveyard) crowded() bool {
	return g.count > g.capacity || g.weight > int64(g.capacity)*graveWeight
}

// renew notes that a receipt came for e.
func (g *graveyard) renew(e *entry, now time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.grave.plot != nil {
		g.unlink(e)
		e.grave.since = now
		g.push(e)
	}
}

// sort moves e to where it belongs, after its copies have changed.
func (g *graveyard) sort(e *entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.grave.plot != nil && e.grave.plot != g.plotOf(e) {
		g.unlink(e)
		g.push(e)
	}
}

// take takes e out, and reports whether it was there.
func (g *graveyard) take(e *entry) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.grave.plot == nil {
		return false
	}
	g.unlink(e)
	return true
}

// expired takes out up to limit tombstones that are too old.
func (g *graveyard) expired(now time.Duration, limit int) *entry {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.expire(now, limit, nil)
}

// expire takes out up to limit tombstones that are too old, and links them to
// others.
func (g *graveyard) expire(now time.Duration, limit int, others *entry) *entry {
	for i := range g.plots {
		p := &g.plots[i]
		for ; limit > 0 && p.first != nil && now-p.first.grave.since > g.age; limit-- {
			e := p.first
			g.unlink(e)
			e.grave.after, others = others, e
		}
	}
	return others
}

// pop takes out the tombstone that is missed least, and links it to others.
func (g *graveyard) pop(others *entry) *entry {
	e := g.plots[0].first
	if e == nil {
		e = g.plots[1].first
	}
	g.unlink(e)
	e.grave.after = others
	return e
}

// plotOf returns where e belongs.
func (g *graveyard) plotOf(e *entry) *plot {
	if e.answered() {
		return &g.plots[0]
	}
	return &g.plots[1]
}

// push puts e at the end of the plot where it belongs.
func (g *graveyard) push(e *entry) {
	p := g.plotOf(e)
	e.grave.plot, e.grave.before, e.grave.after = p, p.last, nil
	if p.last == nil {
		p.first = e
	} else {
		p.last.grave.after = e
	}
	p.last = e
	g.count++
	g.weight += e.grave.weight
}

// unlink takes e out of its plot.
func (g *graveyard) unlink(e *entry) {
	p, before, after := e.grave.plot, e.grave.before, e.grave.after
	if before == nil {
		p.first = after
	} else {
		before.grave.after = after
	}
	if after == nil {
		p.last = before
	} else {
		after.grave.before = before
	}
	e.grave.plot, e.grave.before, e.grave.after = nil, nil, nil
	g.count--
	g.weight -= e.grave.weight
}

// weigh returns the bytes of what others have chosen in a tombstone.
func (e *entry) weigh() int64 {
	p := &e.packet
	weight := len(p.Key.To) + len(p.Key.From) + len(p.Key.ID) + len(p.Resource)
	for i := range p.Copies {
		weight += copyWeight + len(p.Copies[i].Resource)
	}
	return int64(weight)
}

// Sweep forgets the tombstones that are too old at now.
// Due, Settle, Again and Drop do it too, a few at a time.
func (c *PacketCache) Sweep(now time.Time) {
	c.remove(c.graves.expired(now.Sub(c.start(now)), math.MaxInt))
}

// remove forgets tombstones that were taken out of the graveyard, linked by their
// graves. No lock may be held.
func (c *PacketCache) remove(e *entry) {
	for e != nil {
		next := e.grave.after
		e.grave.after = nil
		s := c.shard(e.packet.Key.To)
		s.mu.Lock()
		s.index.remove(e)
		s.mu.Unlock()
		e = next
	}
}

// thin forgets a tombstone with the name of e if there are too many of them: one
// whose copies are all answered before others, the oldest first.
func (c *PacketCache) thin(s *shard, e *entry) {
	var first *entry
	count := 0
	for t := s.index.peers(e); t != nil; t = t.sibling {
		if t.state == tombstone {
			count++
			if first == nil || t.goesBefore(first) {
				first = t
			}
		}
	}
	if count > tombstonesPerName && c.graves.take(first) {
		s.index.remove(first)
	}
}

// goesBefore reports whether tombstone e is missed less than another of its name.
func (e *entry) goesBefore(other *entry) bool {
	if answered := e.answered(); answered != other.answered() {
		return answered
	}
	return e.packet.Seq < other.packet.Seq
}
