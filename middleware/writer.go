// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"sync/atomic"
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
type watch struct {
	s       *Session
	timer   *time.Timer
	waiting atomic.Bool   // for the lock
	handled atomic.Uint64 // calls of handlers when the wait began
}

func newWatch(s *Session) *watch {
	w := &watch{s: s}
	w.timer = time.AfterFunc(time.Hour, w.expire)
	w.timer.Stop()
	return w
}

// start begins the time for a write of n bytes.
func (w *watch) start(n int) {
	w.waiting.Store(false)
	w.timer.Reset(w.s.options.timeFor(n))
}

// startWaiting begins the time for a wait for the lock.
func (w *watch) startWaiting() {
	w.handled.Store(w.s.handled.Load())
	w.waiting.Store(true)
	w.timer.Reset(w.s.options.WriteTimeout)
}

func (w *watch) stop() { w.timer.Stop() }

// expire ends the session. But while a handler of Session.Handler runs it may
// hold the lock, having written part of an answer, for as long as it likes.
func (w *watch) expire() {
	handled := w.s.handled.Load()
	if w.waiting.Load() && (w.s.handling.Load() > 0 || w.handled.Swap(handled) != handled) {
		w.timer.Reset(w.s.options.WriteTimeout)
		return
	}
	w.s.fail(ErrStalled)
}

// timeFor returns how long a write of n bytes may take.
func (o *Options) timeFor(n int) time.Duration {
	return o.WriteTimeout * time.Duration(1+max(0, n-1)/pieceSize)
}
