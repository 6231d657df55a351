// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package router

import (
	"context"
	"encoding/xml"
	"errors"
	"slices"

	"github.com/untilack/untilack/examples/server/roster"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/ping"
)

const (
	nsInfo     = "http://jabber.org/protocol/disco#info"
	nsItems    = "http://jabber.org/protocol/disco#items"
	nsRoster   = "jabber:iq:roster"
	nsVCard    = "vcard-temp"
	nsBlocking = "urn:xmpp:blocking"
	nsSession  = "urn:ietf:params:xml:ns:xmpp-session"
)

const emptyVCard = "<vCard xmlns='" + nsVCard + "'/>"

// features are what the server says that it can do. It answers no requests for receipts, so
// it does not say that.
var features = []string{nsInfo, nsItems, nsRoster, nsBlocking, ping.NS, "msgoffline", "urn:xmpp:delay"}

// iq hands an IQ to the client that it is to, or answers it: for the server, or for an
// account (RFC 6121 §8.5.1 to §8.5.3).
func (c *Client) iq(s *sent) {
	asks := s.kind == "get" || s.kind == "set"
	r := c.router
	switch {
	case !asks && s.kind != "result" && s.kind != errorType, s.id == "", asks && !hasOneChild(s):
		c.refuse(s, badRequest)
	case s.toText != "" && r.isRemote(s.to):
		c.refuse(s, remoteNotFound)
	case s.toText != "" && s.to.Localpart() != "" && s.to.Resourcepart() != "":
		c.askClient(s)
	case !asks:
		c.declared(s)
	case s.toText == "" || s.to.Equal(c.address.Bare()):
		c.askAccount(s)
	case r.isServer(s.to):
		c.askServer(s)
	default:
		c.askOther(s)
	}
}

// hasOneChild reports whether an IQ has what a question has to have (RFC 6120 §8.2.3).
func hasOneChild(s *sent) bool {
	var iq struct {
		Children []struct{} `xml:",any"`
	}
	_ = xml.Unmarshal(s.raw, &iq) // it was well-formed when it was read
	return len(iq.Children) == 1
}

// askOther answers for an account of somebody else. Nobody has a vCard here, and that is
// said in the way that clients expect (XEP-0054 §3.1).
func (c *Client) askOther(s *sent) {
	if parse(s).Payload.XMLName.Space == nsVCard && s.kind == "get" && c.router.Exists(s.to.Localpart()) {
		c.answer(s, emptyVCard)
		return
	}
	c.refuse(s, serviceUnavailable)
}

// askClient hands an IQ to another client.
func (c *Client) askClient(s *sent) {
	other := c.router.find(s.to.Bare().String()).at(s.to.Resourcepart())
	if other == nil || other.WriteStanza(context.Background(), s.raw) != nil {
		c.refuse(s, serviceUnavailable)
	}
}

// A query is what an IQ asks.
type query struct {
	Payload struct {
		XMLName xml.Name
		Node    string      `xml:"node,attr"`
		Items   []queryItem `xml:"item"`
	} `xml:",any"`
}

// A queryItem is one item of a roster.
type queryItem struct {
	JID          string   `xml:"jid,attr"`
	Name         string   `xml:"name,attr"`
	Subscription string   `xml:"subscription,attr"`
	Groups       []string `xml:"group"`
}

// parse reads what an IQ asks.
func parse(s *sent) (q query) {
	_ = xml.Unmarshal(s.raw, &q) // it was well-formed when it was read
	return q
}

// askAccount answers for the client's own account.
func (c *Client) askAccount(s *sent) {
	q := parse(s)
	switch space := q.Payload.XMLName.Space; {
	case space == nsRoster && s.kind == "get":
		c.sendRoster(s)
	case space == nsRoster:
		c.setRoster(s, q)
	case space == nsBlocking:
		c.setBlocks(s, q)
	case space == nsSession && s.kind == "set":
		c.answer(s, "")
	case space == nsVCard && s.kind == "get":
		c.answer(s, emptyVCard)
	case space == nsInfo && s.kind == "get" && q.Payload.Node == "":
		c.answer(s, "<query xmlns='"+nsInfo+"'><identity category='account' type='registered'/><feature var='"+nsInfo+"'/></query>")
	case space == nsItems && s.kind == "get" && q.Payload.Node == "":
		c.answer(s, "<query xmlns='"+nsItems+"'/>")
	case s.toText == "":
		c.askServer(s)
	default:
		c.refuse(s, serviceUnavailable)
	}
}

