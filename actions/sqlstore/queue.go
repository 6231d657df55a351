// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
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

// A queue holds what is to be written. While there is something, a goroutine writes it, as
// much at once as has come meanwhile.
type queue struct {
	write func([]*request)
	most  int  // entries at once
	mixed bool // puts and deletions too
	room  chan struct{}
	more  chan struct{} // that something came

	// Of the last transaction, for the goroutine alone: how many had waited for it or came
	// meanwhile, and until when those of them are waited for that come again.
	senders int
	until   time.Time

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

// run writes until nothing is there any more.
func (q *queue) run() {
	for {
		q.gather()
		requests := q.next()
		if len(requests) == 0 {
			return
		}
		begun := time.Now()
		q.writeWanted(requests)
		took := time.Since(begun)
		q.senders = min(q.length()+len(requests), q.most)
		q.until = time.Now().Add(min(took/gatherPart, maxGather))
		for _, r := range requests {
			close(r.done)
			<-q.room
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
	// gatherPart is which part of the time of a commit is waited for others at most, and
	// maxGather how long that is at most.
	gatherPart = 8
	maxGather  = time.Millisecond
)

// gather waits until those who were just answered have put again, or a while has passed:
// they are not to wait for a commit of a few. One sender alone waits for nobody.
func (q *queue) gather() {
	if waiting := q.length(); waiting == 0 || waiting >= q.senders {
		return
	}
	over := time.NewTimer(time.Until(q.until))
	defer over.Stop()
	for q.length() < q.senders {
		select {
		case <-q.more:
		case <-over.C:
			return
		}
	}
}

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// next returns what is to be written in the next transaction, of what may be together what
// came first, or nothing when it is over.
func (q *queue) next() (requests []*request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running = len(q.waiting) > 0
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
