// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"encoding/xml"
	"errors"
	"io"
	"time"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/stanza"
)

// Handler returns a handler for the Serve of xmpp.Session that shows each stanza to the
// Tracker and the Responder, and then passes it on to next. Client.Serve is to be
// preferred: it closes the session in the end.
//
// Next gets every stanza as it is, but for what a Responder sees to. A copy of a message
// that has been seen ends here, and is acknowledged once more. And the request for a
// receipt is taken out of a message, so that nobody else answers it: mellium's own package
// receipts may be in next's mux, and waits for its own messages as ever. Without a
// Responder it answers requests by its own rules.
//
// Without an Inbox a message is acknowledged when next has returned nil for it; if next
// returns an error, a copy of the message counts as new. With a next that is nil nothing
// is acknowledged.
//
// What next writes takes the queue, except for the answer to an IQ, and is not tracked:
// see [Session.Handler]. The text of tokens that next reads is valid until next returns.
//
// No stanza ends the stream that next would not end it for. What mellium's mux would end it
// for, though anybody can send it, goes no further: a stanza from or to what is no address,
// and an IQ of no known type, or without the payload that it has to have (RFC 6120 §8.2.3).
func (c *Client) Handler(next xmpp.Handler) xmpp.Handler {
	return xmpp.HandlerFunc(func(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		return c.withReplier(t, c, func(w *replier) error { return c.handle(next, w, start) })
	})
}

// handle handles one top-level element.
func (c *Client) handle(next xmpp.Handler, w *replier, start *xml.StartElement) error {
	switch {
	case isClose(start.Name):
		c.clean.Store(true)
		_ = c.Close() // before the session ends it as if it were on TCP
		return io.EOF
	case !isStanza(clientName(start.Name)):
		return pass(next, w, start)
	case hasBadAddress(start):
		return nil
	}
	w.question(start)
	if start.Name.Local == "iq" {
		if good, err := isGoodIQ(w, start); err != nil || !good {
			return err
		}
	}
	if !c.isWatched(*start) {
		return pass(next, w, start)
	}
	in := newIncoming()
	defer in.release()
	err := in.collect(w.TokenReader, *start, c.options.MaxStanza)
	if errors.Is(err, ErrTooLarge) {
		w.TokenReader = xmlstream.MultiReader(&tokens{list: in.list}, w.TokenReader)
		return pass(next, w, start)
	}
	if err != nil {
		return err
	}
	raw, err := in.encode(*start)
	w.TokenReader = &in.rest
	if err != nil { // it can not be written anew, and is nothing of ours
		return pass(next, w, start)
	}
	if start.Name.Local == "iq" {
		if c.answered(raw) {
			return nil
		}
		return pass(next, w, start)
	}
	return c.message(next, w, start, in, raw)
}

// pass has the next handler handle a stanza.
func pass(next xmpp.Handler, w *replier, start *xml.StartElement) error {
	if next == nil {
		return nil
	}
	return next.HandleXMPP(w, start)
}

// isWatched reports whether a stanza is to be looked into: messages, and of IQs those
// that may be about the roster.
func (c *Client) isWatched(start xml.StartElement) bool {
	switch start.Name.Local {
	case "message":
		return true
	case "iq":
		return c.responder != nil && attribute(start, "type") != string(stanza.GetIQ)
	}
	return false
}

// message handles a message, which is raw in bytes, and the rest of which is in.
func (c *Client) message(next xmpp.Handler, w *replier, start *xml.StartElement, in *incoming, raw []byte) error {
	now := time.Now()
	c.tracker.Receive(now, raw)
	if c.responder == nil && c.inbox == nil || next == nil && c.inbox == nil {
		return pass(next, w, start)
	}
	m := &Message{Raw: raw, client: c}
	if c.responder != nil {
		m.arrival = c.responder.Receive(now, raw)
		in.rest.list = withoutRequests(in.rest.list)
	}
	if m.isCopy() {
		_ = m.Ack() // as far as it can be: there may be another copy
		return nil
	}
	if c.inbox != nil {
		if !c.keep(m) {
			return nil
		}
		return pass(next, w, start)
	}
	if err := pass(next, w, start); err != nil {
		m.Again()
		return err
	}
	m.finish()
	return nil
}

// withoutRequests returns the tokens of a message, but for its first one, without its
// requests for a receipt.
func withoutRequests(list []xml.Token) []xml.Token {
	kept, depth, skipped := list[:0], 0, false
	for _, token := range list {
		switch t := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				skipped = t.Name == xml.Name{Space: receipts.NS, Local: "request"}
			}
			depth++
		case xml.EndElement:
			depth--
		}
		if !skipped {
			kept = append(kept, token)
		}
		skipped = skipped && depth > 0
	}
	return kept
}
