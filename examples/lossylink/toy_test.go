// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/untilack/untilack/examples/internal/relay"
	"github.com/untilack/untilack/examples/internal/wire"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// A toy is the least that loses nothing: it keeps every message until its
// receipt has come, and hands what it has to each new session. It never asks
// whether a client is there, tells no two senders apart and grows without limit.
// It shows that the demonstration can be passed, and its faults that the
// demonstration notices them.
type toy struct {
	fault string // what it does wrong

	mutex   sync.Mutex
	waiting map[string][]wire.Element // by bare address
}

// The faults of a toy.
const (
	correct   = "none"
	forgetful = "forgets the oldest of ten"
	repeating = "sends again what was acknowledged"
	forging   = "acknowledges in the recipient's name"
	meddling  = "changes what it keeps"
)

func newToy(fault string) *toy { return &toy{fault: fault, waiting: make(map[string][]wire.Element)} }

func (*toy) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (*toy) Patience() time.Duration { return 0 }

func (t *toy) Open(session *xmpp.Session, conn net.Conn, _ wire.Transport, address jid.JID) (relay.Door, error) {
	d := &toyDoor{plainDoor: plainDoor{session: session, conn: conn}, toy: t, account: address.Bare().String()}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, message := range t.waiting[d.account] {
		if t.fault == meddling {
			message.Set("type", "headline")
		}
		if err := d.plainDoor.Write(message); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (t *toy) Offline(_ context.Context, account string, message wire.Element) error {
	t.keep(account, message)
	return nil
}

// keep remembers a message that asks for a receipt.
func (t *toy) keep(account string, message wire.Element) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if _, asks := message.Child(wire.NSReceipts, "request"); !asks {
		return
	}
	if t.fault == forgetful && len(t.waiting[account]) == 10 {
		t.waiting[account] = t.waiting[account][1:]
	}
	t.waiting[account] = append(t.waiting[account], slices.Clone(message))
}

// settle forgets the message that a receipt names.
func (t *toy) settle(account, id string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.waiting[account] = slices.DeleteFunc(t.waiting[account], func(m wire.Element) bool { return m.Get("id") == id })
}

// A toyDoor keeps before it writes.
type toyDoor struct {
	plainDoor
	toy     *toy
	account string
}

// write never fails: what is kept needs no other session, and the next login
// gets it.
func (d *toyDoor) Write(stanza wire.Element) error {
	d.toy.keep(d.account, stanza)
	if err := d.plainDoor.Write(stanza); err != nil {
		wire.Sever(d.conn)
	}
	return nil
}

func (d *toyDoor) Receive(stanza wire.Element) (forward bool, err error) {
	receipt, ok := stanza.Child(wire.NSReceipts, "received")
	if ok && d.toy.fault != repeating {
		d.toy.settle(d.account, wire.Attribute(receipt, "id"))
	}
	if !ok && d.toy.fault == forging {
		return true, d.forge(stanza)
	}
	return true, nil
}

// forge tells the sender of a message that it was delivered.
func (d *toyDoor) forge(message wire.Element) error {
	receipt := fmt.Sprintf(`<message xmlns="jabber:client" from="bob@localhost/phone" to="%s"><received xmlns="urn:xmpp:receipts" id="%s"/></message>`,
		message.Get("from"), message.Get("id"))
	e, err := wire.ReadElement(xml.NewDecoder(strings.NewReader(receipt)))
	if err != nil {
		return err
	}
	return d.plainDoor.Write(e)
}
