// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import "unsafe"

// A log is a queue of items in a ring of memory: what is in it is written once, one
// after the other, and given up in the same order. It grows as needed.
// An item is named by its position, in words of eight bytes since the log began; it
// begins with its length.
type log struct {
	ring        []uint64 // a power of two
	first, next uint32   // positions, which may pass the end of their range
	dead        uint32   // words of items that were given up out of turn
}

// An item's first word.
type item struct {
	words uint32 // its length, this one included
	dead  bool
}

// used returns how many words are in the log.
func (l *log) used() uint32 { return l.next - l.first }

// holds reports whether a position is that of an item which has not gone.
func (l *log) holds(at uint32) bool { return at-l.first < l.used() }

func (l *log) at(position uint32) unsafe.Pointer {
	return unsafe.Pointer(&l.ring[int(position)&(len(l.ring)-1)])
}

func (l *log) item(position uint32) *item { return (*item)(l.at(position)) }

// content returns what is behind an item's first word.
func (l *log) content(position uint32) unsafe.Pointer { return unsafe.Add(l.at(position), 8) }

// add adds an item for so many bytes, and returns its position. What lies in the log may
// move.
func (l *log) add(bytes int) (position uint32) {
	words := uint32(bytes+7)/8 + 1
	for int(2*words) > len(l.ring) || int(l.used()+2*words) > len(l.ring) {
		l.resize(max(2*len(l.ring), 64))
	}
	if rest := uint32(len(l.ring)) - l.next&uint32(len(l.ring)-1); rest < words {
		*l.item(l.next) = item{rest, true} // an item lies in one piece
		l.next += rest
		l.dead += rest
	}
	position = l.next
	*l.item(position) = item{words: words}
	l.next += words
	return position
}

// resize changes the size of the ring. An item that lies in one piece does so in a
// ring of any larger size, too.
func (l *log) resize(words int) {
	old := *l
	l.ring = make([]uint64, words)
	for at := l.first; at != l.next; {
		size := old.item(at).words
		copy(unsafe.Slice((*uint64)(l.at(at)), size), unsafe.Slice((*uint64)(old.at(at)), size))
		at += size
	}
}

// kill gives up an item out of turn.
func (l *log) kill(position uint32) {
	i := l.item(position)
	i.dead = true
	l.dead += i.words
}

// pop gives up the first item.
func (l *log) pop() {
	i := l.item(l.first)
	if i.dead {
		l.dead -= i.words
	}
	l.first += i.words
}

// isWasteful reports whether most of the log is dead.
func (l *log) isWasteful() bool { return l.dead > 1024 && l.dead > l.used()/2 }
