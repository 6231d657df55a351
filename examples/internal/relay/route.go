// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package relay

import (
	"context"
	"encoding/xml"
	"slices"
	"sync"

	"github.com/untilack/untilack/examples/internal/wire"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/ping"
	"mellium.im/xmpp/stanza"
)

// An account is where messages for one bare address are delivered, one after
// the other.
type account struct {
	name     string
	delivery Delivery

	mutex   sync.Mutex
	clients []*client // the newest last
}

// bind adds a session. One with the same resource is replaced.
func (a *account) bind(c *client, session *xmpp.Session) (err error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.clients = slices.DeleteFunc(a.clients, func(old *client) bool {
		same := old.address.Equal(c.address)
		if same {
			wire.Sever(old.conn)
		}
		return same
	})
	if c.door, err = a.delivery.Open(session, c.conn, c.transport, c.address); err != nil {
		return err
	}
	a.clients = append(a.clients, c)
	return nil
}

// unbind removes a session.
func (a *account) unbind(c *client) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.clients = slices.DeleteFunc(a.clients, func(other *client) bool { return other == c })
}

// exactly returns the session with the full address to, or nil.
func (a *account) exactly(to jid.JID) *client {
	for _, c := range a.clients {
		if c.address.Equal(to) {
			return c
		}
	}
	return nil
}

// deliver hands a message to the session it is addressed to, or else to the
// newest. A session that cannot be written to is ended, and the next one tried.
// With none left, a message that someone may want to read waits; a receipt or
// an error is dropped.
func (a *account) deliver(to jid.JID, message wire.Element) error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for len(a.clients) > 0 {
		c := a.exactly(to)
		if c == nil {
			c = a.clients[len(a.clients)-1]
		}
		if c.door.Write(message) == nil {
			return nil
		}
		wire.Sever(c.conn)
		a.clients = slices.DeleteFunc(a.clients, func(other *client) bool { return other == c })
	}
	if _, receipt := message.Child(wire.NSReceipts, "received"); receipt || message.Get("type") == "error" {
		return nil
	}
	return a.delivery.Offline(context.Background(), a.name, message)
}

// ask hands an iq to exactly the session it is addressed to.
func (a *account) ask(to jid.JID, iq wire.Element) bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	c := a.exactly(to)
	return c != nil && c.door.Write(iq) == nil
}

// route sends a client's stanza to where it is addressed.
func (r *Relay) route(c *client, s wire.Element) {
	to, err := jid.Parse(s.Get("to"))
	ours := err == nil && (to.Equal(jid.JID{}) || to.Equal(c.address.Domain()))
	switch {
	case s.Start().Name.Space != stanza.NSClient:
		r.log.Info("not a stanza", "from", c.address, "name", s.Start().Name)
	case s.Start().Name.Local == "iq" && ours:
		r.answer(c, s)
	case s.Start().Name.Local == "iq":
		if err != nil || !r.account(to).ask(to, s) {
			r.refuse(c, s)
		}
	case s.Start().Name.Local == "message" && err == nil && !ours && to.Domainpart() == wire.Domain:
		if err := r.account(to).deliver(to, s); err != nil {
			r.log.Info("message refused", "from", c.address, "error", err)
			r.refuse(c, s)
		}
	case s.Start().Name.Local == "message":
		r.refuse(c, s)
	}
}

// answer answers a request to the server itself: a ping, or what it can do.
func (r *Relay) answer(c *client, iq wire.Element) {
	_, pinged := iq.Child(ping.NS, "ping")
	_, discovered := iq.Child(disco.NSInfo, "query")
	switch {
	case iq.Get("type") != string(stanza.GetIQ):
		r.refuse(c, iq)
	case pinged:
		r.reply(c, wire.Result(iq, nil))
	case discovered:
		r.reply(c, wire.Result(iq, xmlstream.Wrap(
			xmlstream.MultiReader(
				info.Identity{Category: "server", Type: "im", Name: "relay"}.TokenReader(),
				info.Feature{Var: ping.NS}.TokenReader(),
				info.Feature{Var: disco.NSInfo}.TokenReader(),
			),
			xml.StartElement{Name: xml.Name{Space: disco.NSInfo, Local: "query"}},
		)))
	default:
		r.refuse(c, iq)
	}
}

// refuse tells a client that its stanza cannot be delivered, unless that stanza
// was itself an answer, an error or a receipt.
func (r *Relay) refuse(c *client, s wire.Element) {
	if _, receipt := s.Child(wire.NSReceipts, "received"); !receipt {
		r.reply(c, wire.Refusal(s))
	}
}

// reply writes to the client itself. A client that cannot be written to is
// found out by its own reader.
func (r *Relay) reply(c *client, answer xml.TokenReader) {
	if answer == nil {
		return
	}
	e, err := wire.ReadElement(answer)
	if err == nil {
		err = c.door.Write(e)
	}
	if err != nil {
		r.log.Info("answer not written", "to", c.address, "error", err)
	}
}
