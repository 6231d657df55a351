// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"context"
	"errors"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// A job is a call under way: of the store, of an action or of a connection.
type job struct {
	of    *account
	do    func() // what is called; nil if the call is the connection's
	wait  time.Duration
	limit time.Duration
	end   func(overran bool)
}

// begin starts a job. What it does is done when it begins or when it ends.
func (n *Node) begin(j *job) {
	n.jobs = append(n.jobs, j)
	if n.world.options.Unruly && n.chance.IntN(2) == 0 {
		j.do()
	}
	life, overruns := n.life, j.limit > 0 && j.wait > j.limit
	if overruns { // it may be done yet, and nobody hears of it
		n.world.after(j.wait, func() { j.do() })
	}
	n.world.after(min(j.wait, j.limit), func() {
		if !n.up || n.life != life {
			return
		}
		n.remove(j)
		if !overruns {
			j.do()
		}
		j.end(overruns)
		n.patience(j.of)
		n.settle(j.of)
	})
}

func (n *Node) remove(j *job) {
	for i, other := range n.jobs {
		if other == j {
			n.jobs = append(n.jobs[:i:i], n.jobs[i+1:]...)
			return
		}
	}
}

// carryOut carries out an effect.
func (n *Node) carryOut(e *untilack.Effect) {
	c := n.connection(e)
	if c != nil && c.writing != nil && e.Kind != untilack.EndStream { // its turn comes when that write has returned
		block := c.writing
		then := block.then
		block.then = func(err error) {
			then(err)
			n.carryOut(e)
		}
		return
	}
	if !n.keeper.Begin(n.now(), e) {
		n.world.trace.add(Event{n.world.now, n.name, "leaves", e.Kind.String()})
		return
	}
	switch e.Kind {
	case untilack.WriteStanza, untilack.ProbeStream:
		n.writeEffect(c, e)
	case untilack.EndStream:
		n.endStream(c, e)
	default:
		n.call(e)
	}
}

// connection returns the connection of an effect's stream.
func (n *Node) connection(e *untilack.Effect) *connection {
	if e.Stream == nil {
		return nil
	}
	for _, c := range n.world.account(e.Recipient).open {
		if c.stream == e.Stream {
			return c
		}
	}
	return nil
}

func (n *Node) writeEffect(c *connection, e *untilack.Effect) {
	var m *Message
	if e.Kind == untilack.WriteStanza {
		m = n.world.copied(c, string(e.Stanza))
	} else {
		n.world.note(n.name, "probes", e.Stream.Address())
	}
	if c == nil {
		n.finish(e, untilack.Result{Err: errBroken})
		return
	}
	n.write(c, string(e.Stanza), func(err error) {
		if m != nil && errors.Is(err, untilack.ErrBusy) {
			m.written--
			m.queued, m.writtenTo = c, nil
			c.took(m)
		}
		n.finish(e, untilack.Result{Err: err})
	})
}

func (n *Node) endStream(c *connection, e *untilack.Effect) {
	n.world.note(n.name, "ends "+e.Stream.Address(), e.Reason.String())
	if c != nil {
		c.shut()
		if n.chance.IntN(2) == 0 { // a host may say so, and need not
			n.keeper.Close(n.now(), c.stream)
		}
	}
	n.finish(e, untilack.Result{})
}

func (n *Node) finish(e *untilack.Effect, r untilack.Result) {
	n.keeper.Finish(n.now(), e, r)
	n.patience(n.world.account(e.Recipient))
	n.settle(n.world.account(e.Recipient))
}

// call calls an action or the store.
func (n *Node) call(e *untilack.Effect) {
	var r untilack.Result
	done := false
	do := func() {
		if !done {
			done = true
			r = n.callNow(e)
		}
	}
	n.world.trace.add(Event{n.world.now, n.name, "begins to " + e.Kind.String(), e.Recipient})
	n.begin(&job{of: n.world.account(e.Recipient), do: do, wait: n.world.store.latency(), limit: n.actionTimeout(), end: func(overran bool) {
		if overran {
			r = untilack.Result{Err: untilack.ErrOverran}
			n.world.overran(e)
		}
		n.finish(e, r)
	}})
}

func (n *Node) callNow(e *untilack.Effect) (r untilack.Result) {
	ctx, store := context.Background(), n.world.store
	switch e.Kind {
	case untilack.RunAction:
		r.Outcome, r.Err = e.Action.Act(ctx, e.Packet)
	case untilack.StoreRows:
		r.Errs = store.Put(ctx, e.Rows...)
	case untilack.DeleteRows:
		r.Err = store.Delete(ctx, e.Identities...)
	case untilack.ListRows:
		r.Rows, r.Err = store.List(ctx, e.Recipient, e.After, e.Limit)
	case untilack.CheckRows:
		r.Stands, r.Err = store.Stands(ctx, e.Identities...)
	case untilack.ReadNews:
		r.Rows, r.Mark, r.Err = store.News(ctx, e.Recipients, e.Since, e.Limit)
	default:
		n.world.fatal("untilacktest: nobody knows how to %s", e.Kind)
	}
	return r
}

// overran takes note that nobody knows what came of a call.
func (w *World) overran(e *untilack.Effect) {
	w.account(e.Recipient).wears()
	for _, r := range e.Rows {
		w.store.hurts(r)
	}
	if e.Kind == untilack.CheckRows {
		return
	}
	for _, id := range e.Identities {
		for m := w.ledger.named(cache.Key{To: id.To, From: cache.Bare(id.From), ID: id.ID}); m != nil; m = m.twin {
			m.hurt = true
		}
	}
	if e.Kind == untilack.RunAction {
		w.store.hurts(actions.Row{Packet: e.Packet})
	}
}

// hurts takes note that nobody knows whether a row stands.
func (s *Store) hurts(r actions.Row) {
	if m, _ := s.world.ledger.of(string(r.Packet.Stanza)); m != nil {
		m.hurt = true
		m.account.wears()
	}
}
