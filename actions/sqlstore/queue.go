// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"runtime"
	"sync"
)

const (
	// maxQueued is how many requests may wait; whoever comes then waits for room.
	maxQueued = 1024
	// maxEntries is how many rows and deletions are written in one transaction, and
	// maxBytes how many bytes, if it is more than one request.
	maxEntries = 256
	maxBytes   = 2 * partBytes
)

// A queue holds what is to be written. While there is something, a goroutine writes it,
// as much at once as has come meanwhile.
type queue struct {
	write func([]*request)
	room  chan struct{}

	mu      sync.Mutex
	waiting []*request
	running bool
}

// A request is one call of Put or Delete, or a part of it.
type request struct {
	entries []*entry
	bytes   int64
	done    chan struct{} // closed when the entries have their errors
	mu      sync.Mutex
	state   requestState
}

func newRequest(entries []*entry) *request {
	r := &request{entries: entries, done: make(chan struct{})}
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
	}
}

// run writes until nothing waits.
func (q *queue) run() {
	last := 1
	for {
		if last > 1 { // one sender alone does not wait for others
			q.gather()
		}
		requests := q.next()
		last = len(requests)
		if requests == nil {
			return
		}
		wanted := requests[:0:0]
		for _, r := range requests {
			if r.begin() {
				wanted = append(wanted, r)
			}
		}
		if len(wanted) > 0 {
			q.write(wanted)
		}
		for _, r := range requests {
			close(r.done)
			<-q.room
		}
	}
}

// gather lets other goroutines run as long as they bring more: those that were just
// answered put again, and are not to wait for a commit of a few.
func (q *queue) gather() {
	for before, idle := q.length(), 0; idle < idleTurns; {
		runtime.Gosched()
		if now := q.length(); now > before {
			before, idle = now, 0
		} else {
			idle++
		}
	}
}

// idleTurns is how often others may run and bring nothing.
const idleTurns = 3

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// next returns what is to be written in the next transaction, or nil.
func (q *queue) next() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	count, entries, bytes := 0, 0, int64(0)
	for _, r := range q.waiting {
		entries, bytes = entries+len(r.entries), bytes+r.bytes
		if count > 0 && (entries > maxEntries || bytes > maxBytes) {
			break
		}
		count++
	}
	if count == 0 {
		q.running, q.waiting = false, nil
		return nil
	}
	requests := q.waiting[:count:count]
	q.waiting = q.waiting[count:]
	return requests
}
