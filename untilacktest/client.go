// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A Client is one of a recipient's clients, and the link that it is on.
type Client struct {
	world   *World
	address string
	account *account
	manners Manners
	chance  *rand.Rand

	lag    time.Duration
	conn   *connection // nil while it is offline
	life   int         // counts its deaths: what it meant to answer is gone then
	logins int
	inbox  []*Message // all copies that it has read, unless messages are forgotten
	proper *properEnd // what answers, if a client.Responder does
}

// Address returns the client's full address.
func (c *Client) Address() string { return c.address }

func (c *Client) resource() string { return c.address[len(c.account.bare)+1:] }

// String returns the client's full address.
func (c *Client) String() string { return c.address }

// Online reports whether the client believes that it is connected.
func (c *Client) Online() bool { return c.conn != nil }

// Behaves sets how the client answers what it reads, from now on.
func (c *Client) Behaves(m Manners) *Client {
	c.manners = m
	return c
}

// LogsIn has the client log in, with available presence and the given priority, 0
// without one, at a node that is up. A connection that it had before is left as it
// is: the server does not hear of that.
func (c *Client) LogsIn(priority ...int) *Client {
	w := c.world
	p := 0
	if len(priority) > 0 {
		p = priority[0]
	}
	return c.logsInAt(w.nodeOf(c.account), p, true)
}

// LogsInAt has the client log in at a node.
func (c *Client) LogsInAt(n *Node) *Client { return c.logsInAt(n, 0, true) }

// LogsInAway has the client log in and send no presence: it gets what is
// addressed to its full address alone.
func (c *Client) LogsInAway() *Client { return c.logsInAt(c.world.nodeOf(c.account), 0, false) }

func (c *Client) logsInAt(n *Node, priority int, available bool) *Client {
	c.leaves()
	c.logins++
	conn := &connection{client: c, node: n, number: c.logins, openedAt: c.world.now, available: available, priority: priority}
	if c.world.live == nil && !n.up {
		c.note("finds no server", n.name)
		return c
	}
	c.note("logs in", fmt.Sprintf("connection %d, priority %d, available %v", conn.number, priority, available))
	c.conn = conn
	conn.server().opened(conn)
	return c
}

// leaves has the client leave its connection without a word.
func (c *Client) leaves() {
	if c.conn != nil {
		c.conn.lost, c.conn.troubled = true, true
		c.conn = nil
	}
}

// LogsOut has the client send unavailable presence and end its stream. What it said
// before arrives before that.
func (c *Client) LogsOut() {
	conn := c.online("logs out")
	if conn == nil {
		return
	}
	c.conn = nil
	conn.lost = true
	conn.send(&conn.up, func() {
		if conn.ended {
			return
		}
		conn.available = false
		conn.server().presence(conn)
		conn.hangUp()
	})
}

// Disconnects breaks the client's connection: the server hears of it, and what was
// under way in either direction is lost.
func (c *Client) Disconnects() {
	if conn := c.online("disconnects"); conn != nil {
		conn.leave()
		c.conn = nil
	}
}

// Dies ends the client's process: its connection breaks, and what it has read and
// not answered stays unanswered.
func (c *Client) Dies() {
	c.life++
	if c.proper != nil {
		c.proper.dies()
	}
	if conn := c.online("dies"); conn != nil {
		conn.leave()
		c.conn = nil
	}
}

// GoesDark has the link carry nothing any more, in either direction, and nobody is
// told. What is written meanwhile arrives if the link Resurfaces, and is lost if the
// client ComesBack by a new connection.
func (c *Client) GoesDark() {
	if conn := c.online("goes dark"); conn != nil {
		conn.down.dark, conn.up.dark = true, true
	}
}

// GoesDeaf has the link carry nothing to the client; the other direction works.
func (c *Client) GoesDeaf() {
	if conn := c.online("goes deaf"); conn != nil {
		conn.down.dark = true
	}
}

// GoesMute has the link carry nothing from the client; the other direction works.
func (c *Client) GoesMute() {
	if conn := c.online("goes mute"); conn != nil {
		conn.up.dark = true
	}
}

// Flaps has the link go dark and come back n times, for d each time, from now on.
func (c *Client) Flaps(n int, d time.Duration) {
	for i := range n {
		c.world.after(time.Duration(2*i)*d, c.GoesDark)
		c.world.after(time.Duration(2*i+1)*d, c.Resurfaces)
	}
}

// Lags has the link take so much longer in either direction, from now on. With 0 it
// does no more.
func (c *Client) Lags(d time.Duration) {
	c.note("lags", d.String())
	c.lag = d
}

// Resurfaces ends that the link is dark: what it held arrives.
func (c *Client) Resurfaces() {
	if conn := c.online("resurfaces"); conn != nil {
		conn.up.clear()
		conn.down.clear()
	}
}

// Vanishes has everything be lost that is on the connection, from now on, though
// it stays open: a proxy has died on the way, for instance.
func (c *Client) Vanishes() {
	if conn := c.online("vanishes"); conn != nil {
		conn.down.swallows, conn.up.swallows = true, true
	}
}

