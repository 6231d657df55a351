// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"container/heap"
	"time"
)

// An agenda holds what is going to happen, in order of time, then of entry.
type agenda struct {
	events eventHeap
	count  uint64
}

type event struct {
	at    time.Duration
	count uint64
	do    func()
}

func (a *agenda) add(at time.Duration, do func()) {
	a.count++
	heap.Push(&a.events, &event{at, a.count, do})
}

// next returns what happens next, if that is not after end.
func (a *agenda) next(end time.Duration) (*event, bool) {
	if len(a.events) == 0 || a.events[0].at > end {
		return nil, false
	}
	return heap.Pop(&a.events).(*event), true
}

type eventHeap []*event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].count < h[j].count
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(*event)) }
func (h *eventHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
