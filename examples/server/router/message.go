// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package router

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/middleware"
	"github.com/untilack/untilack/receipts"
	"mellium.im/xmpp/jid"
)

// The types of messages (RFC 6121 §5.2.2). Any other is a normal message.
const (
	chat      = "chat"
	groupchat = "groupchat"
	headline  = "headline"
	normal    = "normal"
	errorType = "error"
)

// message brings a message to its recipient.
func (c *Client) message(s *sent) {
	if s.toText == "" { // RFC 6120 §10.3.1
		s.raw, s.to, s.toText = with(s.raw, "to", c.bare), c.address.Bare(), c.bare
	}
	if !slices.Contains([]string{chat, groupchat, headline, errorType}, s.kind) {
		s.kind = normal
	}
	r := c.router
	switch {
	case r.isRemote(s.to):
		c.refuse(s, remoteNotFound)
	case r.isServer(s.to) || !r.Exists(s.to.Localpart()):
		if s.kind != headline {
			c.refuse(s, serviceUnavailable)
		}
	default:
		identify(s)
		if r.Ahead {
			c.deliverAhead(s)
		} else {
			c.deliver(s)
		}
	}
}

// identify gives a message an id that has none, so that it can be kept. If it asks for a
// receipt all the same, its sender gets one that it can not place: it has no other to expect. What we
// answer ourselves has none, as the message had (RFC 6120 §8.3.1).
func identify(s *sent) {
	if s.id != "" || s.kind != chat && s.kind != normal || isReceipt(s) {
		return
	}
	id := rand.Text()
	if at := emptyID.FindIndex(s.raw); at != nil {
		quote := at[1] - 1
		s.raw = slices.Concat(s.raw[:quote], []byte(id), s.raw[quote:])
		return
	}
	s.raw = with(s.raw, "id", id)
}

// emptyID is a tag up to an id that is there, and says nothing.
var emptyID = regexp.MustCompile(`^<[^\s/>]+(?:\s+[^\s=]+\s*=\s*(?:'[^']*'|"[^"]*"))*?\s+id\s*=\s*(?:''|"")`)

// deliver hands a message to those of the account's clients that it is for. Where a session
// turns out to have ended, and the Keeper did not take the message, others are looked for.
func (c *Client) deliver(s *sent) {
	for {
		clients, otherwise := c.router.recipients(s)
		if len(clients) == 0 {
			otherwise(c, s)
			return
		}
		taken, err := hand(s, clients)
		if taken {
			return
		}
		if err != nil {
			c.notDelivered(s, err)
			return
		}
	}
}

// hand writes a message to clients, and reports whether one of them, or the Keeper, took it.
// Clients that turn out to have ended are taken out.
func hand(s *sent, clients []*Client) (taken bool, failed error) {
	for _, recipient := range clients {
		err := recipient.WriteStanza(context.Background(), s.raw)
		switch {
		case err == nil:
			taken = true
		case !errors.Is(err, middleware.ErrClosed):
			failed = errors.Join(failed, err)
		case recipient.account.remove(recipient):
			recipient.endPresence()
		}
	}
	return taken, failed
}

// notDelivered tells the sender of a message that was neither written nor kept.
func (c *Client) notDelivered(s *sent, err error) {
	switch {
	case errors.Is(err, untilack.ErrBusy) && isReceipt(s):
		c.keepAsMail(s)
	case errors.Is(err, untilack.ErrBusy):
		c.refuse(s, resourceConstraint)
	case errors.Is(err, untilack.ErrRefused):
		c.router.Log.Debug("message refused", "from", c.full, "to", s.toText, "error", err)
		c.refuse(s, refusal(err))
	default:
		c.router.Log.Debug("message not written", "from", c.full, "to", s.toText, "error", err)
		c.refuse(s, badRequest)
	}
}

// An otherwise is what becomes of a message that no client is for.
type otherwise func(*Client, *sent)

// recipients returns the clients that a message is for, by table 1 of RFC 6121 §8.5. Of those
// with the highest priority all get it: the table leaves the choice, and so none waits for
// another one's dead stream.
func (r *Router) recipients(s *sent) ([]*Client, otherwise) {
	a := r.find(s.to.Bare().String())
	if resource := s.to.Resourcepart(); resource != "" {
		if exact := a.at(resource); exact != nil {
			return []*Client{exact}, nil
		}
		if r.isElsewhere(s.to) {
			return nil, (*Client).forward
		}
		if s.kind != chat && !isReceipt(s) {
			return nil, (*Client).refuseRecipient
		}
	}
	switch s.kind {
	case groupchat:
		return nil, (*Client).refuseRecipient
	case errorType:
		return nil, func(*Client, *sent) {}
	case headline:
		return a.willing(), func(*Client, *sent) {}
	}
	return a.best(), (*Client).keep
}

