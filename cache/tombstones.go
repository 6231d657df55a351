// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"math"
	"sync/atomic"
	"time"
	"unsafe"

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

// graves are a shard's tombstones: for each plot a log, in the order in which they go,
// and a table that finds them by the tags of their names and by those of their
// numbers. A tombstone that goes in its turn is not taken out of the table at once, but
// with all others that have gone, now and then.
type graves struct {
	plots [plotCount]log
	table table[headstone]
	swept [plotCount]uint32 // where the logs ended when what has gone was last taken out
	count int
}

// A headstone says where a tombstone lies: the position in the log of a plot, and
// which, in the lowest bit.
type headstone uint32

func headstoneAt(plot int, position uint32) headstone {
	return headstone(position<<1 | uint32(plot))
}

func (h headstone) plot() int { return int(h & 1) }

// position returns the position in l, whose highest bit a headstone has not.
func (h headstone) position(l *log) uint32 {
	return l.first + (uint32(h>>1)-l.first)&math.MaxInt32
}

// A grave is a tombstone's place in the graveyard.
type grave struct {
	since  int64 // nanoseconds since the cache's origin
	mark   int64 // what was buried in its plot before it
	weight uint32
	tag    uint32 // of its name
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

// holds reports whether what a headstone is for is there, if only dead.
func (v *graves) holds(h headstone) bool {
	l := &v.plots[h.plot()]
	return l.holds(h.position(l))
}

// at returns a tombstone, or no record if it has gone.
func (v *graves) at(h headstone) entry {
	l := &v.plots[h.plot()]
	position := h.position(l)
	if !l.holds(position) || l.item(position).dead {
		return entry{}
	}
	return entry{(*record)(l.content(position)), uint32(h)}
}

// named returns the next tombstone with a tag from a slot on, and its slot, or -1. The
// first slot is that of look.
func (v *graves) named(tag uint32, slot int) (entry, int) {
	for ; slot >= 0; slot = nextAt(v.table.slots, tag, slot) {
		if e := v.at(v.table.slots[slot].value); e.record != nil {
			return e, slot
		}
	}
	return entry{}, -1
}

func (v *graves) look(tag uint32) int { return firstAt(v.table.slots, tag) }

// after returns the slot after one that was found.
func (v *graves) after(tag uint32, slot int) int { return nextAt(v.table.slots, tag, slot) }

// find returns the tombstone with a number.
func (v *graves) find(seq uint64) entry {
	tag := numberTag(seq)
	for e, at := v.named(tag, v.look(tag)); at >= 0; e, at = v.named(tag, v.after(tag, at)) {
		if e.seq == seq {
			return e
		}
	}
	return entry{}
}

// index makes a tombstone one that is found.
func (v *graves) index(h headstone, tag, number uint32) {
	l := &v.plots[h.plot()]
	if slotsFor(v.table.count+2) > len(v.table.slots) || l.next-v.swept[h.plot()] > 1<<30 { // or positions would come again
		v.reindex()
	}
	v.table.add(tag, h)
	v.table.add(number, h)
}

// reindex takes out of the table what has gone, and gives it twice the slots that are
// needed if it has not about as many.
func (v *graves) reindex() {
	t := &v.table
	for at := 0; at < len(t.slots); {
		if t.slots[at].tag != 0 && !v.holds(t.slots[at].value) {
			t.remove(at) // which may move another one here
		} else {
			at++
		}
	}
	if want := slotsFor(2*t.count + 16); want > len(t.slots) || want*3 < len(t.slots) {
		t.resize(want)
	}
	for plot := range v.plots {
		v.swept[plot] = v.plots[plot].next
	}
}

// unindex takes one tombstone out of the table.
func (v *graves) unindex(h headstone, tag uint32) {
	at := v.look(tag)
	for v.table.slots[at].value != h {
		at = v.after(tag, at)
	}
	v.table.remove(at)
}

// expectNext has the processor fetch what the next tombstone will be written to, and
// what forgetting another will read: both were there long ago.
func (v *graves) expectNext() {
	l := &v.plots[answeredPlot]
	if len(l.ring) == 0 {
		return
	}
	next, head := l.at(l.next), l.at(l.first)
	for line := uintptr(0); line < 256; line += 64 {
		prefetch.Line(next, line)
	}
	prefetch.Line(head, 192)
	prefetch.Line(head, 256)
}

// entomb makes a tombstone of a record whose name has a tag: it has no stanza, and takes
// over the rest.
func (s *shard) entomb(g *graveyard, e entry, tag uint32, since time.Duration) {
	text := 0
	for which := range stringCount {
		_, size := e.span(which)
		text += size
	}
	size := recordSize + graveSize
	if e.flags&extended != 0 {
		size += extrasSize
	}
	plot := s.plotOf(e.record)
	l := &s.graves.plots[plot]
	position := l.add(int(size) + text)
	stone := (*record)(l.content(position))
	*stone = *e.record
	stone.state, stone.flags, stone.size = tombstone, e.flags&extended, 0
	if stone.flags != 0 {
		*stone.extras() = *e.extras()
	}
	body := unsafe.Slice((*byte)(stone.body()), text)
	at := 0
	for which := range stringCount {
		text := e.string(which)
		stone.setSpan(which, span{uint32(at), uint32(len(text))})
		at += copy(body[at:], text)
	}
	*stone.grave() = grave{tag: tag, weight: uint32(max(graveWeight, text+s.copiesWeight(e.record)))}
	s.enlist(g, plot, position, since)
}

// plotOf returns where a tombstone belongs.
func (s *shard) plotOf(r *record) int {
	if s.answered(r) {
		return answeredPlot
	}
	return unansweredPlot
}

func (s *shard) copiesWeight(r *record) (weight int) {
	for ref := r.copies; ref != 0; {
		d, next := s.next(ref)
		weight += copyWeight + int(d.size)
		ref = next
	}
	return weight
}

// enlist counts the tombstone that was written last to a plot, and has it found.
func (s *shard) enlist(g *graveyard, plot int, position uint32, since time.Duration) {
	r := (*record)(s.graves.plots[plot].content(position))
	at := r.grave()
	weight := int64(at.weight)
	g.stand[plot].Add(weight)
	at.since, at.mark = int64(since), g.buried[plot].Add(weight)-weight
	s.graves.count++
	s.graves.index(headstoneAt(plot, position), at.tag, numberTag(r.seq))
}

// renew puts a tombstone at the end of the plot where it belongs.
func (s *shard) renew(g *graveyard, e entry, since time.Duration) {
	v, h, plot := &s.graves, headstone(e.place), s.plotOf(e.record)
	words := v.plots[h.plot()].item(h.position(&v.plots[h.plot()])).words
	l := &v.plots[plot]
	position := l.add(int(words-1) * 8)
	e = v.at(h) // which may have moved
	copy(unsafe.Slice((*uint64)(l.content(position)), words-1), unsafe.Slice((*uint64)(unsafe.Pointer(e.record)), words-1))
	e.copies = 0
	s.remove(g, e)
	s.enlist(g, plot, position, since)
	v.tidy(h.plot())
}

// sort moves a tombstone to where it belongs, after its copies have changed.
func (s *shard) sort(g *graveyard, e entry) {
	if headstone(e.place).plot() == unansweredPlot && s.answered(e.record) {
		s.renew(g, e, time.Duration(e.grave().since))
	}
}

// forget removes a tombstone before its turn.
func (s *shard) forget(g *graveyard, e entry) {
	s.remove(g, e)
	s.graves.tidy(headstone(e.place).plot())
}

func (s *shard) remove(g *graveyard, e entry) {
	plot := headstone(e.place).plot()
	l := &s.graves.plots[plot]
	s.graves.unindex(headstone(e.place), e.grave().tag)
	s.graves.unindex(headstone(e.place), numberTag(e.seq))
	s.gone(g, plot, e.record)
	l.kill(headstone(e.place).position(l))
}

// tidy writes the log of a plot anew if most of it is dead.
func (v *graves) tidy(plot int) {
	if v.plots[plot].isWasteful() {
		v.compact(plot)
	}
}

// gone counts a tombstone out, and gives up its copies.
func (s *shard) gone(g *graveyard, plot int, r *record) {
	g.stand[plot].Add(-int64(r.grave().weight))
	s.graves.count--
	s.freeDeliveries(r)
}

// compact writes the log of a plot anew, without what is dead.
func (v *graves) compact(plot int) {
	old := v.plots[plot]
	l := log{first: old.next, next: old.next} // old positions are not those of others now
	var moved []slot[headstone]
	for at := old.first; at != old.next; at += old.item(at).words {
		if old.item(at).dead {
			continue
		}
		words := old.item(at).words
		position := l.add(int(words-1) * 8)
		copy(unsafe.Slice((*uint64)(l.content(position)), words-1), unsafe.Slice((*uint64)(old.content(at)), words-1))
		r, h := (*record)(l.content(position)), headstoneAt(plot, position)
		moved = append(moved, slot[headstone]{r.grave().tag, h}, slot[headstone]{numberTag(r.seq), h})
	}
	v.plots[plot] = l
	v.reindex()
	for _, m := range moved {
		v.table.add(m.tag, m.value)
	}
}

// goWhile forgets tombstones, up to limit of each plot, from the first of it on, as long
// as they have to go.
func (s *shard) goWhile(g *graveyard, limit int, hasToGo func(plot int, at *grave) bool) {
	for plot := range s.graves.plots {
		l := &s.graves.plots[plot]
		for left := limit; left > 0 && l.first != l.next; l.pop() {
			if l.item(l.first).dead {
				continue
			}
			r := (*record)(l.content(l.first))
			if !hasToGo(plot, r.grave()) {
				break
			}
			s.gone(g, plot, r)
			left--
		}
	}
}

// crowd forgets up to limit tombstones of each plot after which too much was buried.
func (s *shard) crowd(g *graveyard, limit int) {
	s.goWhile(g, limit, func(plot int, at *grave) bool { return g.isCrowded(plot, at.mark) })
}

// expire forgets up to limit tombstones that are too old.
func (s *shard) expire(g *graveyard, since time.Duration, limit int) {
	s.goWhile(g, limit, func(_ int, at *grave) bool { return since-time.Duration(at.since) > g.age })
}

// isGone reports whether a tombstone has to go.
func (g *graveyard) isGone(e entry) bool {
	return g.isCrowded(headstone(e.place).plot(), e.grave().mark)
}

// Sweep forgets the tombstones that are too old at now.
// Due, Settle, Again and Drop do it too, a few at a time.
func (c *PacketCache) Sweep(now time.Time) {
	since := c.since(now)
	c.eachShard(func(s *shard) {
		s.crowd(&c.graves, math.MaxInt)
		s.expire(&c.graves, since, math.MaxInt)
	})
}

// thin forgets a tombstone with a name if there are too many of them: one whose
// copies are all answered before others, the oldest first.
func (s *shard) thin(g *graveyard, n *name) {
	var first entry
	count := 0
	v := &s.graves
	for e, at := v.named(n.tag, v.look(n.tag)); at >= 0; e, at = v.named(n.tag, v.after(n.tag, at)) {
		if e.is(n) {
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

// trim gives up memory that is not needed any more.
func (v *graves) trim() {
	for plot := range v.plots {
		l := &v.plots[plot]
		switch {
		case l.used() == 0:
			l.ring = nil
		case int(l.used()) < len(l.ring)/8:
			v.compact(plot)
		}
	}
	switch {
	case v.count == 0:
		v.table = table[headstone]{}
	case len(v.table.slots) > 3*slotsFor(4*v.count+16):
		v.reindex()
	}
}
