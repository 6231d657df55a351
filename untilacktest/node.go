// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/untilack/untilack"
)

// A Node is one server: a Keeper, and a host that routes messages as RFC 6121 §8.5
// says and carries the Keeper's effects out.
type Node struct {
	world  *World
	name   string
	chance *rand.Rand
	keeper *untilack.Keeper
	up     bool
	life   int           // counts its starts
	jumps  int           // of its clock
	ahead  time.Duration // of the World's time
	tickAt time.Duration // when its next tick is due, if ticks
	ticks  bool

	winding bool // whether the Keeper is about to be asked for its next deadline

	jobs  []*job
	held  map[pair]*queue // messages that wait for an older one of the same two
	later []*Message      // that the Keeper asked to be patient with

	settling bool
	touched  []*account // to be checked
}

// A pair is a sender and a recipient.
type pair struct{ to, from string }

// A queue is what waits for the message that the host has in hand.
type queue struct {
	inHand  *Message
	waiting []*Message
}

// Name returns the node's name.
func (n *Node) Name() string { return n.name }

// Up reports whether the node runs.
func (n *Node) Up() bool { return n.up }

// Keeper returns the node's Keeper. It is another one after a restart.
func (n *Node) Keeper() *untilack.Keeper { return n.keeper }

// now returns the time by the node's clock.
func (n *Node) now() time.Time { return n.world.Now().Add(n.ahead) }

// latest returns the time by the clock that is most ahead.
func (w *World) latest() time.Time {
	var ahead time.Duration
	for _, n := range w.nodes {
		ahead = max(ahead, n.ahead)
	}
	return w.Now().Add(ahead)
}

// start starts the node's process.
func (n *Node) start() error {
	w := n.world
	config := w.options.Config
	config.Store, config.Seed = w.store, n.chance.Uint64()
	if r := config.Redeliver; r != nil && r.Rand == nil {
		even := *r
		even.Rand = n.chance.Float64
		config.Redeliver = &even
	}
	w.watch(n, &config)
	keeper, err := untilack.New(config)
	if err != nil {
		return err
	}
	n.keeper, n.up, n.ticks = keeper, true, false
	n.life++
	n.held = make(map[pair]*queue)
	return nil
}

// Restarts starts a node again that has crashed.
func (n *Node) Restarts() {
	if n.up {
		return
	}
	n.world.note(n.name, "restarts", "")
	if err := n.start(); err != nil {
		n.world.fatal("untilacktest: %v", err)
	}
}

// Crashes kills the node's process: its memory is lost, and what it was about to do
// is done or not. Its clients learn of it.
func (n *Node) Crashes() {
	if !n.up {
		return
	}
	w := n.world
	w.note(n.name, "crashes", "")
	for _, j := range n.jobs {
		if j.do != nil && n.chance.IntN(2) == 0 {
			j.do()
		}
	}
	for _, q := range n.held { // the senders were never told that these are safe
		for _, m := range append(q.waiting, q.inHand) {
			m.free, m.mail = true, true
		}
	}
	n.up, n.jobs, n.held, n.later = false, nil, nil, nil
	for _, a := range w.owners {
		n.loses(a)
	}
}

// loses takes from an account what only the node's memory had.
func (n *Node) loses(a *account) {
	for _, c := range append([]*connection(nil), a.open...) {
		if c.node == n {
			c.waiting, c.writing, c.troubled = nil, nil, true
			c.shut()
		}
	}
	stand := n.world.store.stands(a.unread)
	for _, m := range a.unread {
		m.mail, m.queued = true, nil
		m.free = m.free || n.mayLose(m, stand[m])
	}
}

// mayLose reports whether a crash may cost the message: its sender was not told
// that it is safe, or it must not be stored.
func (n *Node) mayLose(m *Message, stored bool) bool {
	storeFirst := n.world.options.Config.PersistAfter == 0
	return !n.world.store.lasting || m.neverStored() || m.hurt || !storeFirst && !stored || !m.placed
}

// Wakes has the node ask the store what is new, as if the database had told it to; see
// untilack.Keeper.Wake.
func (n *Node) Wakes() {
	if n.up {
		n.world.note(n.name, "is woken", "")
		n.keeper.Wake(n.now())
		n.settle(nil)
	}
}

// ClockJumps sets the node's clock forward, or back.
func (n *Node) ClockJumps(d time.Duration) {
	n.world.note(n.name, "has its clock set", d.String())
	n.ahead += d
	n.jumps++
	n.world.turned = n.world.turned || d < 0 || len(n.world.nodes) > 1
	n.ticks = false
	n.tick()
}

// opened implements server.
func (n *Node) opened(c *connection) {
	if old := c.client.account.on(c.client.resource()); old != nil && old.node == n {
		old.forget() // the Keeper replaces it
		defer old.shutQuietly()
	}
	stream, err := n.keeper.Open(n.now(), c.client.address, &untilack.StreamOptions{Away: !c.available, Priority: c.priority})
	if err != nil {
		n.world.fatal("untilacktest: %v", err)
		return
	}
	c.stream = stream
	c.client.account.open = append(c.client.account.open, c)
	n.settle(c.client.account)
}

