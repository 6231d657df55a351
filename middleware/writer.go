// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"sync"
	"time"

	"mellium.im/xmlstream"
)

// pieceSize is how much goes into one write on a stream, unless it is a
// WebSocket, and for how much Options.WriteTimeout is given: at 5 s, a link that
// takes less than 26 kbit/s counts as dead. It is also the size of a TLS record.
const pieceSize = 16 << 10

// write writes what is queued until the session ends. It is the one goroutine
// of a Session.
func (s *Session) write() {
	defer close(s.done)
	for {
		b, ok := s.queue.take()
		if !ok {
			break
		}
		err := s.writeBatch(b)
		if err != nil {
			s.fail(err)
			break
		}
		b.release()
	}
	s.finish()
}

// writeBatch writes stanzas, as many at once as the transport allows.
func (s *Session) writeBatch(b *batch) error {
	start := 0
	for i := 0; i < len(b.ends); {
		if s.queue.isDropped() {
			return nil
		}
		end := i + 1
		for !s.options.WebSocket && end < len(b.ends) && b.ends[end]-start <= pieceSize {
			end++
		}
		run := b.bytes[start:b.ends[end-1]]
		if err := s.writeRun(run); err != nil {
			return err
		}
		if s.queue.wrote(end-i, len(run)) {
			s.kept.Ready()
		}
		start, i = b.ends[end-1], end
	}
	return nil
}

// writeRun writes whole stanzas, between two writes of others through the
// embedded session. The bytes go past its encoder, which would cut them.
func (s *Session) writeRun(run []byte) error {
	w := s.lock()
	defer s.watch.stop()
	defer w.Close()
	s.watch.start(pieceSize)
	if err := w.Flush(); err != nil {
		return err
	}
	for len(run) > 0 {
		piece := run
		if !s.options.WebSocket && len(piece) > pieceSize {
			piece = piece[:pieceSize]
		}
		s.watch.start(len(piece))
		if _, err := s.Conn().Write(piece); err != nil {
			return err
		}
		run = run[len(piece):]
	}
	return nil
}

// lock takes the lock under which the embedded session writes.
func (s *Session) lock() xmlstream.TokenWriteFlushCloser {
	s.watch.startWaiting()
	return s.Session.TokenWriter()
}

// A watch ends the session if a write takes too long. The deadlines of the
// connection would not do: what the embedded session does when a context ends
// takes them back.
//
// Its timer is not set for each write, which would cost more than many a write: it
// goes off now and then while there is something to write, and looks whether a
// limit has passed.
type watch struct {
	s     *Session
	epoch time.Time

	mu      sync.Mutex
	timer   *time.Timer
	set     bool          // whether the timer runs
	fires   time.Duration // when it goes off, after epoch
	until   time.Duration // when the time is over; 0: nothing is under way
	waiting bool          // for the lock
	handled uint64        // calls of handlers when the wait began
}

func newWatch(s *Session) *watch {
	w := &watch{s: s, epoch: time.Now()}
	w.timer = time.AfterFunc(time.Hour, w.expire)
	w.timer.Stop()
	return w
}

// start begins the time for a write of n bytes.
func (w *watch) start(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = false
	w.begin(w.s.options.timeFor(n))
}

// startWaiting begins the time for a wait for the lock.
func (w *watch) startWaiting() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting, w.handled = true, w.s.handled.Load()
	w.begin(w.s.options.WriteTimeout)
}

// begin begins a time.
func (w *watch) begin(d time.Duration) {
	w.until = time.Since(w.epoch) + d
	if !w.set || w.fires > w.until {
		w.set, w.fires = true, w.until
		w.timer.Reset(d)
	}
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.until = 0
}

// close stops the timer, for good if nothing is begun any more.
func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.until, w.set = 0, false
	w.timer.Stop()
}

// expire ends the session if the time is over.
func (w *watch) expire() {
	if w.isOver() {
		w.s.fail(ErrStalled)
	}
}

// isOver reports whether the time is over, and goes on otherwise. While a handler of
// Session.Handler runs it may hold the lock, having written part of an answer, for
// as long as it likes.
func (w *watch) isOver() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := w.until - time.Since(w.epoch)
	w.set = false
	switch handled := w.s.handled.Load(); {
	case w.until == 0:
		return false
	case left > 0:
		w.begin(left)
	case w.waiting && (w.s.handling.Load() > 0 || w.handled != handled):
		w.handled = handled
		w.begin(w.s.options.WriteTimeout)
	default:
		return true
	}
	return false
}

// timeFor returns how long a write of n bytes may take.
func (o *Options) timeFor(n int) time.Duration {
	return o.WriteTimeout * time.Duration(1+max(0, n-1)/pieceSize)
}
