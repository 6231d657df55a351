// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// A Violation is an invariant that was broken.
type Violation struct {
	Rule     string   // the invariant, in a few words
	Message  *Message // that it is about, if it is about one
	What     string
	LastSeen Event // where the message was seen last
	Seed     uint64
	At       time.Duration
	Events   string // the last lines of what happened, as a table
}

// Error returns the whole of it.
func (v *Violation) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s is broken at %s: %s", v.Rule, v.At, v.What)
	if v.Message != nil {
		fmt.Fprintf(&text, "\nmessage:   %s from %s to %s", v.Message, v.Message.from, v.Message.scan.To)
		fmt.Fprintf(&text, "\nlast seen: %s", v.LastSeen)
	}
	fmt.Fprintf(&text, "\nseed:      %d\n%s", v.Seed, v.Events)
	return text.String()
}

// breach ends the test, or the simulation: an invariant is broken.
func (w *World) breach(rule string, m *Message, format string, args ...any) {
	v := &Violation{Rule: rule, Message: m, What: fmt.Sprintf(format, args...), Seed: w.options.Seed, At: w.now}
	if m != nil {
		v.LastSeen = m.last
		for _, n := range w.nodes {
			if where := n.where(m); where != "" {
				v.What += "; " + where
			}
		}
	}
	v.Events = w.trace.table(80)
	if w.tb == nil {
		panic(v)
	}
	w.tb.Helper()
	w.tb.Fatal(v.Error())
}

// fatal ends the test because of a mistake of whoever wrote it.
func (w *World) fatal(format string, args ...any) {
	if w.tb == nil {
		panic(fmt.Sprintf(format, args...))
	}
	w.tb.Helper()
	w.tb.Fatalf(format, args...)
}

// check checks what must hold at any time about an account. A large one is not
// checked after each event, but so often that it costs each no more than a small one;
// small is less in a World of millions of messages.
func (w *World) check(a *account) {
	small := 64
	if w.options.Remember > 0 {
		small = 4
	}
	if a.debt++; a.debt*small < len(a.unread) {
		return
	}
	a.debt = 0
	w.checkNow(a)
}

func (w *World) checkNow(a *account) {
	a.prune()
	if len(a.unread) > 0 {
		waiting := w.waiting(a)
		stands := w.store.stands(a.unread)
		for _, m := range a.unread {
			w.checkKept(m, waiting[m.waitingName()], stands[m])
		}
	}
	w.checkBounds(a)
	if a.mixed && len(a.unread) == 0 && w.idle() && len(w.waiting(a)) == 0 {
		a.mixed = false
	}
}

// idle reports whether no call is under way.
func (w *World) idle() bool {
	for _, n := range w.nodes {
		if len(n.jobs) > 0 {
			return false
		}
	}
	return true
}

// prune forgets the messages that may have come to an end.
func (a *account) prune() {
	left := a.unread[:0]
	for _, m := range a.unread {
		if !m.over() {
			left = append(left, m)
		}
	}
	clear(a.unread[len(left):])
	a.unread = left
}

// checkKept checks that a message which was kept, and has not come to an end, is
// where it should be.
func (w *World) checkKept(m *Message, waiting *untilack.Waiting, stored bool) {
	storeFirst := w.options.Config.PersistAfter == 0 && !m.hurt && !m.neverStored()
	switch {
	case w.inHand(m):
	case waiting == nil && !stored && !(m.hurt && m.neverStored()):
		w.breach("no loss", m, "it is nowhere, and nobody has read it")
	case storeFirst && !stored && (waiting == nil || waiting.State != untilack.InStore):
		w.breach("store first", m, "it is not in the store")
	case waiting != nil && waiting.Stored && !stored && !m.hurt:
		w.breach("no loss", m, "it is said to be stored, and is not")
	}
}

// waitingName is what Waiting tells of a packet.
type waitingName struct {
	sender, id string
	bytes      int
}

func (m *Message) waitingName() waitingName { return waitingName{m.from, m.id, len(m.stanza)} }

// waiting returns what waits in the memory of the nodes for an account.
func (w *World) waiting(a *account) map[waitingName]*untilack.Waiting {
	return waitingAt(a, w.nodes...)
}

func waitingAt(a *account, nodes ...*Node) map[waitingName]*untilack.Waiting {
	all := make(map[waitingName]*untilack.Waiting)
	for _, n := range nodes {
		if !n.up {
			continue
		}
		packets := n.keeper.Waiting(a.bare)
		for i := range packets {
			p := &packets[i]
			all[waitingName{p.Sender, p.ID, p.Bytes}] = p
		}
	}
	return all
}

// inHand reports whether a host has a message in hand, or its row.
func (w *World) inHand(m *Message) bool {
	if m.underWay > 0 {
		return true
	}
	for _, n := range w.nodes {
		if q := n.held[pair{m.account.bare, m.from}]; q != nil {
			if q.inHand == m {
				return true
			}
			for _, waits := range q.waiting {
				if waits == m {
					return true
				}
			}
		}
	}
	return false
}

