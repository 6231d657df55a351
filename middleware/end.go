// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"errors"
	"fmt"
	"time"

	"mellium.im/xmpp"
	"mellium.im/xmpp/stream"
)

// grace is how long the other side has to take the stream error that ends its stream.
const grace = time.Second

// longAgo as a deadline makes everything that blocks return.
var longAgo = time.Unix(1, 0)

// close ends the session in order: it writes what is queued, unless the other side
// has ended the stream, and the end of the stream.
func (l *link) close() (err error) {
	l.closing.Do(func() {
		clean := l.clean.Load()
		if clean {
			l.ended()
		}
		l.queue.close(clean)
		timer := time.NewTimer(l.options.WriteTimeout)
		defer timer.Stop()
		select {
		case <-l.done:
		case <-timer.C:
			l.fail(ErrStalled)
		}
		l.ended()
		err = l.session.Conn().Close()
	})
	return err
}

// refuse ends the session with a stream error, if the other side takes that in time.
func (l *link) refuse(condition stream.Error) {
	tag := "<stream:error>"
	if l.options.WebSocket {
		tag = "<stream:error xmlns:stream='" + stream.NS + "'>"
	}
	l.ending.Lock()
	if l.cause == nil {
		l.cause = fmt.Errorf("middleware: stream ended: %w", condition)
		l.last = []string{tag + "<" + condition.Err + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"}
		l.patience = time.AfterFunc(min(grace, l.options.WriteTimeout), l.abort)
	}
	l.ending.Unlock()
	l.queue.close(true)
}

// fail ends the session at once: no byte may follow what was written last.
func (l *link) fail(cause error) {
	l.ending.Lock()
	if l.cause == nil {
		l.cause = cause
	}
	l.last = nil
	l.ending.Unlock()
	l.queue.close(true)
	l.abort()
	l.ended()
}

// abort closes the connection, so that whatever blocks on it returns. A
// WebSocket would first wait for a write that blocks.
func (l *link) abort() {
	_ = l.session.Conn().SetDeadline(longAgo)
	_ = l.session.Conn().Close()
}

// err returns why the session ended, or nil if it has not, or has in order.
func (l *link) err() error {
	l.ending.Lock()
	defer l.ending.Unlock()
	return l.cause
}

// finish writes the end of the stream and closes the connection. It runs at the
// end of the writer.
func (l *link) finish() {
	if err := l.writeEnd(); err != nil && !errors.Is(err, xmpp.ErrOutputStreamClosed) {
		l.fail(err)
	}
	l.watch.close()
	_ = l.session.Conn().Close()
	l.ending.Lock()
	if l.patience != nil {
		l.patience.Stop()
	}
	l.ending.Unlock()
	l.ended()
	l.queue.finish()
	l.waiting.finish()
}

// writeEnd writes the last of a stream, unless it has failed.
func (l *link) writeEnd() error {
	l.ending.Lock()
	last, failed := l.last, l.cause != nil && l.last == nil
	l.ending.Unlock()
	if failed {
		return nil
	}
	for _, element := range last {
		if _, err := l.writeRun([]byte(element)); err != nil {
			return err
		}
	}
	if l.options.WebSocket {
		_, err := l.writeRun([]byte(closeFrame))
		return err
	}
	l.watch.startWaiting()
	defer l.watch.stop()
	return l.session.Close() // also keeps others from writing after it
}
