// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/untilack/untilack"

	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// A Session is a client's session whose messages a Keeper keeps until they are
// acknowledged. It has every method of the xmpp.Session it wraps; those that
// write put whole stanzas into a queue and return.
//
// What is written through the embedded session itself, by packages that ask for
// an *xmpp.Session, is not seen by the Keeper. IQs may go that way.
//
// A Session is safe for concurrent use by multiple goroutines, except that only
// one at a time may read, by Serve or by ReadStanza.
type Session struct {
	*xmpp.Session

	options Options
	address jid.JID
	from    string // address as text
	kept    *untilack.Session
	queue   *queue
	waiting waiting

	handling atomic.Int32  // calls of Handler's handler under way
	handled  atomic.Uint64 // calls that have returned
	clean    atomic.Bool   // the client closed its stream in order

	goodAddress atomic.Pointer[string] // the last one that a stanza was to: clients write to the same again and again

	ending   sync.Mutex
	last     []string    // what to write at the end, after the queue
	cause    error       // why it ended, if not in order
	patience *time.Timer // for how long last may take
	closing  sync.Once
	attached chan struct{} // closed when kept is set
	done     chan struct{} // closed when the writer has returned
	watch    *watch
}

// Wrap attaches the session of a client to the keeper and returns it wrapped.
// From now on all that is for the client has to be written through the result,
// and Serve or Close must be called in the end.
//
// address is the full address that was bound for the user who has authenticated.
// The session's own RemoteAddr must not be used: it is what the client claimed in
// its stream header, before it said who it was.
//
// The error wraps ErrSession or untilack.ErrAddress.
func Wrap(k *untilack.Keeper, s *xmpp.Session, address jid.JID, o *Options) (*Session, error) {
	if k == nil || s == nil {
		return nil, fmt.Errorf("%w: it or the keeper is nil", ErrSession)
	}
	const needed = xmpp.Ready | xmpp.Received
	if state := s.State(); state&needed != needed || state&xmpp.OutputStreamClosed != 0 {
		return nil, fmt.Errorf("%w: it is not ready, was not received, or has ended", ErrSession)
	}
	options := o.orDefaults()
	w := &Session{
		Session:  s,
		options:  options,
		address:  address,
		from:     address.String(),
		queue:    newQueue(&options),
		attached: make(chan struct{}),
		done:     make(chan struct{}),
	}
	w.watch = newWatch(w)
	kept, err := k.Attach(w.from, door{w}, options.Stream)
	if err != nil {
		return nil, fmt.Errorf("middleware: %w", err)
	}
	w.kept = kept
	close(w.attached)
	go w.write()
	return w, nil
}

// Address returns the address that the session was wrapped for. It is to be
// trusted, where RemoteAddr is not.
func (s *Session) Address() jid.JID { return s.address }

// Keeper returns the Keeper's side of the session, which the host tells of the
// client's presence, of pauses, and of XEP-0198 acknowledgements. What is passed
// to its Deliver and Receive takes the same way as through WriteStanza and
// Receive.
func (s *Session) Keeper() *untilack.Session { return s.kept }

// Done returns a channel that is closed when nothing more is written.
func (s *Session) Done() <-chan struct{} { return s.done }

// A door is the way of the Keeper's own stanzas to the client.
type door struct{ s *Session }

// Write implements untilack.Conn. There is room for the Keeper's question whether
// the client is alive, of which there is one at a time, even if there is none for
// anything else: that is when it matters.
func (d door) Write(_ context.Context, stanza []byte) error {
	if bytes.HasPrefix(stanza, []byte("<iq")) {
		return d.s.queue.putBeyond(stanza)
	}
	return d.s.queue.put(stanza)
}

// End implements untilack.Conn.
func (d door) End(ctx context.Context, reason untilack.Reason) error {
	select {
	case <-d.s.attached:
	case <-ctx.Done():
		return ctx.Err()
	}
	d.s.ended(reason)
	return nil
}
