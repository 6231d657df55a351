// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"errors"
	"time"

	"github.com/untilack/untilack"
)

var errBroken = errors.New("untilacktest: connection is broken")

// A connection is one stream between a client and a server, from the login to its
// end, of which each side learns in its own time.
type connection struct {
	client *Client
	node   *Node
	stream *untilack.Stream
	live   *liveConnection // in place of node and stream
	number int

	openedAt  time.Duration
	down, up  lane
	stalled   bool // what the server writes does not get into it
	busy      bool // the server's own queue before it is full
	slept     bool // whether it was ever paused: nobody waits for what it has
	paused    bool // the server holds back what it writes
	available bool
	priority  int

	window []*Message // redelivered copies that the client has not read yet

	lost  bool // the client has left it
	ended bool // the server takes it for ended

	writing  *write     // a write of the server's that has not returned
	waiting  []*Message // of the host, until that has
	troubled bool       // something was done to it: that it ends is not the server's will alone
}

// A lane is one direction of a connection: first in, first out.
type lane struct {
	free     time.Duration // when the last that is under way arrives
	dark     bool          // what arrives is held until the link is back
	swallows bool          // what arrives is gone
	held     []func()
}

// A write is one call to write a stanza.
type write struct {
	stanza string
	then   func(error)
}

// send has something happen at the other end, in its turn.
func (c *connection) send(l *lane, do func()) {
	w := c.client.world
	at := max(l.free, w.now+w.stretch(w.options.Latency, c.client.chance))
	at += c.client.lag
	if l == &c.down {
		at += c.client.manners.Slow
	}
	l.free = at
	w.after(at-w.now, func() { l.arrive(do) })
}

func (l *lane) arrive(do func()) {
	switch {
	case l.swallows:
	case l.dark || len(l.held) > 0:
		l.held = append(l.held, do)
	default:
		do()
	}
}

// clear lets what a lane has held come out.
func (l *lane) clear() {
	l.dark = false
	for len(l.held) > 0 && !l.dark {
		do := l.held[0]
		l.held = l.held[1:]
		do()
	}
}

// write is the server's call to write a stanza; then is told what came of it.
func (c *connection) write(stanza string, then func(error)) {
	w := c.client.world
	switch {
	case c.ended, c.lost && c.client.chance.IntN(2) == 0:
		then(errBroken)
	case c.writing != nil: // in its turn
		block := c.writing
		before := block.then
		block.then = func(err error) {
			before(err)
			c.write(stanza, then)
		}
	case c.busy:
		then(untilack.ErrBusy)
	case c.stalled:
		block := &write{stanza, then}
		c.writing = block
		w.after(w.writeTimeout(), func() {
			if c.writing == block {
				c.writing = nil
				block.then(untilack.ErrOverran)
			}
		})
	default:
		c.put(stanza)
		then(nil)
	}
}

func (w *World) writeTimeout() time.Duration {
	if limit := w.options.Config.WriteTimeout; limit > 0 {
		return limit
	}
	return untilack.DefaultWriteTimeout
}

// put puts a stanza on its way to the client.
func (c *connection) put(stanza string) {
	c.send(&c.down, func() {
		if !c.lost {
			c.client.hear(c, stanza)
		}
	})
}

// unblock lets the server's writes go on.
func (c *connection) unblock() {
	c.stalled = false
	block := c.writing
	if block == nil {
		return
	}
	c.writing = nil
	c.put(block.stanza)
	block.then(nil)
}

// shut is the server's end of the connection: the client learns of it if it can.
func (c *connection) shut() {
	if c.ended {
		return
	}
	c.forget()
	c.send(&c.down, func() {
		if !c.lost {
			c.lost = true
			c.client.disconnected("is disconnected")
		}
	})
	c.fail()
}

// leave is the client's end of it. The server hears of it, if the link is not dark,
// and nothing more of what was under way.
func (c *connection) leave() {
	if c.lost {
		return
	}
	c.lost = true
	if c.ended || c.up.dark || c.up.swallows || c.down.dark {
		return
	}
	w := c.client.world
	w.after(w.stretch(w.options.Latency, c.client.chance), func() { c.hangUp() })
}

// hangUp is when the server hears that the connection has ended.
func (c *connection) hangUp() {
	if c.ended {
		return
	}
	c.forget()
	c.server().closed(c)
	c.fail()
}

// fail ends a write that blocks, and those that wait for it go elsewhere.
func (c *connection) fail() {
	if block := c.writing; block != nil {
		c.writing = nil
		block.then(errBroken)
	}
}

// forget takes the connection out of those that the server takes for open.
func (c *connection) forget() {
	c.ended = true
	a := c.client.account
	for i, open := range a.open {
		if open == c {
			a.open = append(a.open[:i:i], a.open[i+1:]...)
			return
		}
	}
}

// say sends a stanza from the client to the server.
func (c *connection) say(stanza string) {
	c.client.world.said(c.client.account, stanza)
	c.send(&c.up, func() { c.server().heard(c, stanza) })
}

// A server is where connections end: a Node, or the user's own.
type server interface {
	opened(c *connection)
	heard(c *connection, stanza string)
	presence(c *connection)
	closed(c *connection)
}

func (c *connection) server() server {
	if live := c.client.world.live; live != nil {
		return live
	}
	return c.node
}
