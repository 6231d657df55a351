// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"fmt"
	"sync"

	"github.com/untilack/untilack"
)

// A queue holds what waits to be written to one client. Who puts something in
// never waits for the client.
type queue struct {
	webSocket            bool
	maxStanzas, maxBytes int

	mu       sync.Mutex
	work     sync.Cond // there is something to write, or the queue was shut
	progress sync.Cond // something was written, or nothing more will be
	next     *batch    // what was put since the last take
	stanzas  int       // put, and not yet written
	bytes    int
	puts     uint64 // stanzas put so far
	written  uint64 // of these, how many were written
	refused  bool   // somebody was told ErrBusy, and not yet that there is room
	shut     bool   // takes nothing more
	drop     bool   // what waits is not to be written
	over     bool   // nothing more will be written
}

// A batch is a run of stanzas, one after the other.
type batch struct {
	bytes []byte
	ends  []int // where each stanza ends
}

// batches keeps buffers in use: a client that is idle has none.
var batches = sync.Pool{New: func() any { return new(batch) }}

// maxPooled is the size of a buffer, in bytes, beyond which it is not used again.
const maxPooled = 64 << 10

func (b *batch) release() {
	if cap(b.bytes) > maxPooled {
		return
	}
	b.bytes, b.ends = b.bytes[:0], b.ends[:0]
	batches.Put(b)
}

func newQueue(o *Options) *queue {
	q := &queue{webSocket: o.WebSocket, maxStanzas: o.QueueStanzas, maxBytes: o.QueueBytes}
	q.work.L, q.progress.L = &q.mu, &q.mu
	return q
}

// put copies a stanza into the queue.
func (q *queue) put(stanza []byte) error {
	q.mu.Lock()
	if !q.shut && q.isFull(len(stanza)) {
		q.refused = true
		q.mu.Unlock()
		return fmt.Errorf("middleware: %w", untilack.ErrBusy)
	}
	return q.addAndUnlock(stanza)
}

// putBeyond is put without the limits.
func (q *queue) putBeyond(stanza []byte) error {
	q.mu.Lock()
	return q.addAndUnlock(stanza)
}

// addAndUnlock wakes the writer when it can go on at once.
func (q *queue) addAndUnlock(stanza []byte) error {
	err := q.add(stanza)
	q.mu.Unlock()
	if err == nil {
		q.work.Signal()
	}
	return err
}

// add adds a stanza. Without a single byte it only marks a place in the order.
func (q *queue) add(stanza []byte) error {
	if q.shut {
		return ErrClosed
	}
	if q.next == nil {
		q.next = batches.Get().(*batch)
	}
	before := len(q.next.bytes)
	if q.webSocket && len(stanza) > 0 {
		q.next.bytes = appendFrame(q.next.bytes, stanza)
	} else {
		q.next.bytes = append(q.next.bytes, stanza...)
	}
	q.next.ends = append(q.next.ends, len(q.next.bytes))
	q.bytes += len(q.next.bytes) - before
	q.stanzas++
	q.puts++
	return nil
}

// isFull reports whether there is no room for another n bytes. A stanza that is
// larger than the whole queue goes when there is nothing else in it.
func (q *queue) isFull(n int) bool {
	return q.stanzas >= q.maxStanzas || q.stanzas > 0 && q.bytes+n > q.maxBytes
}

// take waits for stanzas. It reports false if no more are to be written.
func (q *queue) take() (*batch, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.next == nil && !q.shut {
		q.work.Wait()
	}
	b := q.next
	if b == nil || q.drop {
		return nil, false
	}
	q.next = nil
	return b, true
}

// wrote takes note of what was written. It reports whether somebody who was
// refused is to be told that there is room again.
func (q *queue) wrote(stanzas, bytes int) (ready bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stanzas -= stanzas
	q.bytes -= bytes
	q.written += uint64(stanzas)
	q.progress.Broadcast()
	ready = q.refused && !q.shut && q.isLow()
	if ready {
		q.refused = false
	}
	return ready
}

// isLow reports whether the queue is empty by half.
func (q *queue) isLow() bool { return q.stanzas <= q.maxStanzas/2 && q.bytes <= q.maxBytes/2 }

// isDropped reports whether what waits is not to be written any more.
func (q *queue) isDropped() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.drop
}

// close has the queue take nothing more. With drop, what waits is given up.
func (q *queue) close(drop bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shut = true
	q.drop = q.drop || drop
	q.work.Signal()
	q.progress.Broadcast()
}

// finish tells those who wait that nothing more will be written.
func (q *queue) finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shut, q.drop, q.over = true, true, true
	q.next = nil
	q.progress.Broadcast()
}

// awaitWritten waits until all that was put so far is written, or will not be.
func (q *queue) awaitWritten() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for upTo := q.puts; q.written < upTo && !q.drop && !q.over; {
		q.progress.Wait()
	}
}

// awaitRoom waits until the queue takes another n bytes, or nothing more at all.
func (q *queue) awaitRoom(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.isFull(n) && !q.shut {
		q.progress.Wait()
	}
}
