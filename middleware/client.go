// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/untilack/untilack/client"

	"mellium.im/xmpp"
)

// ClientOptions are the settings of a Client. The zero value is a sensible choice.
type ClientOptions struct {
	// Tracker follows what is sent. One that is given may be shared by several
	// sessions, and lives on when the Client ends. What has waited for too long between
	// two sessions expires some seconds into the next one, which may bring its receipt.
	// Default: a new one for the session's account, which is closed with the Client.
	Tracker *client.Tracker

	// Responder answers what comes in.
	// Default: nil, nothing is answered, and no copy is told from what is new.
	Responder *client.Responder

	// Inbox is how many messages may wait to be taken by Messages.
	// Default: 0, Messages is not used: a message is acknowledged when the handler has
	// returned nil for it. A mux does so too for what it has no handler for.
	Inbox int

	// WriteTimeout is how long one write may block, as in Options. Default: 5 s.
	WriteTimeout time.Duration

	// QueueStanzas and QueueBytes bound what waits to be written, as in Options.
	// Default: 1,024 stanzas and 1 MiB.
	QueueStanzas int
	QueueBytes   int

	// MaxStanza is the greatest size in bytes of a stanza that is looked into; a
	// larger one goes to the handler unseen. Default: 1 MiB.
	MaxStanza int

	// WebSocket says that each write to the connection is a message of its own, as in
	// Options. Default: a stream over TCP or TLS.
	WebSocket bool
}

// link returns the options that are those of every session.
func (o *ClientOptions) link() Options {
	all := Options{
		WriteTimeout: o.WriteTimeout, QueueStanzas: o.QueueStanzas, QueueBytes: o.QueueBytes,
		MaxStanza: o.MaxStanza, WebSocket: o.WebSocket,
	}
	return all.orDefaults()
}

// A Client is a session of ours with a server, with receipts in both directions. All
// its methods are safe for concurrent use by multiple goroutines.
type Client struct {
	link

	tracker   *client.Tracker
	own       bool // the tracker is closed with the Client
	responder *client.Responder
	inbox     *inbox // nil: Messages is not used
	missed    atomic.Uint64
	due       due
}

// NewClient returns a Client for a session that was negotiated, of a client or of a
// component. From now on messages have to be written through the result, and Serve or
// Close must be called in the end. The error wraps ErrSession.
//
// There is a goroutine of its own while there is something to write.
func NewClient(s *xmpp.Session, o *ClientOptions) (*Client, error) {
	if s == nil || !isOpen(s) || s.State()&xmpp.Received != 0 {
		return nil, fmt.Errorf("%w: it is nil, not ready, was received, or has ended", ErrSession)
	}
	if o == nil {
		o = &ClientOptions{}
	}
	c := &Client{tracker: o.Tracker, responder: o.Responder, inbox: newInbox(o.Inbox)}
	c.init(s, o.link())
	if c.tracker == nil {
		c.tracker, c.own = client.NewTracker(c.tracking()), true
	}
	c.due.start(c.tracker)
	c.finished = c.endOthers
	c.queue.start()
	return c, nil
}

// tracking returns the options of a Tracker for the session's account. A component has
// many of them.
func (c *Client) tracking() *client.TrackerOptions {
	if c.isComponent() {
		return nil
	}
	return &client.TrackerOptions{Account: c.session.LocalAddr()}
}

// endOthers ends what depends on the session, after the last write.
func (c *Client) endOthers() {
	c.due.stop()
	if c.own {
		c.tracker.Close(time.Now())
	}
	c.inbox.end()
}

// Session returns the session, for packages that ask for one to send IQs.
func (c *Client) Session() *xmpp.Session { return c.session }

// Tracker returns the Tracker, for Results and the like.
func (c *Client) Tracker() *client.Tracker { return c.tracker }

// Serve is the Serve of xmpp.Session with Handler(h), and then closes the session. It
// returns nil if the server has closed its stream in order. If the session was ended by
// a write that failed the error says so; after a Close of ours it is that of reading
// from a closed connection.
func (c *Client) Serve(h xmpp.Handler) error { return c.serve(c.Handler(h)) }

// Done returns a channel that is closed when nothing more is written.
func (c *Client) Done() <-chan struct{} { return c.done }

// Close writes what is queued, ends the stream and closes the connection. If the server
// has closed its stream already, nothing more is written than our end of it. A Tracker
// of the Client's own is closed after that: what waits is Closed, and what was not
// written is Cancelled.
//
// It waits for the writes, but not longer than WriteTimeout. It may be called several
// times and from anywhere but the hooks of a Tracker, which the one who writes calls; after
// the first call it does nothing. Its error is that of
// closing the connection, which can be ignored.
func (c *Client) Close() error { return c.close() }

// Err returns why the session ended, or nil if it has not, or has in order.
func (c *Client) Err() error { return c.err() }
