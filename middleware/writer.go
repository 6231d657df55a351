// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"errors"
	"sync"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
)

// pieceSize is how much goes into one write on a stream, unless it is a
// WebSocket, and for how much Options.WriteTimeout is given: at 5 s, a link that
// takes less than 26 kbit/s counts as dead. It is also the size of a TLS record.
const pieceSize = 16 << 10

// write writes what is queued, until there is nothing, or the session ends: then it writes the
// end, and is not called any more.
func (l *link) write() {
	for {
		b, goesOn := l.queue.take()
		if !goesOn {
			break
		}
		if b == nil {
			return
		}
		err := l.writeBatch(b)
		if errors.Is(err, xmpp.ErrOutputStreamClosed) {
			break // the embedded session has written the end
		}
		if err != nil {
			l.fail(err)
			break
		}
		b.release()
	}
	l.finish()
	l.finished()
	close(l.done)
}

// writeBatch writes stanzas, as many at once as the transport allows.
func (l *link) writeBatch(b *batch) error {
	start := 0
	for i := 0; i < len(b.ends); {
		if l.queue.isDropped() {
			b.cancel(i)
			return nil
		}
		end := i + 1
		for !l.options.WebSocket && end < len(b.ends) && b.ends[end]-start <= pieceSize {
			end++
		}
		run := b.bytes[start:b.ends[end-1]]
		if n, err := l.writeRun(run); err != nil {
			b.cancel(b.begun(start + n))
			return err
		}
		if l.queue.wrote(end-i, len(run)) {
			l.ready()
		}
		start, i = b.ends[end-1], end
	}
	return nil
}

// writeRun writes whole stanzas, between two writes of others through the
// embedded session. The bytes go past its encoder, which would cut them. It returns how
// many were taken.
func (l *link) writeRun(run []byte) (written int, err error) {
	w := l.lock()
	defer l.watch.stop()
	defer w.Close()
	l.watch.start(pieceSize)
	if err := w.Flush(); err != nil {
		return 0, err
	}
	for written < len(run) {
		piece := run[written:]
		if !l.options.WebSocket && len(piece) > pieceSize {
			piece = piece[:pieceSize]
		}
		l.watch.start(len(piece))
		n, err := l.session.Conn().Write(piece)
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// lock takes the lock under which the embedded session writes.
func (l *link) lock() xmlstream.TokenWriteFlushCloser {
	l.watch.startWaiting()
	return l.session.TokenWriter()
}

// A watch ends the session if a write takes too long. The deadlines of the
// connection would not do: what the embedded session does when a context ends
// takes them back.
//
// Its timer is not set for each write, which would cost more than many a write: it
// goes off now and then while there is something to write, and looks whether a
// limit has passed.
type watch struct {
	l     *link
	epoch time.Time

	mu      sync.Mutex
	timer   *time.Timer
	set     bool          // whether the timer runs
	fires   time.Duration // when it goes off, after epoch
	until   time.Duration // when the time is over; 0: nothing is under way
	waiting bool          // for the lock
	handled uint64        // calls of handlers when the wait began
}

func newWatch(l *link) *watch {
	w := &watch{l: l, epoch: time.Now()}
	w.timer = time.AfterFunc(time.Hour, w.expire)
	w.timer.Stop()
	return w
}

// start begins the time for a write of n bytes.
func (w *watch) start(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = false
	w.begin(w.l.options.timeFor(n))
}

// startWaiting begins the time for a wait for the lock.
func (w *watch) startWaiting() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting, w.handled = true, w.l.handled.Load()
	w.begin(w.l.options.WriteTimeout)
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
		w.l.fail(ErrStalled)
	}
}

// isOver reports whether the time is over, and goes on otherwise. While a
// handler runs it may hold the lock, having written part of an answer, for as long
// as it likes.
func (w *watch) isOver() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := w.until - time.Since(w.epoch)
	w.set = false
	switch handled := w.l.handled.Load(); {
	case w.until == 0:
		return false
	case left > 0:
		w.begin(left)
	case w.waiting && (w.l.handling.Load() > 0 || w.handled != handled):
		w.handled = handled
		w.begin(w.l.options.WriteTimeout)
	default:
		return true
	}
	return false
}

// timeFor returns how long a write of n bytes may take.
func (o *Options) timeFor(n int) time.Duration {
	return o.WriteTimeout * time.Duration(1+max(0, n-1)/pieceSize)
}
