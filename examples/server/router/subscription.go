// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package router

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/untilack/untilack/examples/server/roster"
	"github.com/untilack/untilack/receipts"
)

// subscription does what a client asks for about who sees whose presence (RFC 6121 §3).
func (c *Client) subscription(s *sent, request roster.Request) {
	contact := s.to.Bare().String()
	if s.to.Localpart() == "" || contact == c.bare {
		c.refuse(s, badRequest)
		return
	}
	raw, err := receipts.AppendFrom(nil, s.raw, c.bare) // §3.1.2
	if err == nil {
		err = c.router.request(c.bare, contact, s.to.Localpart(), request, raw)
	}
	c.refuseFor(s, err)
}

// refuseFor refuses a stanza for which the roster could not be changed.
func (c *Client) refuseFor(s *sent, err error) {
	switch {
	case err == nil:
	case errors.Is(err, roster.ErrFull):
		c.refuse(s, resourceConstraint)
	default:
		c.router.Log.Error("roster not changed", "account", c.bare, "error", err)
		c.refuse(s, internalError)
	}
}

// request has one account ask another for something. raw is what the other's clients see.
func (r *Router) request(from, to, name string, request roster.Request, raw []byte) error {
	var routed bool
	is, err := r.change(from, to, func(i *roster.Item) { routed = request.Send(i) })
	if err != nil || !routed {
		return err
	}
	if !r.Exists(name) {
		if request != roster.Subscribe {
			return nil
		}
		return r.arrives(to, from, roster.Unsubscribed, nil)
	}
	if err := r.arrives(from, to, request, raw); err != nil {
		return err
	}
	if request == roster.Subscribe && is.Ask {
		return r.answerFor(to, from)
	}
	return nil
}

// answerFor grants what was granted before and forgotten by who asks (RFC 6121 §3.1.3).
func (r *Router) answerFor(account, asker string) error {
	ctx, cancel := withPatience()
	defer cancel()
	item, err := r.Roster.Get(ctx, account, asker)
	if err != nil || !item.From {
		return err
	}
	return r.arrives(account, asker, roster.Subscribed, nil)
}

// arrives is what a request does at the account that it is to.
func (r *Router) arrives(from, to string, request roster.Request, raw []byte) error {
	if raw == nil {
		raw = tag("presence", "", "type", string(request), "from", from, "to", to)
	}
	var was roster.Item
	var shown bool
	if _, err := r.change(to, from, func(i *roster.Item) {
		was = *i
		shown = request.Receive(i)
		if request == roster.Subscribe && i.Asked { // for clients that come later, too (§3.1.3)
			i.Request = string(raw)
		}
	}); err != nil {
		return err
	}
	if request == roster.Unsubscribed && was.To { // it comes before that is said (§3.2.1)
		r.sendUnavailable(from, to)
	}
	a := r.find(to)
	see := a.interested()
	if request == roster.Subscribe {
		see = a.available()
	}
	for _, c := range see {
		if shown {
			c.write(raw)
		}
	}
	if request == roster.Unsubscribe && was.From {
		r.sendUnavailable(to, from)
	}
	if request == roster.Subscribed && shown {
		for _, c := range r.find(to).available() {
			c.fetchPresences(from)
		}
	}
	return nil
}

// sendUnavailable has the clients of one account be gone for those of another.
func (r *Router) sendUnavailable(account, other string) {
	for _, gone := range r.find(account).available() {
		for _, c := range r.find(other).available() {
			c.write(tag("presence", "", "type", unavailable, "from", gone.full, "to", other))
		}
	}
}

// change changes an item, and shows it to the account's clients if they can see that.
func (r *Router) change(account, contact string, change func(*roster.Item)) (roster.Item, error) {
	ctx, cancel := withPatience()
	defer cancel()
	was, is, err := r.Roster.Change(ctx, account, contact, change)
	if err == nil && itemElement(was) != itemElement(is) {
		r.push(account, is)
	}
	return is, err
}

// push shows an item to the account's clients (RFC 6121 §2.1.6).
func (r *Router) push(account string, item roster.Item) {
	element := itemElement(item)
	if element == "" {
		element = "<item jid='" + escaped(item.Contact) + "' subscription='remove'/>"
	}
	for _, c := range r.find(account).interested() {
		c.write(tag("iq", rosterQuery(element), "type", "set", "id", rand.Text(), "to", c.full))
	}
}

func rosterQuery(items string) string { return "<query xmlns='jabber:iq:roster'>" + items + "</query>" }

// itemElement returns an item as clients see it, or "" if they do not.
func itemElement(i roster.Item) string {
	if !i.Shown && !i.To && !i.From && !i.Ask {
		return ""
	}
	ask := ""
	if i.Ask {
		ask = "subscribe"
	}
	groups := ""
	for _, group := range i.Groups {
		groups += "<group>" + escaped(group) + "</group>"
	}
	return string(tag("item", groups, "jid", i.Contact, "name", i.Name, "subscription", i.Subscription(), "ask", ask))
}

// removeContact takes a contact out of an account's roster, and ends what each sees of the
// other (RFC 6121 §2.5.2).
func (r *Router) removeContact(ctx context.Context, account, contact, name string) error {
	item, err := r.Roster.Get(ctx, account, contact)
	if err != nil {
		return err
	}
	if item.To || item.Ask {
		err = errors.Join(err, r.request(account, contact, name, roster.Unsubscribe, nil))
	}
	if item.From || item.Asked {
		err = errors.Join(err, r.request(account, contact, name, roster.Unsubscribed, nil))
	}
	if err != nil {
		return err
	}
	_, err = r.change(account, contact, func(i *roster.Item) { *i = roster.Item{Contact: contact} })
	return err
}
