// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"net"
	"strings"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/examples/internal/relay"
	"github.com/untilack/untilack/examples/internal/wire"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// A delivery delivers through untilack, and has the ledger see what is written.
type delivery struct {
	*relay.Kept
	store  *actions.MemStore
	ledger *ledger
	number map[string]int // of a client, by its name
}

func newDelivery(c Config, l *ledger) (*delivery, error) {
	d := &delivery{store: actions.NewMemStore(nil), ledger: l, number: make(map[string]int)}
	for i := range c.Clients {
		d.number[clientName(i)] = i
	}
	kept, err := relay.NewKept(untilack.Config{
		AckWait:      c.AckWait,
		ProbeWait:    c.ProbeWait,
		Store:        d.store,
		PersistAfter: c.PersistAfter,
		Logger:       c.Log,
		Seed:         c.Seed,
		Watch:        d.watch,
	})
	if err != nil {
		return nil, err
	}
	d.Kept = kept
	return d, nil
}

// watch tells the ledger what the Keeper has done.
func (d *delivery) watch(e untilack.Event) {
	number, ok := d.client(e.Recipient)
	if !ok {
		return
	}
	d.ledger.noteEvent(number, e)
	switch e.Reason {
	case untilack.Closed, untilack.Replaced, untilack.Dead, untilack.WriteFailed:
		d.ledger.noteEnded(number, e.Resource)
	case untilack.Settled, untilack.Finished, untilack.Unconfirmed:
		d.ledger.noteClosed(e.ID)
	}
}

// client returns the number of the client with an address.
func (d *delivery) client(address string) (int, bool) {
	name, _, _ := strings.Cut(address, "@")
	number, ok := d.number[name]
	return number, ok
}

// wrap has what is written to a connection seen.
func (d *delivery) wrap(conn net.Conn) net.Conn {
	c := &serverConn{Conn: conn, ledger: d.ledger}
	c.written.Seen = func(id string) { d.ledger.noteWritten(c.stream, id) }
	return c
}

// Open implements relay.Delivery.
func (d *delivery) Open(session *xmpp.Session, conn net.Conn, transport wire.Transport, address jid.JID) (relay.Door, error) {
	if number, ok := d.client(address.String()); ok {
		conn.(*serverConn).stream = d.ledger.noteOpened(number, address.Resourcepart())
	}
	return d.Kept.Open(session, conn, transport, address)
}

// A serverConn is the server's end of a connection.
type serverConn struct {
	net.Conn
	ledger  *ledger
	stream  *stream // nil while it is not a client's session
	written wire.Sightings
}

// Write implements net.Conn.
func (c *serverConn) Write(p []byte) (int, error) {
	if c.stream != nil {
		c.written.Look(p)
	}
	return c.Conn.Write(p)
}

// left returns what the Keeper and its store still have.
func (d *delivery) left() (waiting, stored int) {
	return d.Keeper.Stats().Waiting, d.store.Total().Messages
}
