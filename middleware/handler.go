// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"encoding/xml"
	"errors"
	"io"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"
)

// Serve handles what comes in from the client until the stream ends, as the Serve
// of xmpp.Session does with Handler(h), and then closes the session. It returns
// nil if the client has closed its stream in order. If the session was ended by
// the Keeper, a stalled write or a bad stanza the error says so; after a Close of
// ours it is that of reading from a closed connection.
func (s *Session) Serve(h xmpp.Handler) error { return s.serve(s.Handler(h)) }

// Handler returns a handler for the Serve of xmpp.Session. It shows messages, and
// answers to IQs, to the Keeper before next gets them, and next's messages on
// their way out. A nil next handles nothing. Session.Serve is to be preferred: it
// knows whether the stream ended in order.
//
// Stanzas reach next with the client's address as their sender (RFC 6120
// §8.1.2.1). Answers to a probe of the Keeper's or to SendIQ and its like do not
// reach it. The text of tokens that next reads is valid until next returns. A message
// that is malformed, or whose address is, is answered with an
// error and does not end the stream; one that is too large does.
//
// What next writes to the client, by any of its writer's three methods, goes as
// each element is whole. Everything but the answer to an IQ takes the queue: next
// then waits while the queue is full, but not once it has begun to answer the
// IQ, when it gets an error that wraps untilack.ErrBusy instead. An answer to an
// IQ follows what was queued before it, by way of the embedded session, and holds
// up what is queued until next returns. It may overtake messages that the Keeper
// has put behind older ones.
func (s *Session) Handler(next xmpp.Handler) xmpp.Handler {
	if next == nil {
		next = xmpp.HandlerFunc(func(xmlstream.TokenReadEncoder, *xml.StartElement) error { return nil })
	}
	return xmpp.HandlerFunc(func(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		return s.withReplier(t, s, func(w *replier) error { return s.handle(next, w, start) })
	})
}

// handle handles one top-level element.
func (s *Session) handle(next xmpp.Handler, w *replier, start *xml.StartElement) error {
	switch {
	case isClose(start.Name):
		s.clean.Store(true)
		_ = s.Close() // before the embedded session ends it as if it were on TCP
		return io.EOF
	case checkName(start.Name) != nil:
		return s.stop(stream.InvalidNamespace)
	case !isStanza(start.Name):
		return next.HandleXMPP(w, start)
	}
	*start = s.stamp(*start)
	w.question(start)
	if !isWatched(*start) {
		if s.hasBadAddress(*start) {
			return nil
		}
		return next.HandleXMPP(w, start)
	}
	in := newIncoming()
	defer in.release()
	switch err := in.collect(w.TokenReader, *start, s.options.MaxStanza); {
	case errors.Is(err, ErrTooLarge):
		return s.stop(stream.PolicyViolation)
	case err != nil:
		return err
	}
	raw, err := in.encode(*start)
	switch {
	case err != nil:
		s.reject(*start, stanza.BadRequest)
		return nil
	case !s.Receive(raw):
		return nil
	case s.hasBadAddress(*start):
		s.reject(*start, stanza.JIDMalformed)
		return nil
	}
	w.TokenReader = &in.rest
	return next.HandleXMPP(w, start)
}

// stop ends the session because of what the client has sent.
func (s *Session) stop(condition stream.Error) error {
	s.refuse(condition)
	<-s.done // what the embedded session would write instead comes too late
	return io.EOF
}

// isWatched reports whether the Keeper is to see a stanza.
func isWatched(start xml.StartElement) bool {
	kind := attribute(start, "type")
	return start.Name.Local == "message" || kind == "error" || kind == string(stanza.ResultIQ)
}

// hasBadAddress reports whether a stanza is addressed to what is no address.
// Handlers would take it for a reason to end the stream.
func (s *Session) hasBadAddress(start xml.StartElement) bool {
	to := attribute(start, "to")
	if to == "" {
		return false
	}
	if good := s.goodAddress.Load(); good != nil && *good == to {
		return false
	}
	if _, err := jid.Parse(to); err != nil {
		return true
	}
	good := to
	s.goodAddress.Store(&good)
	return false
}
