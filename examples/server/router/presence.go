// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package router

import (
	"crypto/rand"
	"encoding/xml"
	"strconv"
	"strings"

	"github.com/untilack/untilack/examples/server/caps"
	"github.com/untilack/untilack/examples/server/roster"
	"mellium.im/xmpp/jid"
)

// maxPresence is how large a presence may be, in bytes: the last one of each client is kept.
const maxPresence = 16 << 10

// maxDirected is to how many addresses a client may have sent a presence of their own.
const maxDirected = 256

// handlePresence does what a presence asks for (RFC 6121 §3 and §4).
func (c *Client) handlePresence(s *sent) {
	switch request := roster.Request(s.kind); {
	case len(s.raw) > maxPresence:
		c.refuse(s, notAcceptable)
	case s.toText != "" && c.router.isRemote(s.to):
		c.refuse(s, remoteNotFound)
	case request == roster.Subscribe, request == roster.Subscribed, request == roster.Unsubscribe, request == roster.Unsubscribed:
		c.subscription(s, request)
	case s.kind == "probe":
		c.probe(s.to.Bare())
	case s.kind == errorType:
		c.pass(s)
	case s.kind != "" && s.kind != unavailable:
		c.refuse(s, badRequest)
	case s.toText != "":
		c.direct(s)
	case s.kind == "":
		c.becomeAvailable(s)
	default:
		c.becomeUnavailable(s.raw)
		c.write(with(s.raw, "to", c.full)) // §4.5.2
	}
}

const unavailable = "unavailable"

// becomeAvailable is the client's presence for all. With the first one the client learns who else
// is there, and gets what was kept for it.
func (c *Client) becomeAvailable(s *sent) {
	priority := priorityOf(s.raw)
	c.account.mutex.Lock()
	first := c.presence == nil
	// Both at once: a message that comes in between would overtake what was kept.
	c.Keeper().Presence(true, priority)
	c.presence, c.priority = s.raw, priority
	c.account.mutex.Unlock()
	items := c.contacts()
	c.broadcast(s.raw, items)
	if first {
		c.fetchAll(items)
	}
	c.declare(s.raw)
}

// A question is one of the server's own to a client.
type question struct {
	id   string
	caps caps.Caps
}

// declare notes what a client can do, and asks it if nobody has said yet what that is.
func (c *Client) declare(presence []byte) {
	declared, ok := caps.In(presence)
	if !ok {
		c.router.Caps.Remove(c.full, c)
		return
	}
	if !c.router.Caps.Set(c.full, c, declared) {
		return
	}
	c.asked = question{rand.Text(), declared}
	query, _ := xml.Marshal(declared.Query()) // there is nothing in it that fails
	c.write(tag("iq", string(query), "type", "get", "id", c.asked.id, "from", c.router.Domain, "to", c.full))
}

// declared takes a client's answer to that.
func (c *Client) declared(s *sent) {
	if s.kind != "result" || s.id != c.asked.id || c.asked.id == "" {
		return // it is of no question of ours
	}
	if !c.router.Caps.Learn(c.asked.caps, s.raw) {
		c.router.Log.Debug("capabilities do not fit their hash", "address", c.full, "node", c.asked.caps.Node)
	}
	c.asked = question{}
}

// priorityOf returns the priority in a presence; 0 if there is none that can be read.
func priorityOf(raw []byte) int {
	var p struct {
		Priority string `xml:"priority"`
	}
	_ = xml.Unmarshal(raw, &p) // it was well-formed when it was read
	n, err := strconv.ParseInt(strings.TrimSpace(p.Priority), 10, 8)
	if err != nil {
		return 0
	}
	return int(n)
}

// becomeUnavailable is the client's unavailable presence for all.
func (c *Client) becomeUnavailable(raw []byte) {
	c.account.mutex.Lock()
	was, directed := c.presence != nil, c.directed
	c.presence, c.directed, c.priority = nil, nil, 0
	c.Keeper().Presence(false, 0)
	c.account.mutex.Unlock()
	if was {
		c.broadcast(raw, c.contacts())
	}
	for _, to := range directed {
		c.sendPresence(raw, to)
	}
}

