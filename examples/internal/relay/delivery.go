// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package relay

import (
	"context"
	"net"
	"time"

	"github.com/untilack/untilack/examples/internal/wire"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// A Delivery is all that differs between relays: how one hands a stanza to a
// client, and what becomes of a stanza that nobody is there to read.
type Delivery interface {
	// Run does what has to be done in the background, until ctx ends.
	Run(ctx context.Context) error

	// Patience is how long it may take to act of its own accord.
	Patience() time.Duration

	// Open is called when a client has bound its address. The relay holds the
	// lock of the account until it returns.
	Open(session *xmpp.Session, conn net.Conn, transport wire.Transport, address jid.JID) (Door, error)

	// Offline takes a message for an account without a session.
	Offline(ctx context.Context, account string, message wire.Element) error
}

// A Door is the way to and from one client.
type Door interface {
	// Write hands a stanza to the client.
	Write(stanza wire.Element) error

	// Receive is shown every stanza that came from the client, with its address
	// in from. The relay routes the stanza only if forward is true.
	Receive(stanza wire.Element) (forward bool, err error)

	// Close is called when the client's stream has ended.
	Close()
}
