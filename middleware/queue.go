// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/client"
)

// A queue holds what waits to be written to the other side. Who puts something in
// never waits for that.
type queue struct {
	webSocket            bool
	maxStanzas, maxBytes int
	write                func() // writes until take says that there is nothing to do

	mu       sync.Mutex
	writing  bool      // write runs, or must not yet or no more
	progress sync.Cond // something was written, or nothing more will be
	next     *batch    // what was put since the last take
	stanzas  int       // put, and not yet written
	bytes    int
	puts     uint64 // stanzas put so far
	written  uint64 // of these, how many were written
	refused  bool   // somebody was told ErrBusy, and not yet that there is room
	held     bool   // nothing can be written until a handler returns
	shut     bool   // takes nothing more
	drop     bool   // what waits is not to be written
	over     bool   // nothing more will be written
}

// A batch is a run of stanzas, one after the other.
type batch struct {
	bytes []byte
	ends  []int // where each stanza ends
	sent  []tracked
}

// A tracked is a stanza of a batch that somebody wants to know the fate of.
type tracked struct {
	index int
	sent  *client.Sent
}

// batches keeps buffers in use: a client that is idle has none.
var batches = sync.Pool{New: func() any { return new(batch) }}

// maxPooled is the size of a buffer, in bytes, beyond which it is not used again.
const maxPooled = 64 << 10

func (b *batch) release() {
	if cap(b.bytes) > maxPooled {
		return
	}
	clear(b.sent)
	b.bytes, b.ends, b.sent = b.bytes[:0], b.ends[:0], b.sent[:0]
	batches.Put(b)
}

// begun returns how many stanzas were begun when so many bytes were written.
func (b *batch) begun(bytes int) int {
	if bytes == 0 {
		return 0
	}
	i, _ := slices.BinarySearch(b.ends, bytes)
	return i + 1
}

// cancel cancels the messages that were not begun to be written: those from an index
// on.
func (b *batch) cancel(from int) {
	for _, t := range b.sent {
		if t.index >= from {
			t.sent.Unwritten(time.Now())
		}
	}
}

// newQueue returns a queue out of which nothing is written before start is called.
func newQueue(o *Options, write func()) *queue {
	q := &queue{webSocket: o.WebSocket, maxStanzas: o.QueueStanzas, maxBytes: o.QueueBytes, write: write, writing: true}
	q.progress.L = &q.mu
	return q
}

// start has what is in the queue written from now on.
func (q *queue) start() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writing = false
	if q.next != nil || q.shut {
		q.run()
	}
}

// run sees to it that somebody writes. A session of which nothing is to be written has no
// goroutine for that, nor its stack.
func (q *queue) run() {
	if !q.writing {
		q.writing = true
		go q.write()
	}
}

// put copies a stanza into the queue.
func (q *queue) put(stanza []byte) error { return q.putTracked(stanza, nil) }

// putTracked is put for a stanza whose sender, if it is not nil, is told if it is not
// written.
func (q *queue) putTracked(stanza []byte, sent *client.Sent) error {
	q.mu.Lock()
	if !q.shut && q.isFull(len(stanza)) {
		q.refused = true
		q.mu.Unlock()
		return fmt.Errorf("middleware: %w", untilack.ErrBusy)
	}
	return q.addAndUnlock(stanza, sent)
}

// putWithin is putTracked, but waits for room until ctx ends. It does not wait for a
// handler: that may be the one who calls.
func (q *queue) putWithin(ctx context.Context, stanza []byte, sent *client.Sent) error {
	for {
		err := q.putTracked(stanza, sent)
		switch {
		case !errors.Is(err, untilack.ErrBusy):
			return err
		case !q.awaitRoom(ctx, len(stanza)):
			if ctx.Err() != nil {
				err = fmt.Errorf("%w: %w", err, ctx.Err())
			}
			return err
		}
	}
}

// putBeyond is put without the limits.
func (q *queue) putBeyond(stanza []byte) error {
	q.mu.Lock()
	return q.addAndUnlock(stanza, nil)
}

// addAndUnlock adds a stanza and has it written.
func (q *queue) addAndUnlock(stanza []byte, sent *client.Sent) error {
	defer q.mu.Unlock()
	err := q.add(stanza, sent)
	if err == nil {
		q.run()
	}
	return err
}

// add adds a stanza. Without a single byte it only marks a place in the order.
func (q *queue) add(stanza []byte, sent *client.Sent) error {
	if q.shut {
		return ErrClosed
	}
	if q.next == nil {
		q.next = batches.Get().(*batch)
	}
	if sent != nil {
		q.next.sent = append(q.next.sent, tracked{len(q.next.ends), sent})
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

// take returns what is to be written, or nil if that is nothing for now. It reports false if
// nothing will be: then it is not called again.
func (q *queue) take() (*batch, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.next
	if q.shut && (b == nil || q.drop) {
		return nil, false
	}
	q.next = nil
	q.writing = b != nil
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
	q.run()
	q.progress.Broadcast()
}

// finish tells those who wait that nothing more will be written.
func (q *queue) finish() {
	q.mu.Lock()
	left := q.next
	q.shut, q.drop, q.over = true, true, true
	q.next = nil
	q.progress.Broadcast()
	q.mu.Unlock()
	if left != nil {
		left.cancel(0)
	}
}

// hold says whether nothing can be written until a handler returns.
func (q *queue) hold(held bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held = held
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

// awaitRoom waits until the queue takes another n bytes, or nothing more at all. It
// reports false if there is no use in that, or no longer.
func (q *queue) awaitRoom(ctx context.Context, n int) bool {
	stop := context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.progress.Broadcast()
	})
	defer stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.isFull(n) && !q.shut {
		if q.held || ctx.Err() != nil {
			return false
		}
		q.progress.Wait()
	}
	return true
}
