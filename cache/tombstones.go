// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"math"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/untilack/untilack/internal/arena"
	"github.com/untilack/untilack/internal/prefetch"
)

const (
	// graveWeight is what one tombstone may weigh on average, in bytes. Ids are
	// chosen by others, and may be as long as a stanza: one that is heavier counts
	// for several.
	graveWeight = 512
	// copyWeight is what a copy weighs, without its resource.
	copyWeight = 48
	// tombstonesPerName bounds the work for one receipt.
	tombstonesPerName = 16
	// sweepStep bounds what is removed while a shard is locked.
	sweepStep = 256
)

// A graveyard decides how long tombstones are remembered: until so much was buried
// after them that there would be too many. It is what the shards have in common; the
// tombstones themselves lie in their shards, and each shard removes its own.
type graveyard struct {
	space int64 // what all may weigh
	age   time.Duration

	_      [64]byte
	buried [plotCount]atomic.Int64 // the weight of all that ever were, by plot
	stand  [plotCount]atomic.Int64 // the weight of those that are there
	_      [64]byte
}

// The plots of a graveyard. Those with a copy that is not answered are kept longest:
// the others have what space is left.
const (
	answeredPlot = iota
	unansweredPlot
	plotCount
)

// A plot is a list of a shard's tombstones, the one that goes first at its head.
type plot struct {
	first, last arena.Ref
}

// A grave is a tombstone's place in the graveyard.
type grave struct {
	since         int64 // nanoseconds since the cache's origin
	mark          int64 // what was buried in its plot before it
	weight        uint32
	plot          uint32
	before, after arena.Ref
	tag           uint32 // of its name
}

// expectNext has the processor fetch what forgetting the next tombstone will read. It
// was put there long ago, and everything about it is far away.
func (s *shard) expectNext() {
	first := s.plots[answeredPlot].first
	if first == 0 {
		return
	}
	e := s.entry(first)
	s.graves.expect(e.grave().tag)
	s.numbers.expect(numberTag(e.seq))
	if e.copies != 0 {
		prefetch.Line(s.arena.At(e.copies))
	}
	if next := e.grave().after; next != 0 {
		at := s.arena.At(next)
		prefetch.Line(at)
		prefetch.Line(unsafe.Add(at, 64))
	}
}

// isCrowded reports whether a tombstone in a plot has to go: there are too many, and
// those that were buried after it take all the space.
func (g *graveyard) isCrowded(plot int, mark int64) bool {
	space, stand := g.space, g.stand[unansweredPlot].Load()
	if plot == answeredPlot {
		space -= stand
		stand = g.stand[answeredPlot].Load()
	}
	return stand > space && g.buried[plot].Load()-mark > space
}

// isGone reports whether a record is a tombstone that has to go.
func (s *shard) isGone(g *graveyard, e entry) bool {
	return e.state == tombstone && g.isCrowded(int(e.grave().plot), e.grave().mark)
}

// carve makes a tombstone of a record whose name has a tag: it has no stanza, and takes over the rest.
func (s *shard) carve(e entry, tag uint32) entry {
	text := 0
	for which := range stringCount {
		_, size := e.span(which)
		text += size
	}
	flags, size := e.flags&extended, recordSize+graveSize
	if text > mostOffset { // then so may be where a string lies
		flags = extended
	}
	if flags != 0 {
		size += extrasSize
	}
	stone := s.entry(s.arena.Alloc(int(size) + text))
	*stone.record = *e.record
	stone.state, stone.flags, stone.size = tombstone, flags, 0
	switch {
	case e.flags&extended != 0:
		*stone.extras() = *e.extras()
	case flags != 0:
		*stone.extras() = extras{}
	}
	body := unsafe.Slice((*byte)(stone.body()), text)
	at := 0
	for which := range stringCount {
		text := e.string(which)
		stone.setSpan(which, span{uint32(at), uint32(len(text))})
		at += copy(body[at:], text)
	}
	*stone.grave() = grave{tag: tag, weight: uint32(max(graveWeight, text+s.copiesWeight(e.record)))}
	return stone
}

