// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

const (
	// DefaultDomain is the domain of a World's server.
	DefaultDomain = "capulet.example"
	// DefaultLatency is how long a stanza takes from a server to a client, and back.
	DefaultLatency = 20 * time.Millisecond
	// DefaultStoreLatency is how long a call of the store takes.
	DefaultStoreLatency = time.Millisecond
)

// Options say what sort of World it is. The zero value is one node over a store
// that lasts, with the Keeper's own defaults.
type Options struct {
	// Config is that of the nodes' Keepers. Domain, Store and Seed are filled in, and
	// Watch is called after the World's own.
	// Default: the Keeper's defaults.
	Config untilack.Config

	// Store is the store that is put to the test: Config.Store, inside of one that
	// fails when it is told to. With several nodes they share it. It must be empty.
	// Default: an actions.MemStore that is taken for one that outlives a crash.
	Store actions.Store

	// OpenStore takes the place of Store for one that needs a clock: now is that of
	// the World.
	OpenStore func(now func() time.Time) actions.Store

	// Volatile says that the default store is one that is lost in a crash.
	Volatile bool

	// Nodes is the number of servers. Default: 1.
	Nodes int

	// Apart says that the nodes do not route to one another. Each sender's messages come
	// to one node; if the recipient is at another they are stored, where that one finds
	// them if Config.PollEvery is set. Default: they come to the recipient's node.
	Apart bool

	// Seed decides all that is left to chance. The same seed gives the same events,
	// to the byte. Default: 0.
	Seed uint64

	// Latency is how long a stanza takes on a link, one way.
	// Default: DefaultLatency.
	Latency time.Duration

	// StoreLatency is how long a call of the store or of an action takes.
	// Default: DefaultStoreLatency.
	StoreLatency time.Duration

	// Unruly lets chance stretch what takes time, so that all the orders occur in
	// which things can happen. Default: everything takes as long as it says.
	Unruly bool

	// ToAll has the nodes send what is for a bare address to all of its clients
	// that are available (RFC 6121 §8.5.2.1.1). Default: to the best one.
	ToAll bool

	// Remember is how many messages that have come to an end are remembered, so
	// that a further copy is recognised. Default: all.
	Remember int
}

// dawn is when a World begins.
var dawn = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// A World is a simulated place with servers, a store, clients, links and senders,
// in a time of its own. Nothing happens in it but by its methods and those of its
// clients, nodes and store, and time passes in Wait alone. It is not safe for
// concurrent use.
//
// After each event the invariants are checked; one that is broken fails the test
// at once and says which message it is about, where that was seen last, and the
// seed.
type World struct {
	tb      testing.TB // nil if a violation is to panic
	options Options
	now     time.Duration
	agenda  agenda
	trace   trace
	ledger  ledger

	nodes    []*Node
	store    *Store
	clients  map[string]*Client
	order    []*Client
	accounts map[string]*account
	owners   []*account // the accounts, in order
	turned   bool       // whether a clock was ever set back
	ending   bool       // whether all faults are over
	reads    int        // messages that were read
	copies   int        // all that was read
	actions  []actions.Action
	live     *live // the user's own server, if there is one

	senders  []*Sender
	archives map[string][]archived // of the senders' accounts
	bothEnds bool                  // whether all who send in a script are Senders
	expect   time.Duration         // their Retention
	manners  Manners               // of a new client
}

// New returns a World in which the servers are untilack's own: a Keeper and the
// few lines of a host around it. If o is nil the defaults are used. If t is nil, what
// would fail the test panics, with a *Violation if it is one.
func New(t testing.TB, o *Options) *World {
	w := newWorld(t, o)
	if err := w.start(); err != nil {
		w.fatal("untilacktest: %v", err)
	}
	return w
}