// ComesBack has the client log in again, over a new connection. If the link was
// dark, the server knows nothing of the end of the old one.
func (c *Client) ComesBack() *Client {
	if c.conn != nil {
		c.conn.leave()
		c.conn.troubled = true
		c.conn = nil
	}
	return c.LogsIn()
}

// Stalls has the client's connection take nothing more: what the server writes
// blocks.
func (c *Client) Stalls() {
	if conn := c.online("stalls"); conn != nil {
		conn.stalled = true
	}
}

// GetsBusy has the queue before the client's connection be full: what the server
// writes is refused with untilack.ErrBusy.
func (c *Client) GetsBusy() {
	if conn := c.online("gets busy"); conn != nil {
		conn.busy = true
	}
}

// ReadsOn ends that the connection Stalls or that GetsBusy.
func (c *Client) ReadsOn() {
	conn := c.online("reads on")
	if conn == nil {
		return
	}
	conn.unblock()
	if conn.busy = false; !conn.ended {
		c.world.ready(conn)
	}
}

// Sleeps has the server hold back what it writes to the client, because its
// XEP-0198 session hibernates or it is inactive (XEP-0352).
func (c *Client) Sleeps() { c.pause("sleeps", true) }

// Wakes ends that the server holds back what it writes.
func (c *Client) Wakes() { c.pause("wakes", false) }

func (c *Client) pause(did string, paused bool) {
	conn := c.online(did)
	if conn == nil || conn.ended || conn.paused == paused {
		return
	}
	conn.paused, conn.slept = paused, true
	c.world.paused(conn)
}

// SetsPresence has the client send available presence with a priority.
func (c *Client) SetsPresence(priority int) { c.setsPresence(true, priority) }

// GoesAway has the client send unavailable presence, and stay connected.
func (c *Client) GoesAway() { c.setsPresence(false, 0) }

func (c *Client) setsPresence(available bool, priority int) {
	conn := c.online(map[bool]string{true: "sets presence", false: "goes away"}[available])
	if conn == nil {
		return
	}
	conn.send(&conn.up, func() {
		if !conn.ended {
			conn.available, conn.priority = available, priority
			conn.server().presence(conn)
		}
	})
}

// Says has the client send a stanza.
func (c *Client) Says(stanza string) {
	if c.conn == nil {
		c.note("says", "is offline")
		return
	}
	c.note("says", stanza)
	c.conn.say(stanza)
}

// online returns the client's connection, and notes what it does.
func (c *Client) online(did string) *connection {
	if c.conn == nil {
		c.note(did, "is offline")
		return nil
	}
	c.note(did, fmt.Sprint("connection ", c.conn.number))
	c.conn.troubled = true
	return c.conn
}

func (c *Client) note(did, what string) { c.world.note(c.address, did, what) }

// disconnected is when the client learns that its connection has ended.
func (c *Client) disconnected(did string) {
	c.note(did, "")
	c.conn = nil
	if wait := c.manners.Reconnects; wait > 0 {
		life := c.life
		c.world.after(wait, func() {
			if c.conn == nil && c.life == life {
				c.LogsIn()
			}
		})
	}
}

// hear has the client read a stanza.
func (c *Client) hear(conn *connection, stanza string) {
	m := c.world.arrived(c, conn, stanza)
	if m != nil {
		if c.world.options.Remember == 0 {
			c.inbox = append(c.inbox, m)
		}
		if !c.manners.isProper() {
			c.show(m)
		}
	}
	if c.manners.isProper() {
		c.properly().hear(conn, m, stanza)
		return
	}
	if react := c.manners.React; react != nil {
		react(c, stanza)
		return
	}
	if m == nil {
		c.answerPing(conn, stanza)
		return
	}
	c.answer(m)
}

// show shows a message to the user, unless it is known for a duplicate.
func (c *Client) show(m *Message) {
	known := slices.Contains(m.seenBy, c)
	if !known {
		m.seenBy = append(m.seenBy, c)
	}
	if !known || c.manners.ShowsDuplicates {
		m.shown++
	}
}

func (c *Client) answerPing(conn *connection, stanza string) {
	if strings.HasPrefix(stanza, "<iq") && !c.manners.IgnoresPings {
		conn.say("<iq type='result' id='" + attribute(stanza, "id") + "'/>")
	}
}

// answer has the client answer a message, now or later.
func (c *Client) answer(m *Message) {
	if c.meetsItsEnd() {
		c.Dies()
		return
	}
	answers := c.manners.answers(m)
	if len(answers) == 0 {
		return
	}
	c.later(func() {
		if c.conn == nil {
			return
		}
		m.acked = true
		for _, stanza := range answers {
			c.conn.say(stanza)
		}
	})
}

// meetsItsEnd reports whether the client dies of what it has read.
func (c *Client) meetsItsEnd() bool {
	mood := &c.manners
	if mood.DiesAfter == 0 {
		return false
	}
	mood.DiesAfter--
	return mood.DiesAfter == 0
}

// later has the client do something when it is its manner to answer, unless it dies
// before.
func (c *Client) later(do func()) {
	wait := c.manners.Delay
	if c.manners.Disorderly {
		wait += time.Duration(c.chance.Int64N(int64(time.Second)))
	}
	if wait == 0 {
		do()
		return
	}
	life := c.life
	c.world.after(wait, func() {
		if c.life == life {
			do()
		}
	})
}
