// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/untilack/untilack/examples/internal/relay"
	"github.com/untilack/untilack/examples/internal/wire"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

const writeTime = 2 * time.Second

// plain delivers as most servers do for a client without stream management: a
// message that the kernel took is delivered, and messages for an account that
// is not there wait for its next login. Only what went into a link that was
// already dark is lost.
type plain struct {
	mutex   sync.Mutex
	waiting map[string][]wire.Element // by bare address
}

func newPlain() relay.Delivery { return &plain{waiting: make(map[string][]wire.Element)} }

func (*plain) Run(context.Context) error { return nil }

func (*plain) Patience() time.Duration { return 0 }

// Open hands over what has come since the account was last here.
func (p *plain) Open(session *xmpp.Session, conn net.Conn, _ wire.Transport, address jid.JID) (relay.Door, error) {
	d := &plainDoor{session: session, conn: conn}
	account := address.Bare().String()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for len(p.waiting[account]) > 0 {
		if err := d.Write(p.waiting[account][0]); err != nil {
			return nil, err
		}
		p.waiting[account] = p.waiting[account][1:]
	}
	return d, nil
}

func (p *plain) Offline(_ context.Context, account string, message wire.Element) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.waiting[account] = append(p.waiting[account], message)
	return nil
}

// A plainDoor writes each stanza at once, with a deadline.
type plainDoor struct {
	session *xmpp.Session
	conn    net.Conn
	mutex   sync.Mutex
}

func (d *plainDoor) Write(stanza wire.Element) error {
	raw, err := stanza.Encode()
	if err != nil {
		return err
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if err := d.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	return wire.WriteBytes(d.session, raw)
}

func (*plainDoor) Receive(wire.Element) (bool, error) { return true, nil }

func (*plainDoor) Close() {}
