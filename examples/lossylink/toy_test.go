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
	waiting map[string][]element // by bare address
}

// The faults of a toy.
const (
	correct   = "none"
	forgetful = "forgets the oldest of ten"
	repeating = "sends again what was acknowledged"
	forging   = "acknowledges in the recipient's name"
	meddling  = "changes what it keeps"
)

func newToy(fault string) *toy { return &toy{fault: fault, waiting: make(map[string][]element)} }

func (*toy) run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (*toy) patience() time.Duration { return 0 }

func (t *toy) open(session *xmpp.Session, conn net.Conn, address jid.JID) (door, error) {
	d := &toyDoor{plainDoor: plainDoor{session: session, conn: conn}, toy: t, account: address.Bare().String()}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, message := range t.waiting[d.account] {
		if t.fault == meddling {
			message.set("type", "headline")
		}
		if err := d.plainDoor.write(message); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (t *toy) offline(_ context.Context, account string, message element) error {
	t.keep(account, message)
	return nil
}

// keep remembers a message that asks for a receipt.
func (t *toy) keep(account string, message element) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if _, asks := message.child(nsReceipts, "request"); !asks {
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
	t.waiting[account] = slices.DeleteFunc(t.waiting[account], func(m element) bool { return m.get("id") == id })
}

// A toyDoor keeps before it writes.
type toyDoor struct {
	plainDoor
	toy     *toy
	account string
}

// write never fails: what is kept needs no other session, and the next login
// gets it.
func (d *toyDoor) write(stanza element) error {
	d.toy.keep(d.account, stanza)
	if err := d.plainDoor.write(stanza); err != nil {
		sever(d.conn)
	}
	return nil
}

func (d *toyDoor) receive(stanza element) (forward bool, err error) {
	receipt, ok := stanza.child(nsReceipts, "received")
	if ok && d.toy.fault != repeating {
		d.toy.settle(d.account, attribute(receipt, "id"))
	}
	if !ok && d.toy.fault == forging {
		return true, d.forge(stanza)
	}
	return true, nil
}

// forge tells the sender of a message that it was delivered.
func (d *toyDoor) forge(message element) error {
	receipt := fmt.Sprintf(`<message xmlns="jabber:client" from="bob@localhost/phone" to="%s"><received xmlns="urn:xmpp:receipts" id="%s"/></message>`,
		message.get("from"), message.get("id"))
	e, err := readElement(xml.NewDecoder(strings.NewReader(receipt)))
	if err != nil {
		return err
	}
	return d.plainDoor.write(e)
}
