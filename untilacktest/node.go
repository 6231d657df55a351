// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/receipts"
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

// ClockJumps sets the node's clock forward, or back.
func (n *Node) ClockJumps(d time.Duration) {
	n.world.note(n.name, "has its clock set", d.String())
	n.ahead += d
	n.jumps++
	n.world.turned = n.world.turned || d < 0 || len(n.world.nodes) > 1
	n.ticks = false
	n.tick()
}

// take is when a message reaches the node.
func (n *Node) take(m *Message) {
	key := pair{m.account.bare, m.from}
	if !n.up {
		m.free = true
		n.world.saw(m, n.name, "is down")
		return
	}
	if q := n.held[key]; q != nil {
		q.waiting = append(q.waiting, m)
		return
	}
	m.received = n.now()
	n.held[key] = &queue{inHand: m}
	n.hand(m)
}

// reaches takes note of when a node's Keeper got the message.
func (m *Message) reaches() {
	if m.first.IsZero() {
		m.first = m.received
	}
}

// letGo is when the host is done with a message: the next one of the pair comes.
func (n *Node) letGo(m *Message) {
	key := pair{m.account.bare, m.from}
	q := n.held[key]
	if q == nil || q.inHand != m {
		return
	}
	if len(q.waiting) == 0 {
		delete(n.held, key)
		return
	}
	q.inHand, q.waiting = q.waiting[0], q.waiting[1:]
	q.inHand.received = n.now()
	n.hand(q.inHand)
}

// hand gives a message to those streams that may have it, or to the Keeper.
func (n *Node) hand(m *Message) {
	to := m.account.best()
	if m.resource != "" {
		if there := m.account.on(m.resource); there != nil {
			to = there
		} else if !m.chat() || m.pinned() {
			m.free = true
			n.world.saw(m, n.name, "has no such resource")
			n.letGo(m)
			return
		}
	}
	switch {
	case to == nil:
		n.nobody(m)
	case to.node != n:
		n.letGo(m)
		to.node.take(m)
	case to.writing != nil:
		to.waiting = append(to.waiting, m)
	default:
		n.offer(to, m)
		n.toOthers(to, m)
	}
}

// toOthers sends what is for the bare address to the account's other clients too.
func (n *Node) toOthers(first *connection, m *Message) {
	if !n.world.options.ToAll || m.resource != "" {
		return
	}
	for _, c := range append([]*connection(nil), m.account.open...) {
		if c != first && c.node == n && c.available && c.priority >= 0 && c.writing == nil {
			m.again++
			n.offer(c, m)
		}
	}
}

// offer tells the Keeper that a message is about to be written.
func (n *Node) offer(to *connection, m *Message) {
	m.received = n.now()
	m.reaches()
	m.account.came++
	calm := n.calm(to, m)
	admission := n.keeper.Outgoing(n.now(), to.stream, []byte(m.stanza))
	n.world.saw(m, n.name, "offers to connection "+fmt.Sprint(to.number)+": "+admission.Verdict.String())
	if admission.Verdict == untilack.Persist {
		n.persist(to, m, admission, calm)
		n.settle(m.account)
		return
	}
	n.admitted(to, m, admission, calm)
	n.letGo(m)
}

// persist puts an admission's rows, and tells the Keeper.
func (n *Node) persist(to *connection, m *Message, admission untilack.Admission, calm bool) {
	var errs []error
	came := m.account.came
	for _, r := range admission.Rows {
		n.world.underWay(r, 1)
	}
	done := false
	put := func() {
		if !done {
			done = true
			errs = n.world.store.Put(context.Background(), admission.Rows...)
		}
	}
	n.begin(&job{of: m.account, do: put, wait: n.world.store.latency(), limit: n.actionTimeout(), end: func(overran bool) {
		if overran {
			errs = make([]error, len(admission.Rows))
		}
		for i, r := range admission.Rows {
			n.world.underWay(r, -1)
			if overran { // and may have been read from the store meanwhile
				errs[i] = untilack.ErrOverran
				n.world.store.hurts(r)
				m.settled = lifetime{}
			}
		}
		calm = calm && m.account.came == came && !to.ended && len(m.account.open) == 1 && len(n.jobs) == 0 && len(m.account.unread) == 0
		admission := n.keeper.Persisted(n.now(), to.stream, admission, errs)
		n.admitted(to, m, admission, calm)
		n.letGo(m)
	}})
}

// underWay counts the rows of a message that a host is about to put.
func (w *World) underWay(r actions.Row, n int) {
	if m, _ := w.ledger.of(string(r.Packet.Stanza)); m != nil {
		m.underWay += n
	}
}

