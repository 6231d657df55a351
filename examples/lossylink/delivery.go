// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"net"
	"time"

	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// A delivery is all that differs between the two runs: how the relay hands a
// stanza to a client, and what becomes of one that nobody is there to read.
type delivery interface {
	// run does what has to be done in the background, until ctx ends.
	run(ctx context.Context) error

	// patience is how long it may take to act of its own accord.
	patience() time.Duration

	// open is called when a client has bound its address. The relay holds the
	// lock of the account until it returns.
	open(session *xmpp.Session, conn net.Conn, address jid.JID) (door, error)

	// offline takes a message for an account without a session.
	offline(ctx context.Context, account string, message element) error
}

// A door is the way to and from one client.
type door interface {
	// write hands a stanza to the client.
	write(stanza element) error

	// receive is shown every stanza that came from the client, with its address
	// in from. The relay routes the stanza only if forward is true.
	receive(stanza element) (forward bool, err error)

	// close is called when the client's stream has ended.
	close()
}

// aLongTimeAgo is a deadline that ends a call at once.
var aLongTimeAgo = time.Unix(1, 0)

// sever closes conn without waiting for a write that is stuck on it, as the
// closing handshake of a WebSocket otherwise would.
func sever(conn net.Conn) {
	_ = conn.SetDeadline(aLongTimeAgo)
	_ = conn.Close()
}