// askServer answers for the server itself.
func (c *Client) askServer(s *sent) {
	q := parse(s)
	space := q.Payload.XMLName.Space
	switch {
	case s.kind != "get" && space == nsSession:
		c.answer(s, "")
	case s.kind != "get":
		c.refuse(s, serviceUnavailable)
	case space == ping.NS:
		c.answer(s, "")
	case (space == nsInfo || space == nsItems) && q.Payload.Node != "":
		c.refuse(s, itemNotFound)
	case space == nsInfo:
		c.answer(s, serverInfo)
	case space == nsItems:
		c.answer(s, "<query xmlns='"+nsItems+"'/>")
	default:
		c.refuse(s, serviceUnavailable)
	}
}

var serverInfo = func() string {
	info := "<query xmlns='" + nsInfo + "'><identity category='server' type='im' name='untilack'/>"
	for _, feature := range features {
		info += "<feature var='" + feature + "'/>"
	}
	return info + "</query>"
}()

// sendRoster sends the client its roster. From then on it is told of changes.
func (c *Client) sendRoster(s *sent) {
	c.holdBack()
	ctx, cancel := withPatience()
	defer cancel()
	c.account.mutex.Lock()
	c.wantsRoster = true
	c.account.mutex.Unlock()
	items, err := c.router.Roster.List(ctx, c.bare)
	if err != nil {
		c.refuseFor(s, err)
		return
	}
	elements := ""
	for _, item := range items {
		elements += itemElement(item)
	}
	c.answer(s, rosterQuery(elements))
}

// How much may be in an item (RFC 6121 §2.3.3).
const (
	maxName   = 1023
	maxGroups = 50
)

// setRoster changes one item of the client's roster (RFC 6121 §2.3 to §2.5).
func (c *Client) setRoster(s *sent, q query) {
	if len(q.Payload.Items) != 1 {
		c.refuse(s, badRequest)
		return
	}
	item := q.Payload.Items[0]
	contact, err := jid.Parse(item.JID)
	switch {
	case err != nil:
		c.refuse(s, jidMalformed)
		return
	case contact.Bare().Equal(c.address.Bare()):
		c.refuse(s, notAllowed)
		return
	case item.hasGroupTwice():
		c.refuse(s, badRequest)
		return
	case item.isTooLong():
		c.refuse(s, notAcceptable)
		return
	}
	switch err := c.changeItem(contact.Bare(), item); err {
	case nil:
		c.answer(s, "")
	case errNoItem:
		c.refuse(s, itemNotFound)
	default:
		c.refuseFor(s, err)
	}
}

// isTooLong reports whether an item has more than there may be in it.
func (i *queryItem) isTooLong() bool {
	tooLong := func(text string) bool { return len(text) > maxName }
	return tooLong(i.Name) || len(i.Groups) > maxGroups || slices.ContainsFunc(i.Groups, tooLong) || slices.Contains(i.Groups, "")
}

// hasGroupTwice reports whether an item names a group more than once (RFC 6121 §2.3.3).
func (i *queryItem) hasGroupTwice() bool {
	groups := slices.Sorted(slices.Values(i.Groups))
	return len(slices.Compact(groups)) < len(i.Groups)
}

var errNoItem = errors.New("router: no such item")

// changeItem changes an item, or takes it out.
func (c *Client) changeItem(contact jid.JID, item queryItem) error {
	ctx, cancel := withPatience()
	defer cancel()
	if item.Subscription != "remove" {
		slices.Sort(item.Groups)
		_, err := c.router.change(c.bare, contact.String(), func(i *roster.Item) {
			i.Name, i.Groups, i.Shown = item.Name, item.Groups, true
		})
		return err
	}
	was, err := c.router.Roster.Get(ctx, c.bare, contact.String())
	if err == nil && itemElement(was) == "" {
		err = errNoItem
	}
	if err != nil {
		return err
	}
	return c.router.removeContact(ctx, c.bare, contact.String(), contact.Localpart())
}