// endPresence tells the others that the client is not there any more.
func (c *Client) endPresence() {
	c.account.mutex.RLock()
	known := c.presence != nil || len(c.directed) > 0
	c.account.mutex.RUnlock()
	if known {
		c.becomeUnavailable(tag("presence", "", "type", unavailable, "from", c.full))
	}
}

// contacts returns the items of the client's roster. If they can not be read, nobody is told
// anything: that is safe.
func (c *Client) contacts() []roster.Item {
	ctx, cancel := withPatience()
	defer cancel()
	items, err := c.router.Roster.List(ctx, c.bare)
	if err != nil {
		c.router.Log.Error("roster not read", "account", c.bare, "error", err)
	}
	return items
}

// broadcast sends a presence to the account's own clients and to those who may see it.
func (c *Client) broadcast(raw []byte, items []roster.Item) {
	c.sendPresence(raw, c.address.Bare())
	for _, item := range items {
		if !item.From {
			continue
		}
		if to, err := jid.Parse(item.Contact); err == nil {
			c.sendPresence(raw, to)
		}
	}
}

// sendPresence sends a presence without an address to an account, or to one of its clients.
func (c *Client) sendPresence(raw []byte, to jid.JID) {
	if raw == nil || c.router.Blocks.Has(c.bare, to.String()) || c.router.Blocks.Has(to.Bare().String(), c.full) {
		return
	}
	c.router.deliverPresence(with(raw, "to", to.String()), to)
}

// deliverPresence writes a presence to the clients at an address that may see presences.
func (r *Router) deliverPresence(raw []byte, to jid.JID) {
	a := r.find(to.Bare().String())
	clients := a.available()
	if to.Resourcepart() != "" {
		clients = a.those(func(c *Client) bool { return c.address.Resourcepart() == to.Resourcepart() })
	}
	for _, c := range clients {
		c.write(raw)
	}
}

// direct sends a presence to one address, which is told when the client goes (RFC 6121 §4.6).
func (c *Client) direct(s *sent) {
	key := s.to.String()
	c.account.mutex.Lock()
	full := false
	switch {
	case s.kind == unavailable:
		delete(c.directed, key)
	case c.directed == nil:
		c.directed = map[string]jid.JID{key: s.to}
	case len(c.directed) < maxDirected:
		c.directed[key] = s.to
	default:
		_, known := c.directed[key]
		full = !known
	}
	c.account.mutex.Unlock()
	if full {
		c.refuse(s, resourceConstraint)
		return
	}
	c.router.deliverPresence(s.raw, s.to)
}

// fetchAll sends the client the presences that it may see, and those by which others ask to see
// its own.
func (c *Client) fetchAll(items []roster.Item) {
	for _, other := range c.account.available() {
		if other != c {
			c.fetchPresence(other)
		}
	}
	for _, item := range items {
		if item.Request != "" {
			c.write([]byte(item.Request))
		}
		if item.To {
			c.fetchPresences(item.Contact)
		}
	}
}

// fetchPresences sends the client the presences of an account.
func (c *Client) fetchPresences(bare string) {
	for _, other := range c.router.find(bare).available() {
		c.fetchPresence(other)
	}
}

// fetchPresence sends the client the presence of another, if neither blocks the other.
func (c *Client) fetchPresence(other *Client) {
	raw := other.lastPresence()
	hidden := c.router.Blocks.Has(other.bare, c.full) || c.router.Blocks.Has(c.bare, other.full)
	if raw != nil && !hidden {
		c.write(with(raw, "to", c.full))
	}
}

// lastPresence returns the presence that the client has sent to all, or nil.
func (c *Client) lastPresence() []byte {
	c.account.mutex.RLock()
	defer c.account.mutex.RUnlock()
	return c.presence
}

// probe answers who asks for a presence, if it may be seen (RFC 6121 §4.3).
func (c *Client) probe(contact jid.JID) {
	ctx, cancel := withPatience()
	defer cancel()
	item, err := c.router.Roster.Get(ctx, contact.String(), c.bare)
	if err == nil && item.From {
		c.fetchPresences(contact.String())
	}
}

// pass hands a presence on as it is.
func (c *Client) pass(s *sent) {
	if s.to.Resourcepart() != "" {
		c.router.deliverPresence(s.raw, s.to)
	}
}
