// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package arena hands out pieces of memory that hold no pointers.
//
// A piece is named by a Ref of 32 bits and stays where it is until it is freed. The
// garbage collector sees a few large chunks, however many pieces there are, and looks
// into none of them.
// An Arena is not safe for concurrent use.
package arena

import (
	"math/bits"
	"slices"
	"unsafe"

	"github.com/untilack/untilack/internal/prefetch"
)

// A Ref names a piece; 0 names none. It is the number of a chunk, and how many words of
// eight bytes into it the piece lies.
type Ref uint32

const (
	step      = 8 // all pieces are a multiple of this
	wordBits  = 13
	wordMask  = 1<<wordBits - 1
	small     = 1 << 10 // up to which size a piece is small
	eighths   = 8       // larger ones are an eighth of a power of two more or less
	large     = 1 << 15 // from which size on a piece has a chunk of its own
	maxChunk  = step << wordBits
	page      = 1 << 13
	classes   = small/step + (15-10)*eighths + 1
	noClass   = classes // of a piece that has a chunk of its own
	share     = 64      // a new chunk is that part of what its class holds
	fewSlots  = 17      // or has so many slots
	noneChunk = 0
)

// A chunk is an array of slots of one size.
type chunk struct {
	words      uint32 // of memory; 0: the number is free
	size       uint32 // of a slot, in words
	slots      uint32
	used       uint32 // the slots after these were never handed out
	live       uint32 // how many are handed out
	free       uint32 // where the first of those lies that were given back, plus one
	class      uint32
	next, prev uint32 // chunks of the class with room: a number, or noneChunk
}

// An Arena is a set of pieces of memory. The zero value is an empty one.
type Arena struct {
	memory  []unsafe.Pointer // of the chunks, each a []uint64
	chunks  []chunk          // the first is not used
	numbers []uint32         // of chunks that are free
	classes []class
	bytes   int
}

// A class is all chunks with slots of one size.
type class struct {
	last  Ref    // the piece that was given back last: it is handed out next, and counts as such
	room  uint32 // the first chunk with a slot that is free
	live  uint32 // slots that are handed out
	empty uint32 // how many chunks have no slot handed out
}

// At returns where a piece lies.
func (a *Arena) At(r Ref) unsafe.Pointer {
	return unsafe.Add(a.memory[r>>wordBits], r&wordMask*step)
}

// Expect has the processor fetch a piece, which may have been freed, or the beginning of it.
func (a *Arena) Expect(r Ref) {
	if n := int(r >> wordBits); n < len(a.memory) {
		memory := a.memory[n]
		prefetch.Lines(memory, uintptr(r&wordMask*step))
		prefetch.Lines(memory, uintptr(r&wordMask*step+256))
	}
}

// Size returns how large a piece is: at least what it was asked for.
func (a *Arena) Size(r Ref) int { return int(a.chunks[r>>wordBits].size) * step }

// Bytes returns how much memory the chunks hold.
func (a *Arena) Bytes() int { return a.bytes }

// Used returns how much of it is handed out.
func (a *Arena) Used() (bytes int) {
	for n := range a.chunks {
		bytes += int(a.chunks[n].live*a.chunks[n].size) * step
	}
	return bytes
}

// classOf returns the class of a size, and the size of its slots.
func classOf(size int) (number, slot int) {
	switch {
	case size <= small:
		number = max(size+step-1, step) / step
		return number - 1, number * step
	case size <= large:
		exponent := bits.Len(uint(size - 1)) // 2^(exponent-1) < size <= 2^exponent
		unit := 1 << (exponent - 1) / eighths
		part := (size - 1<<(exponent-1) + unit - 1) / unit // 1 to 8
		return small/step + (exponent-11)*eighths + part - 1, 1<<(exponent-1) + part*unit
	}
	return noClass, (size + page - 1) &^ (page - 1)
}

