// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/receipts"
)

// A Server is a recipient's server of one's own, put into a World by Live.
type Server interface {
	// Connect is called when a client has bound its resource, with available
	// presence. What the server writes to conn the client reads, unless its link is
	// dark. A new client of a resource replaces the old one.
	Connect(address string, conn untilack.Conn) (Connection, error)

	// Route is called with each message that somebody sends to a client or an
	// account of the server. After a nil error the server answers for the message.
	Route(stanza []byte) error
}

// A Connection is the Server's side of a client's stream. Its methods are called one
// after the other.
type Connection interface {
	// Receive is called with each stanza that the client sends.
	Receive(stanza []byte)
	// Presence is called when the client sends its presence.
	Presence(available bool, priority int)
	// Close is called once, when the connection has ended in any other way than by
	// the server's End.
	Close()
}

// Live returns a World around a server of one's own, with its goroutines and timers:
// it must be called in a bubble of testing/synctest, and time is that of the
// bubble. Start is called once. What the server routes to senders, receipts above
// all, it gives to World.Routed.
//
// Of the Options, Latency, Seed and Unruly count; Store, Node and Block have no
// meaning. What the server keeps can not be looked into, so that a loss is found by
// EndsWell.
func Live(t testing.TB, o *Options, start func(w *World) Server) *World {
	w := newWorld(t, o)
	w.options.Nodes = 0
	w.live = &live{world: w, begun: time.Now(), wake: make(chan struct{}, 1), said: make(map[cache.Key]bool)}
	if err := w.start(); err != nil {
		w.fatal("untilacktest: %v", err)
	}
	w.live.server = start(w)
	return w
}

// live is what differs in a World around somebody's own server. All of the World
// happens on the test's goroutine, in Wait; what the server does on its own waits in
// the inbox.
type live struct {
	world  *World
	server Server
	begun  time.Time
	said   map[cache.Key]bool // the receipts that clients have sent
	routes map[string]*calls  // by sender

	mu    sync.Mutex
	inbox []func()
	wake  chan struct{}
	conns []*liveConnection
}

// post has the test's goroutine do something soon.
func (l *live) post(do func()) {
	l.mu.Lock()
	l.inbox = append(l.inbox, do)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// wait lets the bubble's time pass.
func (l *live) wait(d time.Duration) {
	w := l.world
	end := w.now + d
	for {
		l.settle()
		at := end
		if len(w.agenda.events) > 0 {
			at = min(end, w.agenda.events[0].at)
		}
		timer := time.NewTimer(at - time.Since(l.begun))
		select {
		case <-timer.C:
		case <-l.wake:
		}
		timer.Stop()
		w.now = time.Since(l.begun)
		if e, more := w.agenda.next(w.now); more {
			e.do()
			continue
		}
		if w.now >= end {
			l.settle()
			return
		}
	}
}

// settle lets the server do what it can at this time, and does what it has asked for.
func (l *live) settle() {
	for {
		l.refresh()
		synctest.Wait()
		l.mu.Lock()
		inbox := l.inbox
		l.inbox = nil
		l.mu.Unlock()
		if len(inbox) == 0 {
			return
		}
		for _, do := range inbox {
			do()
		}
	}
}

// refresh lets the writes of the server know what became of the links.
func (l *live) refresh() {
	for _, c := range l.conns {
		c.valve(c.of)
	}
}

// calls are calls of the server, one after the other, on a goroutine that ends when
// there is none.
type calls struct {
	mu      sync.Mutex
	waiting []func()
	running bool
}

func (q *calls) add(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, f)
	if !q.running {
		q.running = true
		go q.run()
	}
}

func (q *calls) run() {
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.running = false
			q.mu.Unlock()
			return
		}
		f := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		f()
	}
}

// route gives a message to the server.
func (l *live) route(m *Message) {
	if l.routes == nil {
		l.routes = make(map[string]*calls)
	}
	if l.routes[m.from] == nil {
		l.routes[m.from] = new(calls)
	}
	m.received = l.world.Now()
	l.routes[m.from].add(func() {
		err := l.server.Route([]byte(m.stanza))
		l.post(func() {
			if m.free = err != nil; m.free {
				l.world.saw(m, "server", "refuses it: "+err.Error())
				l.world.returns(m, "resource-constraint")
				return
			}
			m.kept = true
			m.account.unread = insert(m.account.unread, m)
		})
	})
	l.settle()
}