// isElsewhere reports whether a session is at another node.
func (r *Router) isElsewhere(full jid.JID) bool {
	if r.Nodes == nil {
		return false
	}
	ctx, cancel := withPatience()
	defer cancel()
	is, err := r.Nodes.Elsewhere(ctx, full.String())
	if err != nil {
		r.Log.Debug("other nodes not asked", "error", err)
	}
	return is
}

// forward puts a message into the store for a session at another node.
func (c *Client) forward(s *sent) {
	if (s.kind == chat || s.kind == normal) && s.to.Bare().String() != c.bare { // what is to oneself is not kept
		c.keep(s)
	} else {
		c.keepAsMail(s)
	}
}

// Bounce brings an error to the full address of who has sent a message. If that session is not there,
// nobody gets it (RFC 6121 §8.5.3.2.1).
func (r *Router) Bounce(ctx context.Context, to string, stanza []byte) error {
	address, err := jid.Parse(to)
	if err != nil {
		return fmt.Errorf("router: %w", err)
	}
	if session := r.find(address.Bare().String()).at(address.Resourcepart()); session != nil {
		session.write(stanza)
		return nil
	}
	if r.Nodes == nil {
		return nil
	}
	elsewhere, err := r.Nodes.Elsewhere(ctx, address.String())
	if err != nil {
		return fmt.Errorf("router: %w", err)
	}
	if elsewhere {
		return r.mail(ctx, r.Domain, &sent{raw: stanza, name: "message", kind: errorType, to: address})
	}
	return nil
}

// refuseRecipient refuses a message for whose recipient there is no client.
func (c *Client) refuseRecipient(s *sent) { c.refuse(s, serviceUnavailable) }

// keepTime is how long a message may wait while what was on its recipient's stream, which has
// ended, is decided about.
const keepTime = time.Minute

// keep has the Keeper keep a message until its recipient comes (XEP-0160). If the recipient
// is at another node of this server, that finds it in the store.
func (c *Client) keep(s *sent) {
	if isReceipt(s) {
		c.keepAsMail(s)
		return
	}
	err := c.router.Keeper.Offline(context.Background(), s.raw)
	for end := time.Now().Add(keepTime); errors.Is(err, untilack.ErrLater) && time.Now().Before(end); {
		err = c.router.Keeper.Offline(context.Background(), s.raw)
	}
	m, _ := receipts.Scan(s.raw)
	if err == nil || !m.Marks.Has(receipts.Content) { // nobody misses that somebody types
		return
	}
	c.router.Log.Debug("message not kept", "from", c.full, "to", s.toText, "error", err)
	c.refuse(s, refusal(err))
}

// refusal returns what the sender is told of a message that the Keeper has refused. Where that has
// a cause, which is not the recipient's quota, another time may be better (RFC 6121 §8.5.2.2.1).
func refusal(err error) condition {
	var caused interface{ Unwrap() []error } // ErrRefused, and why
	if errors.As(err, &caused) && !errors.Is(err, actions.ErrQuota) {
		return internalError
	}
	return serviceUnavailable
}

// keepAsMail puts a message into the store that the Keeper keeps not, for nothing acknowledges it: a
// receipt, without which its sender would never know, and what is for a session at another node.
func (c *Client) keepAsMail(s *sent) {
	ctx, cancel := withPatience()
	defer cancel()
	if err := c.router.mail(ctx, c.full, s); err != nil {
		c.router.Log.Debug("message not kept", "from", c.full, "to", s.toText, "error", err)
	}
}

// mail puts a message into the store, which is delivered like other mail then, and gone when its
// client has read it.
func (r *Router) mail(ctx context.Context, from string, s *sent) error {
	p := cache.Packet{
		// Some clients give all their receipts the same id.
		Key:      cache.Key{To: s.to.Bare().String(), From: from, ID: rand.Text()},
		Resource: s.to.Resourcepart(),
		Marks:    cache.NotAsked | cache.Unauthorised, // nobody is told if it can not be delivered
		Received: time.Now(),
		Stanza:   s.raw,
	}
	if isReceipt(s) {
		p.Marks |= cache.Chat // any session of the account may have it
	}
	if err := errors.Join(r.Store.Put(ctx, actions.NewRow(p, false))...); err != nil {
		return fmt.Errorf("router: %w", err)
	}
	r.Keeper.Mailed(time.Now(), p.Key.To) // they may have come meanwhile
	return nil
}

// isReceipt reports whether a stanza is a receipt.
func isReceipt(s *sent) bool {
	if s.name != "message" || s.kind == errorType || !receipts.Mentions(s.raw) {
		return false
	}
	m, err := receipts.Scan(s.raw)
	return err == nil && m.Kind.Has(receipts.KindReceived)
}
