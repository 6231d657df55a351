// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package router

import (
	"context"
	"encoding/xml"
	"slices"
	"time"

	"github.com/untilack/untilack/examples/server/apart"
	"github.com/untilack/untilack/middleware"
	"golang.org/x/time/rate"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stream"
)

// A Client is a session that has bound its address.
type Client struct {
	*middleware.Session
	router  *Router
	account *account

	address    jid.JID
	bare, full string

	entry    string  // at the other nodes
	replaces *Client // whose place it has taken; others are to learn that it has gone

	ahead *ahead
	asked question // what its capabilities are

	rosters *rate.Limiter // of how often its roster is read

	lastTo      string // the address that it wrote to last, as text and parsed
	lastAddress jid.JID

	// Under the account's lock:
	presence    []byte // the last it has sent to all; nil: it is not available
	priority    int
	wantsRoster bool
	wantsBlocks bool
	directed    map[string]jid.JID // to whom it has sent a presence of their own
}

// Serve routes what comes from the client until its stream ends, and returns why it did.
// It does not close the session.
func (c *Client) Serve() error {
	defer c.unbind()
	defer c.catchUp()
	if c.replaces != nil {
		apart.Do(c.replaces.endPresence)
		c.replaces = nil
	}
	for {
		raw, start, err := c.ReadStanza()
		if err != nil {
			return err
		}
		if !c.Receive(raw) {
			continue
		}
		if err := c.route(raw, start); err != nil {
			return err
		}
	}
}

// End ends the session, with a stream error (RFC 6120 §4.9.3) unless the condition is "". One
// that has ended already takes no notice. It waits for the client, but not for long.
func (c *Client) End(condition string) {
	if condition != "" {
		c.write([]byte("<stream:error><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"))
	}
	_ = c.Close()
	c.router.Caps.Remove(c.full, c)
}

// giveWay ends a session whose client has come back to another node. What it had is for that one, at once.
func (c *Client) giveWay() {
	if c.account.remove(c) {
		c.endPresence()
	}
	c.Keeper().Close()
	c.End("conflict")
}

// A sent is a stanza that a client has sent.
type sent struct {
	raw    []byte
	name   string
	kind   string // its type
	id     string
	to     jid.JID // zero: it has none
	toText string
}

// route brings a stanza to where it is addressed.
func (c *Client) route(raw []byte, start xml.StartElement) error {
	if start.Name.Space != "jabber:client" {
		return stream.UnsupportedStanzaType
	}
	if start.Name.Local != "message" {
		c.catchUp()
	}
	s := sent{
		raw: raw, name: start.Name.Local, kind: attribute(start, "type"), id: attribute(start, "id"), toText: attribute(start, "to"),
	}
	if err := c.resolve(&s); err != nil || s.toText == "" && hasAttribute(start, "to") {
		c.refuse(&s, jidMalformed)
		return nil
	}
	if c.isBlocked(&s) {
		return nil
	}
	switch s.name {
	case "message":
		c.message(&s)
	case "presence":
		if s.toText == "" {
			c.holdBack()
		}
		apart.Do(func() { c.handlePresence(&s) })
	case "iq":
		apart.Do(func() { c.iq(&s) })
	default:
		return stream.UnsupportedStanzaType
	}
	return nil
}

// How often a client may have its roster read, which takes ten milliseconds if it is full: so many
// times at once, and then one a while.
const (
	rosterBurst = 50
	rosterEvery = 100 * time.Millisecond
)

// holdBack has a client wait that has its roster read too often.
func (c *Client) holdBack() {
	_ = c.rosters.Wait(context.Background()) // it is not long
}

// resolve parses the address that a stanza is to. Clients write to the same again and again.
func (c *Client) resolve(s *sent) (err error) {
	if s.toText == "" {
		return nil
	}
	if s.toText != c.lastTo {
		address, err := jid.Parse(s.toText)
		if err != nil {
			return err
		}
		c.lastTo, c.lastAddress = s.toText, address
	}
	s.to = c.lastAddress
	return nil
}

// isServer reports whether a stanza is to the server itself.
func (r *Router) isServer(to jid.JID) bool {
	return to.Domainpart() == r.Domain && to.Localpart() == ""
}

// isRemote reports whether an address is at another server.
func (r *Router) isRemote(to jid.JID) bool { return to.Domainpart() != r.Domain }

// write writes what is no message. A client that does not read misses it.
func (c *Client) write(raw []byte) {
	if err := c.WriteStanza(context.Background(), raw); err != nil {
		c.router.Log.Debug("not written", "to", c.full, "error", err)
	}
}

// unbind takes the client out after its stream has ended.
func (c *Client) unbind() {
	if c.account.remove(c) {
		c.endPresence()
	}
	c.router.removeEmpty(c.account)
	if c.router.Nodes != nil {
		c.router.Nodes.Leave(c.entry)
	}
}

func hasAttribute(start xml.StartElement, name string) bool {
	return slices.ContainsFunc(start.Attr, func(a xml.Attr) bool { return a.Name == xml.Name{Local: name} })
}

func attribute(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
