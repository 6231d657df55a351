// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package router

import (
	"crypto/rand"
	"errors"
	"time"

	"github.com/untilack/untilack/examples/server/blocks"
	"mellium.im/xmpp/jid"
)

// readBlocks reads anew whom the client's account blocks, which may have changed at another node.
func (c *Client) readBlocks() {
	ctx, cancel := withPatience()
	defer cancel()
	if _, err := c.router.Blocks.Read(ctx, c.bare); err != nil {
		c.router.Log.Error("blocks not read", "account", c.bare, "error", err)
	}
}

// isBlocked refuses what goes between two of whom one blocks the other (XEP-0191 §3.2 and
// §3.3). Who is blocked sees an account that is never there.
func (c *Client) isBlocked(s *sent) bool {
	if s.toText == "" || s.to.Bare().Equal(c.address.Bare()) {
		return false
	}
	asks := s.name == "message" || s.name == "iq" && (s.kind == "get" || s.kind == "set")
	switch {
	case c.router.Blocks.Has(c.bare, s.to.String()):
		if s.kind != unavailable { // that was said when it was blocked
			c.refuse(s, blockedByMe)
		}
		return true
	case c.router.Blocks.Has(s.to.Bare().String(), c.full):
		if asks && s.kind != headline {
			c.refuse(s, serviceUnavailable)
		}
		return true
	}
	return false
}

// blockedByMe refuses what a client writes to whom it blocks.
var blockedByMe = condition{"cancel", "not-acceptable"}

// setBlocks answers about whom an account blocks, and changes that.
func (c *Client) setBlocks(s *sent, q query) {
	addresses, err := normalised(q.Payload.Items)
	ctx, cancel := withPatience()
	defer cancel()
	switch change := q.Payload.XMLName.Local; {
	case err != nil:
		c.refuse(s, jidMalformed)
		return
	case change == "blocklist" && s.kind == "get":
		c.sendBlocks(s)
		return
	case change == "block" && s.kind == "set" && len(addresses) > 0:
		err = c.router.Blocks.Add(ctx, c.bare, addresses)
	case change == "unblock" && s.kind == "set" && len(addresses) > 0:
		err = c.router.Blocks.Remove(ctx, c.bare, addresses)
	case change == "unblock" && s.kind == "set":
		addresses, err = c.router.Blocks.Read(ctx, c.bare)
		err = errors.Join(err, c.router.Blocks.Remove(ctx, c.bare, addresses))
	default:
		c.refuse(s, badRequest)
		return
	}
	if errors.Is(err, blocks.ErrFull) {
		c.refuse(s, resourceConstraint)
		return
	}
	if err != nil {
		c.refuseFor(s, err)
		return
	}
	c.answer(s, "")
	c.blocked(q, addresses)
}

// blocked has a change come into force, and tells the account's clients of it.
func (c *Client) blocked(q query, addresses []string) {
	change := q.Payload.XMLName.Local
	for _, address := range addresses {
		if change == "block" {
			c.router.Keeper.Block(time.Now(), c.bare, address)
		}
		if to, err := jid.Parse(address); err == nil {
			c.setVisible(to, change == "unblock")
		}
	}
	element := "<" + change + " xmlns='" + nsBlocking + "'>" + blockItems(q.Payload.Items) + "</" + change + ">"
	for _, other := range c.account.those(func(other *Client) bool { return other.wantsBlocks }) {
		other.write(tag("iq", element, "type", "set", "id", rand.Text(), "to", other.full))
	}
}

// setVisible has the account be there for an address that it blocks no more, or be gone for one that
// it blocks (XEP-0191 §3.3 and §3.4), if that may see it.
func (c *Client) setVisible(to jid.JID, visible bool) {
	ctx, cancel := withPatience()
	defer cancel()
	item, err := c.router.Roster.Get(ctx, c.bare, to.Bare().String())
	if err != nil || !item.From {
		return
	}
	for _, own := range c.account.available() {
		if visible {
			own.sendPresence(own.lastPresence(), to)
		} else {
			c.router.deliverPresence(tag("presence", "", "type", unavailable, "from", own.full, "to", to.String()), to)
		}
	}
}

// sendBlocks sends the client whom its account blocks. From then on it is told of changes.
func (c *Client) sendBlocks(s *sent) {
	ctx, cancel := withPatience()
	defer cancel()
	c.account.mutex.Lock()
	c.wantsBlocks = true
	c.account.mutex.Unlock()
	addresses, err := c.router.Blocks.Read(ctx, c.bare)
	if err != nil {
		c.refuseFor(s, err)
		return
	}
	var items []queryItem
	for _, address := range addresses {
		items = append(items, queryItem{JID: address})
	}
	c.answer(s, "<blocklist xmlns='"+nsBlocking+"'>"+blockItems(items)+"</blocklist>")
}

// normalised returns the addresses of items.
func normalised(items []queryItem) (addresses []string, err error) {
	for _, item := range items {
		address, err := jid.Parse(item.JID)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, address.String())
	}
	return addresses, nil
}

func blockItems(items []queryItem) (elements string) {
	for _, item := range items {
		elements += string(tag("item", "", "jid", item.JID))
	}
	return elements
}
