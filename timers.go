// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"container/heap"
	"sync"
	"time"
)

// timers are the few deadlines that are not a packet's.
type timers struct {
	sync.Mutex
	heap timerHeap
	seq  uint64
	wake chan struct{}
}

type timerKind uint8

const (
	probeTimer  timerKind = iota // a probe was not answered
	soundTimer                   // one whose client has not answered is probed again
	busyTimer                    // a busy stream is tried again
	rowsTimer                    // a failed read of the store is tried again
	holdTimer                    // actions are tried again
	deleteTimer                  // rows that were not deleted are tried again
	saveTimer                    // rows that were not put are tried again
	newsTimer                    // the store is asked what is new
)

type timer struct {
	at      time.Time
	kind    timerKind
	stream  *Stream
	account string
	probe   string
	sender  string    // of a hold
	since   time.Time // when the probe was sent
	number  uint64    // of a newsTimer
	seq     uint64
}

func (t *timers) add(next timer) {
	t.Lock()
	defer t.Unlock()
	t.seq++
	next.seq = t.seq
	heap.Push(&t.heap, next)
	if t.heap[0].seq == next.seq {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// due calls fire for each timer whose time has come, in order.
func (t *timers) due(now time.Time, fire func(timer)) {
	for {
		t.Lock()
		if len(t.heap) == 0 || t.heap[0].at.After(now) {
			t.Unlock()
			return
		}
		next := heap.Pop(&t.heap).(timer)
		t.Unlock()
		fire(next)
	}
}

func (t *timers) next() (time.Time, bool) {
	t.Lock()
	defer t.Unlock()
	if len(t.heap) == 0 {
		return time.Time{}, false
	}
	return t.heap[0].at, true
}

type timerHeap []timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)   { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = timer{}
	*h = old[:len(old)-1]
	return last
}
