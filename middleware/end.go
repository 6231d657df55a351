// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"errors"
	"fmt"
	"time"

	"github.com/untilack/untilack"

	"mellium.im/xmpp"
	"mellium.im/xmpp/stream"
)

// grace is how long a client has to take the stream error that ends its stream.
const grace = time.Second

// longAgo as a deadline makes everything that blocks return.
var longAgo = time.Unix(1, 0)

// Close ends the session: it writes what is queued and the end of the stream,
// closes the connection, and reports the end to the Keeper, so that what waits
// for a receipt finds another way at once. If the client has closed its stream
// already, nothing more is written than our end of it.
//
// It waits for the writes, but not longer than Options.WriteTimeout. It may be
// called several times and from anywhere; after the first call it does nothing.
// Its error is that of closing the connection, which can be ignored.
func (s *Session) Close() (err error) {
	s.closing.Do(func() {
		clean := s.clean.Load()
		if clean {
			s.kept.Close()
		}
		s.queue.close(clean)
		timer := time.NewTimer(s.options.WriteTimeout)
		defer timer.Stop()
		select {
		case <-s.done:
		case <-timer.C:
			s.fail(ErrStalled)
		}
		s.kept.Close()
		err = s.Conn().Close()
	})
	return err
}

// ended ends the session for a reason of the Keeper's, which has found another
// place for what was kept. It does not wait.
func (s *Session) ended(reason untilack.Reason) {
	switch reason {
	case untilack.Replaced:
		s.refuse(stream.Conflict)
	case untilack.Dead:
		s.refuse(stream.ConnectionTimeout)
	default: // part of a stanza may be out
		s.fail(fmt.Errorf("middleware: ended by the keeper: %v", reason))
	}
}

// refuse ends the session with a stream error, if the client takes that in time.
func (s *Session) refuse(condition stream.Error) {
	tag := "<stream:error>"
	if s.options.WebSocket {
		tag = "<stream:error xmlns:stream='" + stream.NS + "'>"
	}
	s.ending.Lock()
	if s.cause == nil {
		s.cause = fmt.Errorf("middleware: stream ended: %w", condition)
		s.last = []string{tag + "<" + condition.Err + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"}
		s.patience = time.AfterFunc(min(grace, s.options.WriteTimeout), s.abort)
	}
	s.ending.Unlock()
	s.queue.close(true)
}

// fail ends the session at once: no byte may follow what was written last.
func (s *Session) fail(cause error) {
	s.ending.Lock()
	if s.cause == nil {
		s.cause = cause
	}
	s.last = nil
	s.ending.Unlock()
	s.queue.close(true)
	s.abort()
	s.kept.Close()
}

// abort closes the connection, so that whatever blocks on it returns. A
// WebSocket would first wait for a write that blocks.
func (s *Session) abort() {
	_ = s.Conn().SetDeadline(longAgo)
	_ = s.Conn().Close()
}

// Err returns why the session ended, or nil if it has not, or has in order.
func (s *Session) Err() error {
	s.ending.Lock()
	defer s.ending.Unlock()
	return s.cause
}

// finish writes the end of the stream and closes the connection. It runs at the
// end of the writer.
func (s *Session) finish() {
	if err := s.writeEnd(); err != nil && !errors.Is(err, xmpp.ErrOutputStreamClosed) {
		s.fail(err)
	}
	s.watch.close()
	_ = s.Conn().Close()
	s.ending.Lock()
	if s.patience != nil {
		s.patience.Stop()
	}
	s.ending.Unlock()
	s.kept.Close()
	s.queue.finish()
	s.waiting.finish()
}

// writeEnd writes the last of a stream, unless it has failed.
func (s *Session) writeEnd() error {
	s.ending.Lock()
	last, failed := s.last, s.cause != nil && s.last == nil
	s.ending.Unlock()
	if failed {
		return nil
	}
	for _, element := range last {
		if err := s.writeRun([]byte(element)); err != nil {
			return err
		}
	}
	if s.options.WebSocket {
		return s.writeRun([]byte(closeFrame))
	}
	s.watch.startWaiting()
	defer s.watch.stop()
	return s.Session.Close() // also keeps others from writing after it
}
