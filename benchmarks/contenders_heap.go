// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"container/heap"
	"sync"
	"time"
)

var heapEntrants = []entrant{{name: "map-heap", clock: callerClock, build: newHeapMap}}

// A heapMap is a map, a mutex, and a heap of deadlines.
type heapMap struct {
	setting
	mu        sync.Mutex
	packets   map[string]*heaped
	deadlines deadlines
}

// A heaped packet knows its place in the heap, so that it can leave.
type heaped struct {
	key      string
	stanza   []byte
	deadline time.Time
	place    int
}

func newHeapMap(s setting) contender {
	return &heapMap{setting: s, packets: make(map[string]*heaped)}
}

func (h *heapMap) put(now time.Time, m *message, wait time.Duration) {
	kept := h.keep(m)
	p := &heaped{key: kept.key, stanza: kept.stanza, deadline: now.Add(wait)}
	h.mu.Lock()
	h.packets[p.key] = p
	heap.Push(&h.deadlines, p)
	h.mu.Unlock()
}

func (h *heapMap) settle(_ time.Time, m *message) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, ok := h.packets[m.key]
	if ok {
		heap.Remove(&h.deadlines, p.place)
		delete(h.packets, m.key)
	}
	return ok
}

func (h *heapMap) tick(now time.Time) {
	for p := h.due(now); p != nil; p = h.due(now) {
		h.expired(p.stanza)
	}
}

// due removes a packet whose deadline has passed and returns it, or nil if there is
// none.
func (h *heapMap) due(now time.Time) *heaped {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.deadlines) == 0 || h.deadlines[0].deadline.After(now) {
		return nil
	}
	p := heap.Pop(&h.deadlines).(*heaped)
	delete(h.packets, p.key)
	return p
}

func (h *heapMap) waiting() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.packets)
}

func (h *heapMap) close() {}

// deadlines are packets as container/heap has them.
type deadlines []*heaped

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].deadline.Before(d[j].deadline) }

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

func (d *deadlines) Push(p any) {
	p.(*heaped).place = len(*d)
	*d = append(*d, p.(*heaped))
}

func (d *deadlines) Pop() any {
	last := len(*d) - 1
	p := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return p
}