// Alloc returns a piece of at least that many bytes. What is in it is not defined.
func (a *Arena) Alloc(size int) Ref {
	number, slot := classOf(size)
	if number == noClass {
		n := a.newChunk(noClass, slot, 1)
		c := &a.chunks[n]
		c.used, c.live = 1, 1
		return Ref(n << wordBits)
	}
	if a.classes == nil {
		a.classes = make([]class, classes)
	}
	k := &a.classes[number]
	if r := k.last; r != 0 {
		k.last = 0
		return r
	}
	if k.room == noneChunk {
		a.push(k, a.newChunk(number, slot, slotsFor(slot, int(k.live))))
		k.empty++
	}
	n := k.room
	c := &a.chunks[n]
	if c.live == 0 {
		k.empty--
	}
	c.live++
	k.live++
	var r Ref
	if c.free != 0 {
		r = Ref(n<<wordBits | (c.free - 1))
		c.free = *(*uint32)(a.At(r))
	} else {
		r = Ref(n<<wordBits | c.used*c.size)
		c.used++
	}
	if c.live == c.slots {
		a.unlink(k, n)
	}
	return r
}

// Free gives a piece back. It must not be used any more.
func (a *Arena) Free(r Ref) {
	n := r >> wordBits
	number := a.chunks[n].class
	if number == noClass {
		a.release(uint32(n))
		return
	}
	k := &a.classes[number]
	last := k.last
	if k.last = r; last != 0 {
		a.free(k, last)
	}
}

// free gives a piece of a class back to its chunk.
func (a *Arena) free(k *class, r Ref) {
	n := uint32(r >> wordBits)
	c := &a.chunks[n]
	if c.live == c.slots {
		a.push(k, n)
	}
	*(*uint32)(a.At(r)) = c.free
	c.free = uint32(r&wordMask) + 1
	c.live--
	k.live--
	if c.live > 0 {
		return
	}
	// One that is empty is kept: else a class at the edge would get and lose it by turns.
	if k.empty > 0 {
		a.unlink(k, n)
		a.release(n)
		return
	}
	k.empty++
}

// Trim gives up the chunks in which nothing is.
func (a *Arena) Trim() {
	if len(a.classes) == 0 {
		return
	}
	for i := range a.classes {
		if k := &a.classes[i]; k.last != 0 {
			a.free(k, k.last)
			k.last = 0
		}
	}
	for n := range a.chunks {
		if c := &a.chunks[n]; c.words != 0 && c.live == 0 {
			k := &a.classes[c.class]
			k.empty--
			a.unlink(k, uint32(n))
			a.release(uint32(n))
		}
	}
	if a.bytes == 0 {
		*a = Arena{}
	}
}

// slotsFor returns how many slots a new chunk is to have: the more, the more there are,
// so that little is held in vain.
func slotsFor(size, live int) int {
	return max(min(max(live/share, min(live, fewSlots)), maxChunk/size), 1)
}

// newChunk makes a chunk with so many slots, or more if memory comes in larger pieces.
func (a *Arena) newChunk(class, size, slots int) uint32 {
	var n uint32
	if last := len(a.numbers) - 1; last >= 0 {
		n, a.numbers = a.numbers[last], a.numbers[:last]
	} else {
		n = uint32(max(len(a.chunks), 1))
		if n >= 1<<(32-wordBits) {
			panic("arena: full")
		}
		a.chunks = append(a.chunks, make([]chunk, int(n)+1-len(a.chunks))...)
		a.memory = append(a.memory, make([]unsafe.Pointer, int(n)+1-len(a.memory))...)
	}
	memory := slices.Grow([]uint64(nil), size*slots/8)
	if class != noClass {
		slots = min(cap(memory)*8, maxChunk) / size
	}
	a.bytes += cap(memory) * 8
	a.memory[n] = unsafe.Pointer(unsafe.SliceData(memory))
	a.chunks[n] = chunk{words: uint32(cap(memory)), size: uint32(size / step), slots: uint32(slots), class: uint32(class)}
	return n
}

// release gives up the memory of a chunk.
func (a *Arena) release(n uint32) {
	c := &a.chunks[n]
	a.bytes -= int(c.words) * 8
	*c = chunk{}
	a.memory[n] = nil
	a.numbers = append(a.numbers, n)
}

// push makes a chunk the first of its class in which there is room.
func (a *Arena) push(k *class, n uint32) {
	c := &a.chunks[n]
	c.next, c.prev = k.room, noneChunk
	if k.room != noneChunk {
		a.chunks[k.room].prev = n
	}
	k.room = n
}

// unlink takes a chunk out of those in which there is room.
func (a *Arena) unlink(k *class, n uint32) {
	c := &a.chunks[n]
	if c.prev == noneChunk {
		k.room = c.next
	} else {
		a.chunks[c.prev].next = c.next
	}
	if c.next != noneChunk {
		a.chunks[c.next].prev = c.prev
	}
}