// admitted carries on with the Keeper's word on a message.
func (n *Node) admitted(to *connection, m *Message, a untilack.Admission, calm bool) {
	if !a.Kept && n.mustKeep(m) {
		n.world.breach("no loss", m, "it is not kept, though nothing speaks against it")
	}
	n.keeps(m, a.Kept)
	m.queued = nil
	if a.Verdict == untilack.Queue {
		m.queued = to
		if calm && a.Kept {
			n.world.breach("tracking never stops delivery", m, "it queues, though nothing is before it")
		}
		n.settle(m.account)
		return
	}
	n.world.writing(to, m, nil)
	n.write(to, m.stanza, func(err error) {
		switch {
		case errors.Is(err, untilack.ErrBusy):
			m.written--
			m.queued, m.writtenTo = to, nil
		case err != nil:
			m.queued = to
			to.forget()
		}
		if err != nil {
			n.world.saw(m, n.name, "can not write it: "+err.Error())
			n.keeper.Failed(n.now(), to.stream, a, err)
		}
	})
	n.settle(m.account)
}

// mustKeep reports whether there is no reason not to keep a message.
func (n *Node) mustKeep(m *Message) bool {
	c := n.world.options.Config
	free := c.Cache == nil && c.Admit == nil && c.Blocked == nil // of limits and policies
	asks := m.scan.Kind&receipts.KindRequest != 0 && (m.chat() || m.scan.Type == "normal" || m.scan.Type == "")
	return free && asks && !m.neverStored() && !m.reused && m.again == 0 && !m.hurt && !m.acked &&
		!m.account.blocked[cache.Bare(m.from)] && !m.expired(n.world.latest())
}

// keeps takes note of whether a message is kept.
func (n *Node) keeps(m *Message, kept bool) {
	if kept && m.admittedBy == nil {
		m.admittedBy = n
	}
	if kept && !m.kept {
		m.kept = true
		m.account.unread = insert(m.account.unread, m)
	}
	m.free = m.free || !kept
}

// insert puts a message where it belongs by its number.
func insert(ms []*Message, m *Message) []*Message {
	at := len(ms)
	for at > 0 && ms[at-1].number > m.number {
		at--
	}
	ms = append(ms, nil)
	copy(ms[at+1:], ms[at:])
	ms[at] = m
	return ms
}

// write writes to a connection. What comes meanwhile waits until that has returned.
func (n *Node) write(to *connection, stanza string, then func(error)) {
	life := n.life
	to.write(stanza, func(err error) {
		if n.life != life || !n.up {
			return
		}
		then(err)
		waiting := to.waiting
		to.waiting = nil
		for _, m := range waiting {
			n.hand(m)
		}
		n.settle(to.client.account)
	})
}

// nobody gives a message to the Keeper for which no stream is there.
func (n *Node) nobody(m *Message) {
	m.away = true
	p, online, err := n.keeper.Away(m.received, []byte(m.stanza))
	if !errors.Is(err, untilack.ErrLater) {
		m.reaches()
	}
	switch {
	case errors.Is(err, untilack.ErrLater):
		n.world.saw(m, n.name, "waits for older ones")
		n.later = append(n.later, m)
	case err != nil:
		if n.mustKeep(m) {
			n.world.breach("no loss", m, "it is refused, though nothing speaks against it: %v", err)
		}
		m.free = true
		n.world.saw(m, n.name, "refuses it: "+err.Error())
		n.letGo(m)
	case online:
		n.world.saw(m, n.name, "takes it for a stream")
		n.keeps(m, true)
		n.letGo(m)
	default:
		n.store(m, p)
	}
	n.settle(m.account)
}

// store has the chain of actions decide about a message for nobody.
func (n *Node) store(m *Message, p cache.Packet) {
	var outcome actions.Outcome
	var err error
	done := false
	act := func() {
		if !done {
			done = true
			outcome, err = n.chain().Act(context.Background(), p)
		}
	}
	n.begin(&job{of: m.account, do: act, wait: n.world.store.latency(), limit: n.actionTimeout(), end: func(overran bool) {
		if overran {
			outcome, err = actions.Pass, untilack.ErrOverran
			m.hurt = true
			m.account.wears()
		}
		err = n.keeper.Taken(n.now(), p, outcome, err)
		n.world.saw(m, n.name, takenText(err))
		n.keeps(m, err == nil)
		n.letGo(m)
	}})
}

func takenText(err error) string {
	if err != nil {
		return "refuses it: " + err.Error()
	}
	return "takes it"
}

// chain is what decides about messages for nobody: all actions but the last, which
// is there to end what can not be kept.
func (n *Node) chain() actions.Action {
	watched := n.world.watched()
	return actions.Chain(watched[:len(watched)-1]...)
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
		case n.now().Sub(m.received) > n.actionTimeout() && m.account.best() == nil:
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
