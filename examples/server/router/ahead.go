// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package router

import (
	"context"
	"errors"
	"sync"

	"github.com/untilack/untilack/middleware"
)

// How many messages of a client, and how many bytes of them, may wait for those before them to
// be in the store. What is read beyond that waits in the client.
const (
	maxAhead      = 64
	maxAheadBytes = 256 << 10
)

// An ahead holds messages of one client that were read while those before them are being put
// into the store: they are put into it all at once then. Its client alone adds to it.
type ahead struct {
	mutex   sync.Mutex
	change  sync.Cond // something was taken out, or is delivered
	waiting []*sent
	bytes   int  // of those that wait
	running bool // whether they are being delivered
}

func newAhead() *ahead {
	a := &ahead{}
	a.change.L = &a.mutex
	return a
}

// deliverAhead has a message delivered after those before it, and waits for that no longer than
// until there is room for more.
func (c *Client) deliverAhead(s *sent) {
	a := c.ahead
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for len(a.waiting) >= maxAhead || len(a.waiting) > 0 && a.bytes+len(s.raw) > maxAheadBytes {
		a.change.Wait()
	}
	a.waiting = append(a.waiting, s)
	a.bytes += len(s.raw)
	if !a.running {
		a.running = true
		go c.deliverWaiting()
	}
}

// catchUp returns when all messages are delivered that the client has sent. What it asks after them
// is answered then and no earlier, so that an answer says that they are in the store.
func (c *Client) catchUp() {
	a := c.ahead
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for a.running {
		a.change.Wait()
	}
}

// take returns all messages that wait. If there are none, it is over.
func (a *ahead) take() []*sent {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	taken := a.waiting
	a.waiting, a.bytes = nil, 0
	a.running = len(taken) > 0
	a.change.Broadcast()
	return taken
}

// deliverWaiting delivers messages until none waits.
func (c *Client) deliverWaiting() {
	for taken := c.ahead.take(); len(taken) > 0; taken = c.ahead.take() {
		for len(taken) > 0 {
			n := 1
			for n < len(taken) && goesWith(taken[0], taken[n]) {
				n++
			}
			c.deliverAll(taken[:n])
			taken = taken[n:]
		}
	}
}

// goesWith reports whether two messages have the same recipients.
func goesWith(s, other *sent) bool {
	return s.toText == other.toText && s.kind == other.kind && (s.kind == chat || isReceipt(s) == isReceipt(other))
}

// deliverAll delivers messages that have the same recipients.
func (c *Client) deliverAll(messages []*sent) {
	clients, _ := c.router.recipients(messages[0])
	if len(clients) != 1 || len(messages) == 1 {
		for _, s := range messages {
			c.deliver(s)
		}
		return
	}
	raws := make([][]byte, len(messages))
	for i, s := range messages {
		raws[i] = s.raw
	}
	for i, err := range clients[0].Keeper().DeliverAll(context.Background(), raws) {
		switch {
		case errors.Is(err, middleware.ErrClosed): // others are looked for
			c.deliver(messages[i])
		case err != nil:
			c.notDelivered(messages[i], err)
		}
	}
}
