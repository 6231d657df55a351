// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"encoding/xml"
	"slices"
	"sync"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/ping"
	"mellium.im/xmpp/stanza"
)

const nsReceipts = "urn:xmpp:receipts"

// An account is where messages for one bare address are delivered, one after
// the other.
type account struct {
	name     string
	delivery delivery

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
			sever(old.conn)
		}
		return same
	})
	if c.door, err = a.delivery.open(session, c.conn, c.address); err != nil {
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
func (a *account) deliver(to jid.JID, message element) error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for len(a.clients) > 0 {
		c := a.exactly(to)
		if c == nil {
			c = a.clients[len(a.clients)-1]
		}
		if c.door.write(message) == nil {
			return nil
		}
		sever(c.conn)
		a.clients = slices.DeleteFunc(a.clients, func(other *client) bool { return other == c })
	}
	if _, receipt := message.child(nsReceipts, "received"); receipt || message.get("type") == "error" {
		return nil
	}
	return a.delivery.offline(context.Background(), a.name, message)
}

// ask hands an iq to exactly the session it is addressed to.
func (a *account) ask(to jid.JID, iq element) bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	c := a.exactly(to)
	return c != nil && c.door.write(iq) == nil
}

// route sends a client's stanza to where it is addressed.
func (r *relay) route(c *client, s element) {
	to, err := jid.Parse(s.get("to"))
	ours := err == nil && (to.Equal(jid.JID{}) || to.Equal(c.address.Domain()))
	switch {
	case s.start().Name.Space != stanza.NSClient:
		r.log.Info("not a stanza", "from", c.address, "name", s.start().Name)
	case s.start().Name.Local == "iq" && ours:
		r.answer(c, s)
	case s.start().Name.Local == "iq":
		if err != nil || !r.account(to).ask(to, s) {
			r.refuse(c, s)
		}
	case s.start().Name.Local == "message" && err == nil && !ours && to.Domainpart() == domain:
		if err := r.account(to).deliver(to, s); err != nil {
			r.log.Info("message refused", "from", c.address, "error", err)
			r.refuse(c, s)
		}
	case s.start().Name.Local == "message":
		r.refuse(c, s)
	}
}

// answer answers a request to the server itself: a ping, or what it can do.
func (r *relay) answer(c *client, iq element) {
	_, pinged := iq.child(ping.NS, "ping")
	_, discovered := iq.child(disco.NSInfo, "query")
	switch {
	case iq.get("type") != string(stanza.GetIQ):
		r.refuse(c, iq)
	case pinged:
		r.reply(c, result(iq, nil))
	case discovered:
		r.reply(c, result(iq, xmlstream.Wrap(
			xmlstream.MultiReader(
				info.Identity{Category: "server", Type: "im", Name: "lossylink"}.TokenReader(),
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
func (r *relay) refuse(c *client, s element) {
	if _, receipt := s.child(nsReceipts, "received"); !receipt {
		r.reply(c, refusal(s))
	}
}

// reply writes to the client itself. A client that cannot be written to is
// found out by its own reader.
func (r *relay) reply(c *client, answer xml.TokenReader) {
	if answer == nil {
		return
	}
	e, err := readElement(answer)
	if err == nil {
		err = c.door.write(e)
	}
	if err != nil {
		r.log.Info("answer not written", "to", c.address, "error", err)
	}
}

// result is the answer to a request.
func result(iq element, payload xml.TokenReader) xml.TokenReader {
	to, _ := jid.Parse(iq.get("from"))
	from, _ := jid.Parse(iq.get("to"))
	return stanza.IQ{ID: iq.get("id"), Type: stanza.ResultIQ, To: to, From: from}.Wrap(payload)
}

// refusal is the error that answers a stanza, or nil if it wants no answer.
func refusal(s element) xml.TokenReader {
	to, _ := jid.Parse(s.get("from"))
	from, _ := jid.Parse(s.get("to"))
	problem := stanza.Error{Type: stanza.Cancel, Condition: stanza.ServiceUnavailable}.TokenReader()
	kind := s.get("type")
	switch {
	case kind == "error" || kind == string(stanza.ResultIQ):
		return nil
	case s.start().Name.Local == "iq":
		return stanza.IQ{ID: s.get("id"), Type: stanza.ErrorIQ, To: to, From: from}.Wrap(problem)
	}
	return stanza.Message{ID: s.get("id"), Type: stanza.ErrorMessage, To: to, From: from}.Wrap(problem)
}
