// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import "time"

// Slots are the memory of stanzas that contenders keep references to: each packet
// that waits is in one of its own, which was allocated beforehand.
type slots struct {
	bytes []byte
	spare []uint32 // those that are free
}

func newSlots(count int) slots {
	s := slots{make([]byte, count*stanzaSize), make([]uint32, count)}
	for i := range count {
		copy(s.stanza(uint32(i)), template)
		s.spare[count-1-i] = uint32(i)
	}
	return s
}

func (s *slots) stanza(slot uint32) []byte {
	at := int(slot) * stanzaSize
	return s.bytes[at : at+stanzaSize : at+stanzaSize]
}

func (s *slots) take() uint32 {
	last := len(s.spare) - 1
	slot := s.spare[last]
	s.spare = s.spare[:last]
	return slot
}

func (s *slots) free(slot uint32) {
	if s.bytes != nil {
		s.spare = append(s.spare, slot)
	}
}

// A lingerer is a packet that no receipt comes for.
type lingerer struct {
	packet
	deadline time.Duration
}

// A queue is what lingers, in order of deadlines.
type queue struct {
	entries     []lingerer // a ring
	begin, size int
}

func (q *queue) push(l lingerer) {
	if q.size == len(q.entries) {
		panic("the workers are far out of step")
	}
	q.entries[(q.begin+q.size)%len(q.entries)] = l
	q.size++
}

func (q *queue) first() (lingerer, bool) { return q.entries[q.begin], q.size > 0 }

func (q *queue) pop() {
	q.begin = (q.begin + 1) % len(q.entries)
	q.size--
}
