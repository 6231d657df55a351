// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/receipts"
)

// watch has the World know what a node's Keeper does.
func (w *World) watch(n *Node, config *untilack.Config) {
	blocked, watch := config.Blocked, config.Watch
	config.Blocked = func(recipient, sender string) bool {
		return w.blocks(recipient, sender) || blocked != nil && blocked(recipient, sender)
	}
	config.Watch = func(e untilack.Event) {
		w.told(n, e)
		if watch != nil {
			watch(e)
		}
	}
	config.Actions = w.watched()
}

// watched returns the chain of actions, each with the World looking on.
func (w *World) watched() []actions.Action {
	if w.actions != nil {
		return w.actions
	}
	chain := w.options.Config.Actions
	if len(chain) == 0 {
		chain = []actions.Action{actions.Offline{}, actions.Drop{}}
	}
	for _, a := range chain {
		if o, isOffline := a.(actions.Offline); isOffline && w.isOwnStore(o.Store) {
			o.Store = w.store
			a = o
		}
		name := nameOf(a)
		w.actions = append(w.actions, actions.Watch(a, func(p cache.Packet, o actions.Outcome, err error) { w.acted(name, p, o, err) }))
	}
	return w.actions
}

// isOwnStore reports whether an Offline means the store of the World.
func (w *World) isOwnStore(s actions.Putter) bool {
	if s == nil {
		return true
	}
	return reflect.TypeOf(s).Comparable() && any(s) == any(w.store.inner)
}

// nameOf returns how an action is called: what its String method says, or its type.
func nameOf(a actions.Action) string {
	if named, ok := a.(fmt.Stringer); ok {
		return named.String()
	}
	name := fmt.Sprintf("%T", a)
	return name[strings.LastIndexByte(name, '.')+1:]
}

// acted takes note of what an action did.
func (w *World) acted(name string, p cache.Packet, o actions.Outcome, err error) {
	m, _ := w.ledger.of(string(p.Stanza))
	if m == nil {
		w.breach("same message", nil, "an action gets what nobody has sent: %q", p.Stanza)
		return
	}
	m.identity, m.placed = p.Identity(), true // it may have a store of its own
	if err != nil {
		w.saw(m, name, "fails: "+err.Error())
		return
	}
	switch {
	case o == actions.Pass:
	case o.IsStored():
		m.mail = true
	case o.IsDone():
		w.checkDrop(name, m, p)
		m.dropped = true
	default: // asks for time: others may be stored meanwhile
		m.account.wears()
	}
	did := name + ": " + o.String()
	if n := len(m.acted); n == 0 || m.acted[n-1] != did {
		m.acted = append(m.acted, did)
	}
	w.saw(m, name, "acts: "+o.String())
}

// checkDrop checks that the default chain drops nothing that could be stored.
func (w *World) checkDrop(name string, m *Message, p cache.Packet) {
	retention := w.options.Config.Retention
	setDefault(&retention, untilack.DefaultRetention)
	standard := len(w.options.Config.Actions) == 0 && name == "Drop"
	if standard && m.read == 0 && actions.MayStore(p, w.store.lasting) && !w.turned && w.latest().Sub(m.received) < retention {
		w.breach("no loss", m, "it is dropped, and could have been stored")
	}
}

// told takes note of what a Keeper tells its watcher.
func (w *World) told(n *Node, e untilack.Event) {
	w.trace.add(Event{w.now, n.name, e.Reason.String(), tellText(e)})
	if e.ID == "" {
		return
	}
	for m := w.ledger.named(cache.Key{To: e.Recipient, From: cache.Bare(e.Sender), ID: e.ID}); m != nil; m = m.twin {
		if m.from != e.Sender {
			continue
		}
		switch e.Reason {
		case untilack.Settled:
			if m.reused {
				continue
			}
			if !m.acked {
				w.breach("only the recipient settles", m, "it is settled, and its recipient has not acknowledged it")
			}
			m.settled, m.settledAt = n.lifetime(), w.now
			w.end(m)
		case untilack.StoreFailed: // delivered all the same
			m.free = m.free || w.options.Config.PersistAfter == 0
		case untilack.Refused:
			m.free = true
		case untilack.Expired:
			m.dropped = m.dropped || m.expired(n.now())
			w.end(m)
		case untilack.Acted:
			if m.dropped {
				w.end(m)
			}
		case untilack.Dropped:
			if m.dropped && !m.reused {
				m.settled, m.settledAt = n.lifetime(), w.now
			}
			w.end(m)
		case untilack.Finished, untilack.Unconfirmed, untilack.Purged:
			w.end(m)
		}
	}
}

func tellText(e untilack.Event) string {
	text := e.Recipient
	if e.Resource != "" {
		text += "/" + e.Resource
	}
	if e.ID != "" {
		text += " " + e.ID
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// said takes note of what a client of an account acknowledges.
func (w *World) said(by *account, stanza string) {
	scan, err := receipts.Scan([]byte(stanza))
	if err != nil || scan.Type == "error" || scan.Type == "groupchat" {
		return
	}
	for id := range scan.Received() {
		key := cache.Key{To: by.bare, From: cache.Bare(scan.To.String()), ID: id.String()}
		if w.ledger.named(key) == nil {
			w.ledger.foretold[key] = true
		}
		for m := w.ledger.named(key); m != nil; m = m.twin {
			m.acked = true
		}
	}
}

// routed takes note of a stanza that a recipient's client has sent and that goes on
// to a sender.
func (w *World) routed(by, stanza string) {
	scan, err := receipts.Scan([]byte(stanza))
	if err != nil {
		return
	}
	defer w.carry(by, stanza)
	if a := w.account(cache.Bare(by)); a.archives && scan.Kind.Has(receipts.KindReceived) && scan.Type != "error" {
		if stamped, err := receipts.AppendFrom(nil, []byte(stanza), by); err == nil {
			a.receipts = append(a.receipts, string(stamped))
		}
	}
	for id := range scan.Received() {
		key := cache.Key{To: cache.Bare(by), From: cache.Bare(scan.To.String()), ID: id.String()}
		if m := w.ledger.named(key); m != nil {
			m.receipts++
			w.saw(m, m.from, "gets a receipt")
		}
	}
}