// checkBounds checks that no node holds more of an account than it may. What was read
// from the store counts: 16 windows of that, and one that is being read.
func (w *World) checkBounds(a *account) {
	o := w.options.Config.Cache
	if o == nil || o.Limits.RecipientPackets <= 0 {
		return
	}
	window := w.options.Config.Window
	setDefault(&window, untilack.DefaultWindow)
	most := o.Limits.RecipientPackets + 17*window
	for _, n := range w.nodes {
		if !n.up {
			continue
		}
		if waiting := len(n.keeper.Waiting(a.bare)); waiting > most {
			w.breach("bounded", nil, "%d packets wait for %s, %d may", waiting, a.bare, most)
		}
	}
}

// copied checks a copy that a Keeper wants written, and returns whose it is.
func (w *World) copied(to *connection, stanza string) *Message {
	m, stamps := w.ledger.of(stanza)
	if m == nil {
		w.breach("same message", nil, "a copy of what nobody has sent is written: %s", stanza)
		return nil
	}
	if to == nil {
		return m
	}
	w.checkStamps(to, m, stamps)
	w.checkRoute(to, m)
	w.checkEnd(to, m)
	w.writing(to, m, stamps)
	return m
}

// stamped returns the delay stamp that a copy of the message carries. Of several
// messages of one instant the later ones may be a millisecond late.
func (m *Message) stamped(late time.Duration) string {
	return m.received.Add(late).UTC().Format("2006-01-02T15:04:05.999Z") + " by " + m.world.options.Config.Domain
}

func (w *World) checkStamps(to *connection, m *Message, stamps []string) {
	limited := w.options.Config.Cache != nil
	switch n := len(stamps); {
	case n > 1:
		w.breach("same message", m, "a copy has %d delay stamps", n)
	case n == 1 && m.again == 0 && !w.turned && stamps[0] != m.stamped(0) && stamps[0] != m.stamped(time.Millisecond):
		w.breach("same message", m, "a copy is stamped %s, and was received first at %s", stamps[0], m.stamped(0))
	case n == 0 && m.written > 0 && m.again == 0 && !m.hurt && (len(w.nodes) == 1 || m.admittedBy != to.node): // another may have been first
		w.breach("same message", m, "a further copy has no delay stamp")
	case n == 1 && m.written == 0 && !m.mail && !limited && !m.account.worn && m.again == 0 && !m.reused && m.admittedBy == to.node && !m.expired(w.latest()):
		w.breach("tracking never stops delivery", m, "the first delivery is stamped")
	}
}

// checkRoute checks that a message may go where it is going to.
func (w *World) checkRoute(to *connection, m *Message) {
	switch {
	case to.client.account != m.account:
		w.breach("only the recipient", m, "it goes to %s", to.client)
	case m.account.blocked[cache.Bare(m.from)]:
		w.breach("blocked", m, "it goes to one who blocks its sender")
	case m.resource == "" && (!to.available || to.priority < 0):
		w.breach("routing", m, "it goes to %s, which is not to have it: available %v, priority %d", to.client, to.available, to.priority)
	case m.resource != "" && to.client.resource() != m.resource && (!m.chat() || m.pinned()):
		w.breach("routing", m, "it is not for %s", to.client)
	case to.paused:
		w.breach("routing", m, "it is written to %s, which sleeps", to.client)
	}
}

// checkEnd checks that a message has not come to an end.
func (w *World) checkEnd(to *connection, m *Message) {
	switch {
	case m.settled == to.node.lifetime() && m.again == 0 && !w.landedLate(m):
		w.breach("one winner", m, "it is written again after its receipt has settled it, or an operator has dropped it")
	case m.again == 0 && m.expired(to.node.now().Add(-time.Millisecond)): // those of one instant count as received one after the other
		w.breach("expired", m, "it is delivered after its time")
	case m.floods > w.mostFloods(m):
		w.breach("bounded", m, "it was read %d times, without a fault in between for %d of them, and comes again", m.read, m.floods)
	}
}

// landedLate reports whether a row may have come into the store after the last call
// that would have deleted it, and is read when the node has forgotten the message.
func (w *World) landedLate(m *Message) bool {
	remembered := 15 * time.Minute
	if o := w.options.Config.Cache; o != nil {
		remembered = cmp.Or(max(o.TombstoneAge, 0), remembered)
	}
	return m.hurt && w.now-m.settledAt > remembered
}

// mostFloods returns how many copies of a message clients may read though nothing
// has happened to their connections: the redeliveries, one more to a client that has
// acknowledged another message, one to a client that has answered a ping, and if that
// reads it and acknowledges nothing another. What is sent again after its end is a new
// message to the servers.
func (w *World) mostFloods(m *Message) int {
	most := (1+actions.HardCap+3)*(1+m.again) - 2
	for _, n := range w.nodes { // the number of copies that no row has, is lost in a crash
		if m.hurt {
			most *= n.life
		} else {
			most += actions.HardCap * (n.life - 1)
		}
	}
	return most
}