func (s *shard) copiesWeight(e *record) (weight int) {
	for ref := e.copies; ref != 0; {
		d, next := s.next(ref)
		weight += copyWeight + int(d.size)
		ref = next
	}
	return weight
}

// enlist puts a tombstone at the end of the plot where it belongs.
func (s *shard) enlist(g *graveyard, e entry, now time.Duration) {
	at := e.grave()
	at.plot = answeredPlot
	if !s.answered(e.record) {
		at.plot = unansweredPlot
	}
	at.since = int64(now)
	g.stand[at.plot].Add(int64(at.weight))
	at.mark = g.buried[at.plot].Add(int64(at.weight)) - int64(at.weight)
	p := &s.plots[at.plot]
	at.before, at.after = p.last, 0
	if p.last == 0 {
		p.first = e.place
	} else {
		s.record(p.last).grave().after = e.place
	}
	p.last = e.place
}

// unlist takes a tombstone out of its plot.
func (s *shard) unlist(g *graveyard, e entry) {
	at := e.grave()
	g.stand[at.plot].Add(-int64(at.weight))
	p := &s.plots[at.plot]
	if at.before == 0 {
		p.first = at.after
	} else {
		s.record(at.before).grave().after = at.after
	}
	if at.after == 0 {
		p.last = at.before
	} else {
		s.record(at.after).grave().before = at.before
	}
}

// renew notes that a receipt came for a tombstone.
func (s *shard) renew(g *graveyard, e entry, now time.Duration) {
	s.unlist(g, e)
	s.enlist(g, e, now)
}

// sort moves a tombstone to where it belongs, after its copies have changed.
func (s *shard) sort(g *graveyard, e entry) {
	if at := e.grave(); at.plot == unansweredPlot && s.answered(e.record) {
		s.renew(g, e, time.Duration(at.since))
	}
}

// forget removes a tombstone.
func (s *shard) forget(g *graveyard, e entry) {
	s.unlist(g, e)
	tag := e.grave().tag
	at := firstAt(s.graves.slots, tag)
	for s.graves.slots[at].value != e.place {
		at = nextAt(s.graves.slots, tag, at)
	}
	s.graves.remove(at)
	at, _ = s.find(e.seq)
	s.numbers.remove(at)
	s.free(e)
}

// crowd forgets the tombstones after which too much was buried.
func (s *shard) crowd(g *graveyard) {
	for plot := range s.plots {
		for s.plots[plot].first != 0 {
			e := s.entry(s.plots[plot].first)
			if !g.isCrowded(plot, e.grave().mark) {
				break
			}
			s.forget(g, e)
		}
	}
}

// expire forgets up to limit tombstones that are too old.
func (s *shard) expire(g *graveyard, now time.Duration, limit int) {
	for plot := range s.plots {
		for ; limit > 0 && s.plots[plot].first != 0; limit-- {
			e := s.entry(s.plots[plot].first)
			if now-time.Duration(e.grave().since) <= g.age {
				break
			}
			s.forget(g, e)
		}
	}
}

// Sweep forgets the tombstones that are too old at now.
// Due, Settle, Again and Drop do it too, a few at a time.
func (c *PacketCache) Sweep(now time.Time) {
	since := c.since(now)
	c.eachShard(func(s *shard) {
		s.crowd(&c.graves)
		s.expire(&c.graves, since, math.MaxInt)
	})
}

// thin forgets a tombstone with a name if there are too many of them: one whose
// copies are all answered before others, the oldest first.
func (s *shard) thin(g *graveyard, n *name) {
	var first entry
	count := 0
	places := s.graves.slots
	for at := firstAt(places, n.tag); at >= 0; at = nextAt(places, n.tag, at) {
		if e := s.entry(places[at].value); e.is(n) {
			count++
			if first.record == nil || s.goesBefore(e.record, first.record) {
				first = e
			}
		}
	}
	if count > tombstonesPerName {
		s.forget(g, first)
	}
}

// goesBefore reports whether a tombstone is missed less than another of its name.
func (s *shard) goesBefore(r, other *record) bool {
	if answered := s.answered(r); answered != s.answered(other) {
		return answered
	}
	return r.seq < other.seq
}