// shutQuietly lets the client know that its connection was ended, if the link can
// carry that.
func (c *connection) shutQuietly() {
	c.fail()
	c.send(&c.down, func() {
		if !c.lost {
			c.lost = true
			c.client.disconnected("is disconnected")
		}
	})
}

// heard implements server.
func (n *Node) heard(c *connection, stanza string) {
	if !n.up || c.ended && n.chance.IntN(2) == 0 {
		return
	}
	n.world.note(n.name, "hears", stanza)
	forward := n.keeper.Incoming(n.now(), c.stream, []byte(stanza))
	n.world.forwarded(c, stanza, forward)
	n.settle(c.client.account)
}

// presence implements server.
func (n *Node) presence(c *connection) {
	if n.up && !c.ended {
		n.keeper.Presence(n.now(), c.stream, c.available, c.priority)
		n.settle(c.client.account)
	}
}

// closed implements server.
func (n *Node) closed(c *connection) {
	if n.up {
		n.keeper.Close(n.now(), c.stream)
		n.settle(c.client.account)
	}
}

// ready tells the server that a connection takes more.
func (w *World) ready(c *connection) {
	if w.live == nil {
		c.node.keeper.Ready(c.node.now(), c.stream)
		c.node.settle(c.client.account)
	}
}

// paused tells the server that what it writes is held back, or goes on.
func (w *World) paused(c *connection) {
	if w.live != nil {
		return
	}
	if c.paused {
		c.node.keeper.Pause(c.node.now(), c.stream)
	} else {
		c.node.keeper.Resume(c.node.now(), c.stream)
	}
	c.node.settle(c.client.account)
}

// settle is what the node does after each event: it carries out what the Keeper
// wants, and sets the clock for its next deadline. Then the accounts concerned are
// checked.
func (n *Node) settle(a *account) {
	n.touch(a)
	if n.settling || !n.up {
		return
	}
	n.settling = true
	for e, more := n.keeper.Next(); more; e, more = n.keeper.Next() {
		n.touch(n.world.account(e.Recipient))
		n.carryOut(e)
		if !n.up {
			break
		}
	}
	n.settling = false
	n.wind()
	for len(n.touched) > 0 {
		a := n.touched[len(n.touched)-1]
		n.touched = n.touched[:len(n.touched)-1]
		n.world.check(a)
	}
}

// touch notes that something happened to an account.
func (n *Node) touch(a *account) {
	if a != nil && !slices.Contains(n.touched, a) {
		n.touched = append(n.touched, a)
	}
}

// windWait is how long after an event the Keeper is asked for its next deadline, once
// for all events that come meanwhile.
const windWait = time.Millisecond

// wind sets the clock for the Keeper's next deadline.
func (n *Node) wind() {
	if n.winding || !n.up {
		return
	}
	n.winding = true
	n.world.after(windWait, func() {
		n.winding = false
		if !n.up {
			return
		}
		next, ok := n.keeper.NextTick()
		if !ok {
			return
		}
		at := max(n.world.now, next.Sub(dawn)-n.ahead)
		if n.ticks && n.tickAt <= at {
			return
		}
		n.ticks, n.tickAt = true, at
		n.world.after(at-n.world.now, func() {
			if n.up && n.ticks && n.tickAt == at {
				n.ticks = false
				n.tick()
			}
		})
	})
}

// tick tells the Keeper the time.
func (n *Node) tick() {
	if !n.up {
		return
	}
	n.keeper.Tick(n.now())
	n.patience(nil)
	n.settle(nil)
}

// patience asks once more about the messages that were to wait: those of an
// account, or all.
func (n *Node) patience(of *account) {
	later := n.later
	n.later = nil
	for _, m := range later {
		switch {
		case of != nil && of != m.account:
			n.later = append(n.later, m)
		case n.now().Sub(m.received) > n.actionTimeout() && n.best(m.account) == nil:
			n.world.saw(m, n.name, "loses patience with it")
			m.free = true
			n.letGo(m)
		default:
			n.hand(m)
		}
	}
}

func (n *Node) actionTimeout() time.Duration {
	if limit := n.world.options.Config.ActionTimeout; limit > 0 {
		return limit
	}
	return untilack.DefaultActionTimeout
}

// where returns what the node knows of a message, in words.
func (n *Node) where(m *Message) string {
	if !n.up {
		return ""
	}
	for _, waiting := range n.keeper.Waiting(m.account.bare) {
		if waiting.Sender == m.from && waiting.ID == m.id {
			return n.name + " has it " + waiting.State.String() + " " + strings.Join(waiting.Resources, ", ")
		}
	}
	return ""
}