// writing takes note that a copy is about to be written.
func (w *World) writing(to *connection, m *Message, stamps []string) {
	w.saw(m, to.client.address, writingText(len(stamps)))
	w.checkOrder(to, m)
	if len(stamps) > 0 {
		w.checkWindow(to, m)
	}
	m.written++
	m.queued, m.writtenTo, m.writtenAt = nil, to, w.now
}

func writingText(stamps int) string {
	if stamps > 0 {
		return "is sent it, delayed"
	}
	return "is sent it"
}

// checkWindow checks that no more copies are redelivered at once than may be.
func (w *World) checkWindow(to *connection, m *Message) {
	window := w.options.Config.Window
	setDefault(&window, untilack.DefaultWindow)
	to.window = slices.DeleteFunc(to.window, func(m *Message) bool { return m.over() })
	if to.window = append(to.window, m); len(to.window) > window && w.options.Config.Redeliver == nil && !m.over() {
		w.breach("bounded", m, "%d redelivered messages are under way to %s at once, %d may", len(to.window), to.client, window)
	}
}

// took takes a copy out of the window: the client has it, or nothing was written.
func (c *connection) took(m *Message) {
	c.window = slices.DeleteFunc(c.window, func(other *Message) bool { return other == m })
}

// checkOrder checks that a message overtakes none of the same pair that could be
// written to the same connection. One that has gone out so often in vain that it waits
// for a sign of life may be overtaken.
func (w *World) checkOrder(to *connection, m *Message) {
	a := m.account
	if m.resource != "" || to != a.best() || m.again > 0 || m.free || a.mixed || w.turned {
		return
	}
	var older []*Message
	for _, other := range a.unread {
		if other.admittedBy != nil && other.admittedBy != to.node {
			continue // nodes keep no order between them
		}
		if other.number < m.number && other.from == m.from && other.resource == "" && other.again == 0 && other.inFlight(to) {
			w.breach("order", m, "it overtakes %s, which is in flight on an older connection", other)
			return
		}
		if other.number >= m.number {
			break
		}
		if other.from == m.from && other.resource == "" && other.written <= actions.HardCap && !other.over() && other.again == 0 && !other.elsewhere(to) {
			older = append(older, other)
		}
	}
	if len(older) == 0 {
		return
	}
	waiting := waitingAt(a, to.node)
	stands := w.store.stands(older)
	for _, other := range older {
		p := waiting[other.waitingName()]
		switch {
		case p != nil && p.State == untilack.InBacklog:
			w.breach("order", m, "it overtakes %s, which waits for its turn", other)
		case m.away && other.written > 0: // that was on a live stream when this was stored
		case p == nil && stands[other] && !w.inHand(other) && len(w.nodes) == 1: // or another node has it
			w.breach("order", m, "it overtakes %s, which is in the store", other)
		}
	}
}

// inFlight reports whether a copy of the message is on a connection that was there
// before another one, and had it before the other one came.
func (m *Message) inFlight(newer *connection) bool {
	old := m.writtenTo
	return old != nil && old != newer && !old.ended && !old.slept && old.available && m.writtenAt < newer.openedAt && !m.over()
}

// elsewhere reports whether a message waits for another connection.
func (m *Message) elsewhere(to *connection) bool {
	return m.queued != nil && m.queued != to && !m.queued.ended
}

// calm reports whether a message has nothing before it, so that it must be written
// at once. While a session is new its mail comes first.
func (n *Node) calm(to *connection, m *Message) bool {
	a := m.account
	a.prune()
	return !a.blocked[cache.Bare(m.from)] && len(a.unread) == 0 && !n.world.turned && len(a.open) == 1 && n.world.now-to.openedAt > time.Minute && !to.busy && !to.paused &&
		len(n.jobs) == 0 && len(n.keeper.Waiting(a.bare)) == 0
}

// arrived takes note that a client has read a stanza, and returns the message if
// it is one.
func (w *World) arrived(c *Client, conn *connection, stanza string) *Message {
	if strings.HasPrefix(stanza, "<iq") {
		w.note(c.address, "reads", "a ping")
		return nil
	}
	m, stamps := w.ledger.of(stanza)
	switch {
	case m == nil:
		w.breach("same message", nil, "%s reads what nobody has sent: %s", c, stanza)
		return nil
	case m.account != c.account:
		w.breach("only the recipient", m, "%s reads it", c)
	case len(stamps) > 1:
		w.breach("same message", m, "a copy has %d delay stamps", len(stamps))
	}
	conn.took(m)
	if m.read == 0 {
		w.reads++
		m.firstRead = w.reads
	}
	if m.readOn == conn || m.readOn != nil && !m.readOn.troubled {
		m.floods++
	}
	m.readOn = conn
	m.read++
	w.copies++
	w.saw(m, c.address, "reads")
	return m
}

// forwarded takes note of what a node makes of a stanza that a client has sent.
func (w *World) forwarded(c *connection, stanza string, forward bool) {
	if !strings.HasPrefix(stanza, "<message") {
		return
	}
	if !forward {
		w.breach("no forged receipt", nil, "what %s says is not routed on: %s", c.client, stanza)
		return
	}
	w.routed(c.client.address, stanza)
}