func newWorld(t testing.TB, o *Options) *World {
	if o == nil {
		o = &Options{}
	}
	w := &World{
		tb: t, options: *o, trace: trace{limit: 1000},
		clients: make(map[string]*Client), accounts: make(map[string]*account),
	}
	setDefault(&w.options.Nodes, 1)
	setDefault(&w.options.Latency, DefaultLatency)
	setDefault(&w.options.StoreLatency, DefaultStoreLatency)
	setDefault(&w.options.Config.Domain, DefaultDomain)
	w.ledger = newLedger(w.options.Remember, w.options.Config.Domain)
	return w
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// start makes the store and the nodes.
func (w *World) start() error {
	inner, own := w.options.Store, false
	switch {
	case w.options.OpenStore != nil:
		inner = w.options.OpenStore(w.latest)
	case inner == nil:
		inner, own = actions.NewMemStore(&actions.MemStoreOptions{Now: w.latest}), true
	}
	lasting := actions.Lasting(inner) || own && !w.options.Volatile
	w.store = &Store{world: w, inner: inner, lasting: lasting, chance: w.chance("store")}
	for i := range w.options.Nodes {
		n := &Node{world: w, name: fmt.Sprint("node", i+1)}
		n.chance = w.chance(n.name)
		w.nodes = append(w.nodes, n)
		if err := n.start(); err != nil {
			return err
		}
	}
	return nil
}

// chance returns a source of decisions for one part of the World. Each has its own,
// so that what one part does changes nothing for the others.
func (w *World) chance(name string) *rand.Rand {
	sum := fnv.New64a()
	sum.Write([]byte(name))
	return rand.New(rand.NewPCG(w.options.Seed, sum.Sum64()))
}

// Now returns the World's time.
func (w *World) Now() time.Time { return dawn.Add(w.now) }

// Store returns the World's store, to let it fail. Around a server of one's own
// there is none.
func (w *World) Store() *Store {
	if w.live != nil {
		w.fatal("untilacktest: the store is the server's own")
	}
	return w.store
}

// Node returns the n-th server, from 0. Around a server of one's own there is none.
func (w *World) Node(n int) *Node {
	if n < 0 || n >= len(w.nodes) {
		w.fatal("untilacktest: there are %d nodes, and none has the number %d", len(w.nodes), n)
	}
	return w.nodes[n]
}

// Client returns the client of a full address, such as
// "juliet@capulet.example/phone". It is offline until it logs in.
func (w *World) Client(address string) *Client {
	if c, known := w.clients[address]; known {
		return c
	}
	if _, resource, full := strings.Cut(address, "/"); !full || resource == "" {
		w.fatal("untilacktest: %q is no full address", address)
	}
	c := &Client{world: w, address: address, account: w.account(cache.Bare(address)), chance: w.chance(address), manners: w.manners}
	w.clients[address] = c
	w.order = append(w.order, c)
	return c
}

// Wait lets time pass, and what is to happen happen.
func (w *World) Wait(d time.Duration) {
	if w.live != nil {
		w.live.wait(d)
		return
	}
	end := w.now + d
	for e, more := w.agenda.next(end); more; e, more = w.agenda.next(end) {
		w.now = max(w.now, e.at)
		e.do()
	}
	w.now = end
}

// after has something happen later.
func (w *World) after(d time.Duration, do func()) {
	w.agenda.add(w.now+d, do)
}

// Events returns what happened, the last thousand lines of it.
func (w *World) Events() []Event { return w.trace.all() }

// note writes a line of what happened.
func (w *World) note(who, did, what string) {
	w.trace.add(Event{w.now, who, did, what})
}

// saw writes a line about a message, which was seen there.
func (w *World) saw(m *Message, who, did string) {
	m.last = Event{w.now, who, did, m.name}
	w.trace.add(m.last)
}

// Block has an account block a sender, given by a bare address (XEP-0191).
func (w *World) Block(account, sender string) {
	w.note(account, "blocks", sender)
	w.account(account).blocked[sender] = true
	for _, n := range w.nodes {
		if n.up {
			n.keeper.Block(n.now(), account, sender)
			n.settle(w.account(account))
		}
	}
}

// Drop has an operator give a message up, wherever it is by now. One that no Keeper and no
// store has seen goes on.
func (w *World) Drop(m *Message) {
	w.saw(m, "operator", "drops")
	for _, n := range w.nodes {
		if !n.up {
			continue
		}
		if waits := waitingAt(m.account, n)[m.waitingName()]; waits != nil {
			m.identity, m.placed = waits.Identity, true
		}
		if m.placed {
			m.dropped = true
			n.keeper.Drop(n.now(), m.identity)
			n.settle(m.account)
		}
	}
}

// blocks is what the nodes know of an account's blocklist.
func (w *World) blocks(recipient, sender string) bool {
	a, known := w.accounts[recipient]
	return known && a.blocked[cache.Bare(sender)]
}

// An account is one recipient: its connections, and what is on the way to it.
type account struct {
	bare    string
	open    []*connection // those that a server takes for open, the oldest first
	blocked map[string]bool

	unread []*Message // kept by a server, and not known to have come to an end
	worn   bool       // whether the store has ever failed it: what is delivered first may have been stored
	mixed  bool       // whether it has failed something that is on its way yet: messages may change places
	came   int        // messages that a Keeper was offered
	debt   int        // events since the last check

	archives bool     // whether a client may look into an archive
	receipts []string // in that, sent by the account's clients
}

func (w *World) account(bare string) *account {
	if a, known := w.accounts[bare]; known {
		return a
	}
	a := &account{bare: bare, blocked: make(map[string]bool)}
	w.accounts[bare] = a
	if bare != "" { // in whose name a Keeper asks what is new
		w.owners = append(w.owners, a)
	}
	return a
}

// wears takes note that the store failed the account, or something took too long.
func (a *account) wears() { a.worn, a.mixed = true, true }

// best returns the connection that messages to the bare address go to (RFC 6121
// §8.5.2.1).
func (a *account) best() (best *connection) {
	for _, c := range a.open {
		if c.available && c.priority >= 0 && (best == nil || c.priority >= best.priority) {
			best = c
		}
	}
	return best
}

// on returns the connection of a resource.
func (a *account) on(resource string) *connection {
	for _, c := range a.open {
		if c.client.resource() == resource {
			return c
		}
	}
	return nil
}
