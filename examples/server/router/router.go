// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package router knows who is there, and brings each stanza to where it is addressed:
// messages by table 1 of RFC 6121 §8.5, presences by subscriptions, IQs from client to
// client or to the server itself.
//
// A client is a session of package middleware, so what is written to it passes the Keeper.
// All that has to do with untilack is in message.go: whom a message is for decides the
// router, and whether it arrived, and what becomes of it if not, the Keeper.
//
// Sessions may be at other nodes, which have the same database. Messages get there by the Keeper's
// store; presences and IQs stay within a node.
//
// Carbons, an archive and rooms would go into message.go as well, and stream management
// (XEP-0198) into Client.Serve; a router between servers to where remote is refused.
package router

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/examples/server/blocks"
	"github.com/untilack/untilack/examples/server/caps"
	"github.com/untilack/untilack/examples/server/nodes"
	"github.com/untilack/untilack/examples/server/roster"
	"github.com/untilack/untilack/middleware"
	"golang.org/x/time/rate"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// A Config is what a Router works with. What has no default is required.
type Config struct {
	Domain string
	Keeper *untilack.Keeper
	Store  actions.Store // the Keeper's
	Roster *roster.Store
	Blocks *blocks.List
	Caps   *caps.Clients
	Exists func(account string) bool // by the name before the "@"
	Log    *slog.Logger

	// Nodes are the other nodes of the server. Default: there are none.
	Nodes *nodes.Nodes

	// Ahead has messages read from a client while those before them are put into the store,
	// which makes one client faster if that takes time. Default: they are not.
	Ahead bool

	// MaxSessions is how many sessions an account has at most: one more takes the place of
	// the oldest. Default: 16.
	MaxSessions int
}

// A Router is where all clients of a server meet. It is safe for concurrent use by multiple
// goroutines.
type Router struct {
	Config

	mutex    sync.RWMutex
	accounts map[string]*account // those with sessions, by bare address
}

// New returns a router without clients.
func New(c Config) *Router {
	if c.MaxSessions <= 0 {
		c.MaxSessions = 16
	}
	return &Router{Config: c, accounts: make(map[string]*account)}
}

// An account has its sessions, the newest last. Its lock is held for looks at what is in
// memory alone; no lock of another account is taken meanwhile.
type account struct {
	bare string

	mutex   sync.RWMutex
	clients []*Client
}

// patience is how long the database has to answer, shorter than a client's to answer a
// question: one whose stanza waits for the database can not be heard.
const patience = 3 * time.Second

// withPatience returns a context for one question to the database.
func withPatience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// Bind takes a session in that was negotiated for an address. One with the same resource is
// ended: a phone that comes back has a dead stream. Serve has to follow.
func (r *Router) Bind(session *xmpp.Session, address jid.JID, o middleware.Options) (*Client, error) {
	o.Stream = &untilack.StreamOptions{Away: true} // until it sends its presence
	if strings.HasPrefix(address.Resourcepart(), "go-sendxmpp") {
		o.Probe = "<query xmlns='jabber:iq:version'/>" // a ping makes version 0.5.6 crash, which Debian 12 has
	}
	c := &Client{
		router: r, address: address, bare: address.Bare().String(), full: address.String(),
		ahead: newAhead(), rosters: rate.NewLimiter(rate.Every(rosterEvery), rosterBurst),
	}
	r.mutex.Lock()
	a := r.accounts[c.bare]
	if a == nil {
		a = &account{bare: c.bare}
		r.accounts[c.bare] = a
	}
	c.account = a
	a.mutex.Lock() // taken before the account can be found to be empty
	r.mutex.Unlock()
	old, err := a.bind(c, session, &o)
	a.mutex.Unlock()
	if err != nil {
		r.removeEmpty(a)
		return nil, err
	}
	if r.Nodes != nil {
		c.entry = r.Nodes.Enter(c.full, c.giveWay)
		c.readBlocks()
	}
	c.replaces = old // it may take a while to tell the others, and the client does not know its address yet
	return c, nil
}

// bind adds a client, and returns the one that it replaces, if any.
func (a *account) bind(c *Client, session *xmpp.Session, o *middleware.Options) (old *Client, err error) {
	i := slices.IndexFunc(a.clients, func(other *Client) bool { return other.full == c.full })
	conflict := i >= 0
	if !conflict && len(a.clients) >= c.router.MaxSessions {
		i = a.leastMissed()
	}
	if c.Session, err = middleware.Wrap(c.router.Keeper, session, c.address, o); err != nil {
		return nil, fmt.Errorf("router: %w", err)
	}
	if i >= 0 {
		old = a.clients[i]
		a.clients = slices.Delete(a.clients, i, i+1)
	}
	if old != nil && !conflict { // else the Keeper ends it
		go old.End("resource-constraint")
	}
	a.clients = append(a.clients, c)
	return old, nil
}

// leastMissed returns which client has to go when there are too many: the oldest of those that
// are not available, or the oldest. Who comes with a new resource each time, and goes dark each
// time, is to get in still.
func (a *account) leastMissed() int {
	return max(0, slices.IndexFunc(a.clients, func(c *Client) bool { return c.presence == nil }))
}

// remove takes a client out. It reports whether it was there.
func (a *account) remove(c *Client) bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	i := slices.Index(a.clients, c)
	if i >= 0 {
		a.clients = slices.Delete(a.clients, i, i+1)
	}
	return i >= 0
}

// removeEmpty removes an account that has no session left.
func (r *Router) removeEmpty(a *account) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	if len(a.clients) == 0 && r.accounts[a.bare] == a {
		delete(r.accounts, a.bare)
	}
}

// find returns an account that has sessions, or nil.
func (r *Router) find(bare string) *account {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	return r.accounts[bare]
}

// Accounts returns the bare addresses that have sessions.
func (r *Router) Accounts() (bare []string) {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	for address := range r.accounts {
		bare = append(bare, address)
	}
	slices.Sort(bare)
	return bare
}

// Clients returns the sessions of an account.
func (r *Router) Clients(bare string) []*Client { return r.find(bare).all() }

// all returns the clients. A nil account has none.
func (a *account) all() []*Client { return a.those(func(*Client) bool { return true }) }

// those returns the clients that match, which is called under the account's lock.
func (a *account) those(match func(*Client) bool) (found []*Client) {
	if a == nil {
		return nil
	}
	a.mutex.RLock()
	defer a.mutex.RUnlock()
	for _, c := range a.clients {
		if match(c) {
			found = append(found, c)
		}
	}
	return found
}

// at returns the client with a resource, or nil.
func (a *account) at(resource string) *Client {
	found := a.those(func(c *Client) bool { return c.address.Resourcepart() == resource })
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

// available returns the clients that have sent their presence.
func (a *account) available() []*Client {
	return a.those(func(c *Client) bool { return c.presence != nil })
}

// interested returns the clients that have asked for the roster.
func (a *account) interested() []*Client {
	return a.those(func(c *Client) bool { return c.wantsRoster })
}

// best returns the available clients with the highest priority, unless that is negative.
func (a *account) best() (found []*Client) {
	highest := 0
	a.those(func(c *Client) bool {
		switch {
		case c.presence == nil || c.priority < highest:
		case c.priority == highest:
			found = append(found, c)
		default:
			found, highest = []*Client{c}, c.priority
		}
		return false
	})
	return found
}

// willing returns the available clients whose priority is not negative.
func (a *account) willing() []*Client {
	return a.those(func(c *Client) bool { return c.presence != nil && c.priority >= 0 })
}
