// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/receipts"
)

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
	to := n.best(m.account)
	if m.resource != "" {
		if there := n.on(m.account, m.resource); there != nil {
			to = there
		} else if !m.chat() || m.pinned() {
			m.free = true
			n.world.saw(m, n.name, "has no such resource")
			n.world.returns(m, "service-unavailable")
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

// best returns the connection that messages to the bare address go to, as far as the node
// knows.
func (n *Node) best(a *account) *connection {
	best := a.best()
	if best == nil || !n.world.options.Apart || best.node == n {
		return best
	}
	own := account{open: slices.DeleteFunc(slices.Clone(a.open), func(c *connection) bool { return c.node != n })}
	return own.best()
}

// on returns the connection of a resource, as far as the node knows.
func (n *Node) on(a *account, resource string) *connection {
	if there := a.on(resource); there == nil || !n.world.options.Apart || there.node == n {
		return there
	}
	return nil
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
	if !a.Kept && a.Verdict != untilack.Refuse && !m.dropped && n.mustKeep(m) {
		n.world.breach("no loss", m, "it is not kept, though nothing speaks against it")
	}
	n.keeps(m, a.Kept)
	m.queued = nil
	if a.Verdict == untilack.Refuse {
		m.free = true
		n.world.saw(m, n.name, "refuses it: "+a.Why)
		n.world.returns(m, "resource-constraint")
		n.settle(m.account)
		return
	}
	if a.Verdict == untilack.Queue {
		m.queued = to
		if calm && a.Kept && m.again == 0 {
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
		n.world.returns(m, "resource-constraint")
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
		if err != nil {
			n.world.returns(m, "resource-constraint")
		}
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
