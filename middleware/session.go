// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"

	"github.com/untilack/untilack"

	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stream"
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
	link

	address  jid.JID
	from     string // address as text
	kept     *untilack.Session
	attached chan struct{} // closed when kept is set

	goodAddress atomic.Pointer[string] // the last one that a stanza was to: clients write to the same again and again
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
	if !isOpen(s) || s.State()&xmpp.Received == 0 {
		return nil, fmt.Errorf("%w: it is not ready, was not received, or has ended", ErrSession)
	}
	w := &Session{Session: s, address: address, from: address.String(), attached: make(chan struct{})}
	w.init(s, o.orDefaults())
	kept, err := k.Attach(w.from, door{w}, w.options.Stream)
	if err != nil {
		return nil, fmt.Errorf("middleware: %w", err)
	}
	w.kept = kept
	w.ready, w.ended = kept.Ready, kept.Close
	close(w.attached)
	w.queue.start()
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

// Close ends the session: it writes what is queued and the end of the stream,
// closes the connection, and reports the end to the Keeper, so that what waits
// for a receipt finds another way at once. If the client has closed its stream
// already, nothing more is written than our end of it.
//
// It waits for the writes, but not longer than Options.WriteTimeout. It may be
// called several times and from anywhere; after the first call it does nothing.
// Its error is that of closing the connection, which can be ignored.
func (s *Session) Close() error { return s.close() }

// Err returns why the session ended, or nil if it has not, or has in order.
func (s *Session) Err() error { return s.err() }

// A door is the way of the Keeper's own stanzas to the client.
type door struct{ s *Session }

// Write implements untilack.Conn. There is room for the Keeper's question whether
// the client is alive, of which there is one at a time, even if there is none for
// anything else: that is when it matters.
func (d door) Write(_ context.Context, stanza []byte) error {
	if bytes.HasPrefix(stanza, []byte("<iq")) {
		return d.s.queue.putBeyond(d.s.question(stanza))
	}
	return d.s.queue.put(stanza)
}

// question returns the question that is asked in place of a ping of the Keeper's.
func (s *Session) question(ping []byte) []byte {
	start := bytes.LastIndex(ping, []byte("<ping"))
	if s.options.Probe == "" || start < 0 {
		return ping
	}
	return append(ping[:start:start], s.options.Probe+"</iq>"...)
}

// End implements untilack.Conn.
func (d door) End(ctx context.Context, reason untilack.Reason) error {
	select {
	case <-d.s.attached:
	case <-ctx.Done():
		return ctx.Err()
	}
	d.s.stopped(reason)
	return nil
}

// stopped ends the session for a reason of the Keeper's, which has found another
// place for what was kept. It does not wait.
func (s *Session) stopped(reason untilack.Reason) {
	switch reason {
	case untilack.Replaced:
		s.refuse(stream.Conflict)
	case untilack.Dead:
		s.refuse(stream.ConnectionTimeout)
	default: // part of a stanza may be out
		s.fail(fmt.Errorf("middleware: ended by the keeper: %v", reason))
	}
}
