// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package middleware wraps the sessions of mellium.im/xmpp: those that a server has
// with its clients, so that every message is kept until it is acknowledged, and those
// that a client, a bot or a component has with its server, so that it learns what
// became of its messages, and acknowledges those of others.
//
// # Of a client
//
// NewClient takes a session that was negotiated. What is sent through the Client asks
// for receipts, and what comes in through its Serve is acknowledged when it was handled,
// or when a loop over Messages says so:
//
//	c, err := middleware.NewClient(session, &middleware.ClientOptions{Responder: responder})
//	...
//	go c.Serve(handler)
//	sent, err := c.Send(ctx, message)
//	result, err := sent.Wait(ctx)
//
// Package client has the rules, for clients with an XML stream of their own as well.
//
// # Of a server
//
// Wrap takes a session that was negotiated, and the address that was bound. What
// the server sends to the client through the wrapped session passes the Keeper,
// and so does what comes in through its Serve:
//
//	s, err := middleware.Wrap(keeper, session, address, nil)
//	...
//	err = s.Serve(handler)
//
// A server that reads for itself, because it routes IQs between clients for
// instance, which Serve would answer, has a loop in place of Serve:
//
//	for {
//		raw, start, err := s.ReadStanza()
//		if err != nil {
//			break
//		}
//		if s.Receive(raw) {
//			route(raw, start) // other.WriteStanza(ctx, raw)
//		}
//	}
//	s.Close()
//
// A wrapped session counts as available with priority 0 from the start, and gets
// what waits for its recipient. A server that knows presence says otherwise in
// Options.Stream, and reports it to Session.Keeper.
//
// # Writing
//
// Whatever is written is read into memory first, then put into a queue of the
// session, and written by the session's own goroutine, whole stanzas at a time,
// past the XML encoder of the embedded session. So a writer waits for no client,
// and a stanza that can not be read to its end breaks no stream. A write that
// blocks for longer than Options.WriteTimeout, like any other failed one, ends the
// session: part of a stanza may be out. A Client writes in the same way. The
// kernel takes up to some megabytes before a write blocks at all; it is the
// Keeper's probe that finds out about a client that is silently gone.
//
// # What it can not do
//
// A session that has been negotiated can not be changed beneath. What is written
// through the embedded session, by packages that ask for an *xmpp.Session, may
// block without an end while it holds the session's lock; the watch over the
// writer's own wait for that lock ends it when something else is to be written,
// unless a handler is at work. Deadlines, used by the listener, has no such gap.
// The parser reads a text or a tag as a whole before its size can be looked at: a
// limit for that, and limits of rates, belong into the connection as well. Over a
// WebSocket, answers to IQs that a handler writes are cut into messages of
// 4,096 bytes, and the embedded session's end of the stream is that of TCP, which
// Frames, used by the listener, puts right.
package middleware
