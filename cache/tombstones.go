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

// graves are a shard's tombstones, in the order in which they go. By name they are found
// among the packets that wait. By number few are ever asked for: the table for that is
// made when one is.
type graves struct {
	plots    [plotCount]plot
	numbers  table[arena.Ref]
	numbered bool
	count    int
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

// oldest returns the time since which tombstones are not too old yet.
func (g *graveyard) oldest(since time.Duration) int64 {
	if oldest := since - g.age; oldest < since {
		return int64(oldest)
	}
	return math.MinInt64
}

// grave returns the grave of a tombstone.
func (s *shard) grave(r *record) *grave { return s.graves.plots[r.plot()].at(r.position()) }

// isGone reports whether a record is a tombstone that has to go.
func (s *shard) isGone(g *graveyard, r *record) bool {
	return r.state == tombstone && g.isCrowded(r.plot(), s.grave(r).mark)
}

// tombstone returns the tombstone with a number, if there is one.
func (s *shard) tombstone(seq uint64) entry {
	if !s.graves.numbered {
		s.number()
	}
	slots, tag := s.graves.numbers.slots, numberTag(seq)
	for at := firstAt(slots, tag); at >= 0; at = nextAt(slots, tag, at) {
		if e := s.entry(slots[at].value); e.seq == seq {
			return e
		}
	}
	return entry{}
}

// number makes the table of numbers.
func (s *shard) number() {
	v := &s.graves
	v.numbered = true
	for i := range v.plots {
		for at := range v.plots[i].graves() {
			v.numbers.add(numberTag(s.record(at.place).seq), at.place)
		}
	}
}

// entomb makes a tombstone of a record, which has a grave. It stays where it is for now,
// if it is not large.
func (s *shard) entomb(e entry, plot int, at grave) {
	e.state, e.flags = tombstone, e.flags&extended|bulky
	at.place = e.place
	if s.arena.Size(at.place) > graveWeight {
		at.place = s.squeeze(e, at.tag)
	}
	if s.graves.numbered {
		s.graves.numbers.add(numberTag(e.seq), at.place)
	}
	s.graves.count++
	s.dig(s.record(at.place), plot, at)
}

// squeeze moves a tombstone to where there is no room for the stanza that it had.
func (s *shard) squeeze(e entry, tag uint32) arena.Ref {
	size, text := recordSize, e.text()
	if e.flags&extended != 0 {
		size += extrasSize
	}
	stone := s.entry(s.arena.Alloc(int(size) + text))
	*stone.record = *e.record
	stone.flags &^= bulky
	if stone.flags&extended != 0 {
		*stone.extras() = *e.extras()
	}
	body := unsafe.Slice((*byte)(stone.body()), text)
	end := 0
	for which := range stringCount {
		text := e.string(which)
		stone.setSpan(which, span{uint32(end), uint32(len(text))})
		end += copy(body[end:], text)
	}
	s.arena.Free(e.place)
	s.names.slots[slotOf(s.names.slots, tag, e.place)].value = stone.place
	return stone.place
}

// squeezeAll moves all tombstones that take more room than they need. There must be no
// table of their numbers.
func (s *shard) squeezeAll() {
	for i := range s.graves.plots {
		for at := range s.graves.plots[i].graves() {
			if e := s.entry(at.place); e.flags&bulky != 0 {
				at.place = s.squeeze(e, at.tag)
			}
		}
	}
}

// reserve counts a tombstone that a record is to be, and returns the plot where it belongs,
// and its grave.
func (s *shard) reserve(g *graveyard, r *record, tag, weight uint32, since time.Duration) (plot int, at grave) {
	plot = answeredPlot
	if !s.answered(r) {
		plot = unansweredPlot
	}
	g.stand[plot].Add(int64(weight))
	mark := g.buried[plot].Add(int64(weight)) - int64(weight)
	return plot, grave{mark: mark, since: int64(since), tag: tag, weight: weight}
}

// dig gives a tombstone a grave, the last of its plot.
func (s *shard) dig(r *record, plot int, at grave) {
	r.setPlot(plot)
	r.setPosition(s.add(&s.graves.plots[plot], at))
}

// weight returns what a record weighs as a tombstone.
func (s *shard) weight(r *record) uint32 {
	return uint32(max(graveWeight, r.text()+s.copiesWeight(r)))
}

// leaveGrave takes a tombstone out of its plot.
func (s *shard) leaveGrave(g *graveyard, r *record) grave {
	at := *s.grave(r)
	g.stand[r.plot()].Add(-int64(at.weight))
	s.graves.plots[r.plot()].kill(r.position())
	return at
}

// renew puts a tombstone at the end of the plot where it belongs.
func (s *shard) renew(g *graveyard, r *record, since time.Duration) {
	was := s.leaveGrave(g, r)
	plot, at := s.reserve(g, r, was.tag, was.weight, since)
	at.place = was.place
	s.dig(r, plot, at)
}

// sort moves a tombstone to where it belongs, after its copies have changed.
func (s *shard) sort(g *graveyard, r *record) {
	if r.plot() == unansweredPlot && s.answered(r) {
		s.renew(g, r, time.Duration(s.grave(r).since))
	}
}

// forget removes a tombstone before its turn.
func (s *shard) forget(g *graveyard, r *record) { s.remove(s.leaveGrave(g, r)) }

// remove removes the tombstone that was in a grave.
func (s *shard) remove(at grave) {
	s.names.remove(slotOf(s.names.slots, at.tag, at.place))
	if v := &s.graves; v.numbered {
		v.numbers.remove(slotOf(v.numbers.slots, numberTag(s.record(at.place).seq), at.place))
	}
	s.graves.count--
	s.freeDeliveries(s.record(at.place))
	s.arena.Free(at.place)
}

func (s *shard) copiesWeight(r *record) (weight int) {
	for ref := r.copies; ref != 0; {
		d, next := s.next(ref)
		weight += copyWeight + int(d.size)
		ref = next
	}
	return weight
}

// clear forgets tombstones that have to go: up to limit of each plot, from the first of
// it on, as long as it is too old or too much was buried after it.
func (s *shard) clear(g *graveyard, oldest int64, limit int) {
	for i := range s.graves.plots {
		p := &s.graves.plots[i]
		for left := limit; left > 0 && p.first != p.next; p.first++ {
			at := p.at(p.first)
			if at.place == 0 {
				p.dead--
				continue
			}
			if at.since >= oldest && !g.isCrowded(i, at.mark) {
				break
			}
			g.stand[i].Add(-int64(at.weight))
			s.remove(*at)
			left--
		}
		if p.first != p.next {
			s.expectRemove(p.at(p.first))
		}
	}
}

// expectRemove has the processor fetch what forgetting a tombstone will read: it was there
// long ago.
func (s *shard) expectRemove(at *grave) {
	if at.place != 0 {
		s.names.expect(at.tag)
		stone := unsafe.Pointer(s.record(at.place))
		for part := uintptr(0); part < uintptr(s.arena.Size(at.place)); part += 256 {
			prefetch.Lines(stone, part)
		}
	}
}

// Sweep forgets the tombstones that are too old at now.
// Due, Settle, Again and Drop do it too, a few at a time.
func (c *PacketCache) Sweep(now time.Time) {
	oldest := c.graves.oldest(c.since(now))
	c.eachShard(func(s *shard) { s.clear(&c.graves, oldest, math.MaxInt) })
}

// thin forgets a tombstone with a name if there are too many of them: one whose
// copies are all answered before others, the oldest first.
func (s *shard) thin(g *graveyard, n *name) {
	var first *record
	count := 0
	for e := s.named(n.tag); e.record != nil; e = s.nextNamed(n.tag, e) {
		if e.state == tombstone && e.is(n) {
			count++
			if first == nil || s.goesBefore(e.record, first) {
				first = e.record
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
