// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"runtime"
	"sync"
	"time"
)

const (
	// maxQueued is how many requests may wait; whoever comes then waits for room.
	maxQueued = 1024
	// maxEntries is how many rows and deletions are written in one transaction, and
	// maxBytes how many bytes, if it is more than one request.
	maxEntries = 256
	maxBytes   = 2 * partBytes
	// maxRecalled is how many packets are recalled at once.
	maxRecalled = maxQueued * partSize
)

// A queue holds what is to be written. A goroutine writes it, as much at once as has come
// meanwhile, and ends when nothing came for a while.
type queue struct {
	write func([]*request)
	most  int  // entries at once
	mixed bool // puts and deletions too
	room  chan struct{}
	more  chan struct{} // that there is something

	mu      sync.Mutex
	waiting []*request
	running bool
}

func newQueue(write func([]*request), most int) *queue {
	return &queue{write: write, most: most, room: make(chan struct{}, maxQueued), more: make(chan struct{}, 1)}
}

// A request is one call of Put or Delete, or a part of it.
type request struct {
	entries []*entry
	delete  bool
	bytes   int64
	done    chan struct{} // closed when the entries have their errors
	mu      sync.Mutex
	state   requestState
}

func newRequest(entries []*entry) *request {
	r := &request{entries: entries, delete: entries[0].delete, done: make(chan struct{})}
	for _, e := range entries {
		r.bytes += e.size
	}
	return r
}

type requestState uint8

const (
	queued requestState = iota
	begun
	givenUp
)

// begin reports whether the request is still wanted.
func (r *request) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == givenUp {
		return false
	}
	r.state = begun
	return true
}

// giveUp has the request not begun, if it is not already.
func (r *request) giveUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == queued {
		r.state = givenUp
	}
}

// do has a request written, and returns when it is, or when ctx ends: then it may be
// written, or not.
func (q *queue) do(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case q.room <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	q.add(r)
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		r.giveUp()
		return ctx.Err()
	}
}

func (q *queue) add(r *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, r)
	if !q.running {
		q.running = true
		go q.run()
		return
	}
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// run writes until nothing comes any more.
func (q *queue) run() {
	for {
		requests := q.next()
		if len(requests) == 0 {
			if !q.linger() {
				return
			}
			continue
		}
		begun := time.Now()
		q.writeWanted(requests)
		took := time.Since(begun)
		senders := q.length() + len(requests)
		for _, r := range requests {
			close(r.done)
			<-q.room
		}
		if senders > 1 { // one sender alone does not wait for others
			q.gather(senders, min(took/gatherPart, maxGather))
		}
	}
}

func (q *queue) writeWanted(requests []*request) {
	wanted := make([]*request, 0, len(requests))
	for _, r := range requests {
		if r.begin() {
			wanted = append(wanted, r)
		}
	}
	if len(wanted) > 0 {
		q.write(wanted)
	}
}

const (
	// gatherPart is which part of the time of a commit may pass in which nobody comes,
	// and maxGather how long that is at most: a processor is busy with waiting.
	gatherPart = 8
	maxGather  = time.Millisecond
)

// gather waits until so many requests are there, or nobody came for a while: those who
// were just answered put again, and are not to wait for a commit of a few.
func (q *queue) gather(senders int, pause time.Duration) {
	last := time.Now()
	for before := q.length(); before < senders && time.Since(last) < pause; {
		runtime.Gosched()
		if now := q.length(); now > before {
			before, last = now, time.Now()
		}
	}
}

// lingers is how long the goroutine waits for more: a new one would first have to get the
// stack that a driver needs.
const lingers = time.Second

// linger waits for something to write, and reports whether there is.
func (q *queue) linger() bool {
	timer := time.NewTimer(lingers)
	defer timer.Stop()
	select {
	case <-q.more:
		return true
	case <-timer.C:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running = len(q.waiting) > 0
	return q.running
}

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// next returns what is to be written in the next transaction, of what may be together what
// came first.
func (q *queue) next() (requests []*request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var others []*request
	entries, bytes := 0, int64(0)
	for i, r := range q.waiting {
		if !q.mixed && r.delete != q.waiting[0].delete {
			others = append(others, r)
			continue
		}
		entries, bytes = entries+len(r.entries), bytes+r.bytes
		if len(requests) > 0 && (entries > q.most || bytes > maxBytes) {
			others = append(others, q.waiting[i:]...)
			break
		}
		requests = append(requests, r)
	}
	q.waiting = others
	return requests
}
