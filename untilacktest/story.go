// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// Messages returns all messages that were sent, in order. It is empty if
// Options.Remember is set.
func (w *World) Messages() []*Message { return w.ledger.all }

// Lost returns the messages that no client has read and nothing keeps any more, be
// it that they were refused or that an action ended them, in order. Around a server
// of one's own these are all that were not read.
func (w *World) Lost() (lost []*Message) {
	for _, m := range w.ledger.all {
		if m.read == 0 && !w.kept(m) {
			lost = append(lost, m)
		}
	}
	return lost
}

// kept reports whether a message is in some node's memory or in the store.
func (w *World) kept(m *Message) bool {
	return w.inHand(m) || w.waiting(m.account)[m.waitingName()] != nil || w.store.stands([]*Message{m})[m]
}

// Duplicated returns the messages that the user of a client was shown more than once,
// in order. A client shows what it recognises as a duplicate once: see Message.Read.
func (w *World) Duplicated() (twice []*Message) {
	for _, m := range w.ledger.all {
		if m.shown > len(m.seenBy) {
			twice = append(twice, m)
		}
	}
	return twice
}

// OutOfOrder returns the messages that were read for the first time after a younger
// one from the same sender to the same recipient, in order.
func (w *World) OutOfOrder() (late []*Message) {
	earliest := make(map[pair]int) // of the younger ones
	for _, m := range slices.Backward(w.ledger.all) {
		key := pair{m.account.bare, m.from}
		if m.read == 0 {
			continue
		}
		if first, younger := earliest[key]; younger && first < m.firstRead {
			late = append(late, m)
		} else {
			earliest[key] = m.firstRead
		}
	}
	slices.Reverse(late)
	return late
}

// EndsWell lets all faults end and everybody come back, and then time pass. It fails
// the test unless every message that was kept has been read or was ended by an
// action, none is left in memory or in the store, and nothing goes on for ever. Of all
// that Senders have sent there is one result then: their Trackers are closed.
func (w *World) EndsWell() {
	if w.tb != nil {
		w.tb.Helper()
	}
	w.note("everybody", "comes back", "")
	w.ending = true
	w.heal()
	for range 200 {
		w.Wait(6 * time.Second)
		if w.quiet() {
			break
		}
	}
	w.Wait(time.Minute)
	for _, a := range w.owners { // of several nodes one may have stored something since the other listed
		if len(w.nodes) > 1 {
			w.comeBack(a)
		}
	}
	w.Wait(time.Minute)
	if w.turned { // what was to happen by a clock that was set back happens later
		w.Wait(3 * time.Hour)
	}
	for _, a := range w.owners {
		w.checkNow(a)
		w.checkEmpty(a)
	}
	for _, s := range w.senders {
		s.concludes()
	}
}

// heal ends all faults, and has every client that was ever online log in.
func (w *World) heal() {
	w.store.ComesBack()
	w.options.Unruly = false
	for _, n := range w.nodes {
		n.Restarts()
	}
	for _, s := range w.senders {
		s.recovers()
	}
	w.Wait(time.Minute) // what overruns its time has done so
	for _, a := range w.owners {
		for _, c := range slices.Clone(a.open) {
			c.client.conn = nil
			c.lost, c.troubled = true, true
			c.hangUp()
		}
		w.comeBack(a)
	}
}

// comeBack has the clients of an account log in, as they should be.
func (w *World) comeBack(a *account) {
	some := false
	for _, c := range w.order {
		if c.account != a || c.logins == 0 {
			continue
		}
		c.conn = nil
		c.Behaves(c.manners.mended())
		c.proper.forgives()
		c.LogsIn()
		some = true
	}
	if !some {
		w.Client(a.bare + "/home").LogsIn()
	}
}

// quiet reports whether nothing is left.
func (w *World) quiet() bool {
	for _, a := range w.owners {
		if a.prune(); len(a.unread) > 0 || len(w.waiting(a)) > 0 {
			return false
		}
	}
	return true
}

// checkEmpty checks that nothing is left of an account.
func (w *World) checkEmpty(a *account) {
	if len(a.unread) > 0 {
		w.breach("no loss", a.unread[0], "everybody came back, and nobody has read it")
	}
	waiting := slices.SortedFunc(maps.Keys(w.waiting(a)), func(x, y waitingName) int {
		return cmp.Or(cmp.Compare(x.id, y.id), cmp.Compare(x.sender, y.sender), cmp.Compare(x.bytes, y.bytes))
	})
	for _, name := range waiting {
		m := w.ledger.named(cache.Key{To: a.bare, From: cache.Bare(name.sender), ID: name.id})
		if m == nil || !m.doubtful() {
			w.breach("no end", m, "a message with id %s still waits", name.id)
		}
	}
	for row, err := range actions.All(context.Background(), w.store.inner, a.bare) {
		if err != nil {
			w.fatal("untilacktest: the store does not answer: %v", err)
			return
		}
		if m, _ := w.ledger.of(string(row.Packet.Stanza)); m == nil || !m.doubtful() {
			w.breach("no end", m, "a row with id %s still stands in the store", row.Packet.Key.ID)
		}
	}
}

// doubtful reports whether a receipt for the message may have meant another one of
// that name: then nothing settles it but time.
func (m *Message) doubtful() bool { return m.reused || m.again > 0 && m.acked }

// Got fails the test unless the client has read exactly these messages, in this
// order, copies counted.
func (c *Client) Got(want ...*Message) {
	w := c.world
	if w.tb != nil {
		w.tb.Helper()
	}
	if !slices.Equal(c.inbox, want) {
		w.fatal("%s has read\n\t%s\nwant\n\t%s\n%s%s", c, names(c.inbox), names(want), c.missing(want), w.trace.table(40))
	}
}

// missing tells of the wanted messages that the client has not read where they were
// seen last.
func (c *Client) missing(want []*Message) string {
	var text strings.Builder
	for _, m := range want {
		if !slices.Contains(c.inbox, m) {
			fmt.Fprintf(&text, "last seen: %s\n", m.last)
		}
	}
	return text.String()
}

// Inbox returns the messages that the client has read, in order, each copy counted.
func (c *Client) Inbox() []*Message { return slices.Clone(c.inbox) }

func names(ms []*Message) string {
	if len(ms) == 0 {
		return "nothing"
	}
	var all []string
	for _, m := range ms {
		all = append(all, m.String())
	}
	return strings.Join(all, ", ")
}