// opened implements server.
func (l *live) opened(c *connection) {
	conn := &liveConnection{live: l, of: c, opened: make(chan struct{})}
	c.live = conn
	l.conns = append(slices.DeleteFunc(l.conns, func(old *liveConnection) bool { return old.of.ended }), conn)
	if old := c.client.account.on(c.client.resource()); old != nil {
		old.forget()
	}
	c.client.account.open = append(c.client.account.open, c)
	address, available, priority := c.client.address, c.available, c.priority
	conn.calls.add(func() {
		handle, err := l.server.Connect(address, conn)
		if err != nil {
			l.post(func() { c.refused(err) })
			return
		}
		conn.handle = handle
		if !available || priority != 0 {
			handle.Presence(available, priority)
		}
	})
	l.settle()
}

// heard implements server.
func (l *live) heard(c *connection, stanza string) {
	if scan, err := receipts.Scan([]byte(stanza)); err == nil {
		for id := range scan.Received() {
			l.said[cache.Key{To: c.client.account.bare, From: scan.To.String(), ID: id.String()}] = true
		}
	}
	l.world.note("server", "hears", stanza)
	c.live.call(func(handle Connection) { handle.Receive([]byte(stanza)) })
	l.settle()
}

// presence implements server.
func (l *live) presence(c *connection) {
	available, priority := c.available, c.priority
	c.live.call(func(handle Connection) { handle.Presence(available, priority) })
	l.settle()
}

// closed implements server.
func (l *live) closed(c *connection) {
	c.live.call(func(handle Connection) { handle.Close() })
	l.settle()
}

// Routed is how a server of one's own says that it routes a stanza of a recipient's
// client, by its full address, to a sender. It is safe for concurrent use.
func (w *World) Routed(by string, stanza []byte) {
	if w.live == nil {
		w.fatal("untilacktest: the nodes route on their own")
		return
	}
	text := string(stanza)
	w.live.post(func() { w.live.routed(by, text) })
}

func (l *live) routed(by string, stanza string) {
	scan, err := receipts.Scan([]byte(stanza))
	if err != nil {
		l.world.breach("no forged receipt", nil, "the server routes what is not well-formed: %s", stanza)
		return
	}
	for id := range scan.Received() {
		key := cache.Key{To: cache.Bare(by), From: scan.To.String(), ID: id.String()}
		if !l.said[key] {
			l.world.breach("no forged receipt", l.world.ledger.named(key), "no client of %s has said %s", by, stanza)
			return
		}
	}
	l.world.routed(by, stanza)
}

// liveConnection is the end of a connection that a server of one's own writes to.
type liveConnection struct {
	live   *live
	of     *connection
	handle Connection
	calls  calls

	mu                    sync.Mutex
	stalled, busy, broken bool
	opened                chan struct{} // closed when a write that waits may look again
}

// call calls the server, unless it has refused the connection.
func (c *liveConnection) call(do func(Connection)) {
	c.calls.add(func() {
		if c.handle != nil {
			do(c.handle)
		}
	})
}

// refused is when the server does not let a client in.
func (c *connection) refused(err error) {
	c.client.note("is refused", err.Error())
	c.forget()
	if c.client.conn == c {
		c.lost = true
		c.client.disconnected("is disconnected")
	}
}

// valve takes over what became of the link.
func (c *liveConnection) valve(of *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.stalled && !c.broken
	c.stalled, c.busy, c.broken = of.stalled, of.busy, of.ended
	if was && (!c.stalled || c.broken) {
		close(c.opened)
		c.opened = make(chan struct{})
	}
}

// Write implements untilack.Conn.
func (c *liveConnection) Write(ctx context.Context, stanza []byte) error {
	text := string(stanza)
	for {
		c.mu.Lock()
		stalled, busy, broken, opened := c.stalled, c.busy, c.broken, c.opened
		c.mu.Unlock()
		switch {
		case broken:
			return errBroken
		case busy:
			return untilack.ErrBusy
		case stalled:
			select {
			case <-opened:
			case <-ctx.Done():
				return ctx.Err()
			}
		default:
			c.live.post(func() {
				c.live.world.note(c.of.client.address, "is sent", text)
				c.of.put(text)
			})
			return nil
		}
	}
}

// End implements untilack.Conn.
func (c *liveConnection) End(_ context.Context, r untilack.Reason) error {
	c.mu.Lock()
	if c.broken = true; c.stalled {
		close(c.opened)
		c.opened = make(chan struct{})
	}
	c.mu.Unlock()
	c.live.post(func() {
		c.live.world.note("server", "ends "+c.of.client.address, r.String())
		c.of.shut()
	})
	return nil
}
