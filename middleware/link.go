// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
)

// A link is what every session has, whichever side of the stream it is on: a queue
// of stanzas, who writes them, and an end.
type link struct {
	session  *xmpp.Session
	options  Options
	queue    *queue
	waiting  waiting
	ready    func() // is called when there is room for those who were refused
	ended    func() // is called at the end, as soon as it is known, and possibly several times
	finished func() // is called once, after the last write

	handling atomic.Int32  // calls of the handler under way
	handled  atomic.Uint64 // calls that have returned
	clean    atomic.Bool   // the other side closed its stream in order

	ending   sync.Mutex
	last     []string    // what to write at the end, after the queue
	cause    error       // why it ended, if not in order
	patience *time.Timer // for how long last may take
	closing  sync.Once
	done     chan struct{} // closed when the writer has returned
	watch    *watch
}

// init makes a link of its zero value. The options have their defaults in place.
func (l *link) init(s *xmpp.Session, options Options) {
	l.session, l.options, l.queue = s, options, newQueue(&options, l.write)
	l.ready, l.ended, l.finished = func() {}, func() {}, func() {}
	l.done = make(chan struct{})
	l.watch = newWatch(l)
}

// serve handles what comes in until the stream ends, and then closes the session.
func (l *link) serve(h xmpp.Handler) error {
	err := l.session.Serve(h)
	if err == nil && !l.options.WebSocket {
		l.clean.Store(l.err() == nil)
	}
	_ = l.close()
	if cause := l.err(); cause != nil {
		return cause
	}
	if l.clean.Load() {
		return nil
	}
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// withReplier has f handle a stanza: it reads from the replier that it gets, and writes to
// it.
func (l *link) withReplier(t xmlstream.TokenReadEncoder, way sender, f func(*replier) error) error {
	l.handling.Add(1)
	w := &replier{l: l, way: way, TokenReader: t, out: t}
	err := f(w)
	l.handled.Add(1)
	l.handling.Add(-1)
	if w.holds {
		l.queue.hold(false)
		// With it the writer sees to it that the answer does not block for ever.
		_ = l.queue.putBeyond(nil)
	}
	return err
}

// isOpen reports whether a session was negotiated and has not ended.
func isOpen(s *xmpp.Session) bool {
	return s.State()&(xmpp.Ready|xmpp.OutputStreamClosed) == xmpp.Ready
}
