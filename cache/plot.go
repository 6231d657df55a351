// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"iter"

	"github.com/untilack/untilack/internal/arena"
)

// A plot is a queue of graves in a ring: the first one is given up first.
// A grave is named by its position, which counts from the first that ever was.
type plot struct {
	ring        []grave // a power of two
	first, next uint32  // positions, which may pass the end of their range
	dead        uint32  // graves that were given up out of turn
}

// A grave is a tombstone's place in a plot.
type grave struct {
	mark   int64     // what was buried in its plot before it
	since  int64     // nanoseconds since the cache's origin
	place  arena.Ref // of the tombstone; 0: the grave was given up out of turn
	tag    uint32    // of the tombstone's name
	weight uint32
}

const fewGraves = 8 // of the smallest ring

// used returns how many graves are in the ring, the dead ones too.
func (p *plot) used() uint32 { return p.next - p.first }

func (p *plot) at(position uint32) *grave { return &p.ring[int(position)&(len(p.ring)-1)] }

// add adds a grave, and returns its position. Others may get another one.
func (s *shard) add(p *plot, g grave) (position uint32) {
	if int(p.used()) == len(p.ring) {
		s.compact(p)
		if int(p.used())*2 >= len(p.ring) {
			p.resize(max(2*len(p.ring), fewGraves))
		}
	}
	position = p.next
	*p.at(position) = g
	p.next++
	return position
}

// kill gives up a grave out of turn.
func (p *plot) kill(position uint32) {
	p.at(position).place = 0
	p.dead++
}

// graves yields the graves of tombstones.
func (p *plot) graves() iter.Seq[*grave] {
	return func(yield func(*grave) bool) {
		for position := p.first; position != p.next; position++ {
			if at := p.at(position); at.place != 0 && !yield(at) {
				return
			}
		}
	}
}

// compact takes the dead graves out of the ring.
func (s *shard) compact(p *plot) {
	if p.dead == 0 {
		return
	}
	end := p.first
	for position := p.first; position != p.next; position++ {
		if g := *p.at(position); g.place != 0 {
			s.record(g.place).setPosition(end)
			*p.at(end) = g
			end++
		}
	}
	p.next, p.dead = end, 0
}

// resize changes the size of the ring, in which there is room for all graves.
func (p *plot) resize(size int) {
	old := *p
	p.ring = make([]grave, size)
	for position := p.first; position != p.next; position++ {
		*p.at(position) = *old.at(position)
	}
}

// trim gives up memory if most of the ring is empty.
func (s *shard) trim(p *plot) {
	if p.used() == 0 {
		p.ring = nil
		return
	}
	size := len(p.ring)
	for size > fewGraves && int(p.used()) < size/4 {
		size /= 2
	}
	if size < len(p.ring) {
		p.resize(size)
	}
}
