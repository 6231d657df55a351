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
	write func(*group)
	most  int  // entries at once
	grows bool // a group that is being written does
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

func newQueue(write func(*group), most int) *queue {
	return &queue{write: write, most: most, room: make(chan struct{}, maxQueued), more: make(chan struct{}, 1)}
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
		return
	}
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// run writes until nothing is there any more.
func (q *queue) run() {
	growStack(0)
	for {
		g := &group{queue: q}
		if !q.grows {
			g.gather()
		}
		if !g.take() {
			return
		}
		begun := time.Now()
		if len(g.requests) > 0 {
			q.write(g)
		}
		took := time.Since(begun)
		q.senders = min(q.length()+len(g.requests), q.most)
		q.until = time.Now().Add(min(took/gatherPart, maxGather))
		for _, r := range g.requests {
			q.finish(r)
		}
	}
}

// growStack has the stack of a new goroutine grow while there is nothing on it. A driver in
// Go needs so much, and to copy what it has on it, again and again, takes long.
//
//go:noinline
func growStack(i int) byte {
	var room [32 << 10]byte
	return room[i]
}

// finish answers a request.
func (q *queue) finish(r *request) {
	close(r.done)
	<-q.room
}

// A group is what is written together. It is for the goroutine of the queue alone.
type group struct {
	queue    *queue
	requests []*request
	entries  int
	bytes    int64
}

// all returns the entries of all requests.
func (g *group) all() []*entry {
	entries := make([]*entry, 0, g.entries)
	for _, r := range g.requests {
		entries = append(entries, r.entries...)
	}
	return entries
}

// grow waits for those who are expected, and takes in what has come. It returns the entries
// of that, none if the group is complete.
func (g *group) grow() []*entry {
	before := len(g.requests)
	g.gather()
	g.take()
	grown := group{requests: g.requests[before:]}
	return grown.all()
}

// isComplete reports whether nobody else is expected.
func (g *group) isComplete() bool { return len(g.requests) >= g.queue.senders }

const (
	// gatherPart is which part of the time of a commit is waited for others at most, and
	// maxGather how long that is at most.
	gatherPart = 8
	maxGather  = time.Millisecond
)

// gather waits until those who were just answered have put again, or a while has passed:
// they are not to wait for a commit of a few. One sender alone waits for nobody.
func (g *group) gather() {
	q := g.queue
	missing := func() bool { return q.length()+len(g.requests) < q.senders }
	if q.length()+len(g.requests) == 0 || !missing() {
		return
	}
	over := time.NewTimer(time.Until(q.until))
	defer over.Stop()
	for missing() {
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

// take takes in what waits, as much as there is room for. It reports whether anything waited;
// if not, and the group is empty, it is over.
func (g *group) take() bool {
	q := g.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.running = len(g.requests) > 0
		return false
	}
	var others []*request
	for i, r := range q.waiting {
		if !g.hasRoom(r) {
			others = q.waiting[i:]
			break
		}
		if !r.begin() {
			q.finish(r)
			continue
		}
		g.requests = append(g.requests, r)
		g.entries, g.bytes = g.entries+len(r.entries), g.bytes+r.bytes
	}
	q.waiting = others
	return true
}

// hasRoom reports whether a request may be in the group, too. The first one may.
func (g *group) hasRoom(r *request) bool {
	return len(g.requests) == 0 || g.entries+len(r.entries) <= g.queue.most && g.bytes+r.bytes <= maxBytes
}
