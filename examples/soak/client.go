// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/untilack/untilack/examples/internal/wire"
)

// A client receives messages over a network that fails. It knows nothing of any
// cache: it answers what asks, logs in when it has no stream that it trusts, and
// lets go of old streams sooner or later, as phones do.
type client struct {
	name      string
	number    int
	habit     habit
	transport wire.Transport
	resource  string // the same one each time; "": always another
	addr      string // of its network
	ledger    *ledger
	log       *slog.Logger

	mutex   sync.Mutex
	random  *mathrand.Rand
	calm    bool
	soothed chan struct{} // closed when all is calm
	closed  bool
	away    time.Duration // how long to wait before the next login
	logins  int
	wasHere bool
	trusted *wire.Stream
	streams map[*wire.Stream]struct{} // old ones too
	wake    chan struct{}
	running sync.WaitGroup
}

// A habit is what a client does with messages that ask.
type habit string

const (
	prompt habit = "prompt" // answers at once
	slow   habit = "slow"   // takes its time over each stanza, pings too
	lazy   habit = "lazy"   // answers some time later, on the stream it has then
	silent habit = "silent" // never answers, but for pings
)

// answers reports whether the client's receipts come in the order of what it has
// read, pings included: then each message is acknowledged in the end.
func (h habit) answers() bool { return h == prompt || h == slow }

// loginTime is how long the client waits for a login.
const loginTime = 6 * time.Second

// run sees to it that the client has a stream, until ctx ends.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		if c.online() {
			select {
			case <-c.wake:
			case <-ctx.Done():
			}
			continue
		}
		c.stayAway(ctx)
		if c.chance(8) {
			c.running.Go(func() { c.login(ctx) }) // two at once; the later one wins
			sleep(ctx, c.part(700*time.Millisecond))
		}
		if err := c.login(ctx); err != nil {
			c.ledger.noteFailedLogin()
			c.log.Info("once more", "client", c.name, "error", err)
			sleep(ctx, 50*time.Millisecond+c.part(300*time.Millisecond))
		}
	}
}

// login opens one more stream and reads it.
func (c *client) login(ctx context.Context) error {
	dialing, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	visit := c.ledger.noteLogin(c.number)
	seen := wire.Sightings{Seen: func(id string) { c.ledger.noteCopy(visit, id) }}
	stream, err := wire.Dial(dialing, c.addr, c.transport, c.name, c.nextResource(), seen.Look)
	if err != nil {
		return err
	}
	back, ok := c.trust(stream)
	if !ok {
		stream.Sever()
		return nil
	}
	c.ledger.noteUp(visit, back)
	c.running.Go(func() {
		err := stream.Each(func(e wire.Element) error { return c.handle(stream, e) })
		c.log.Info("the stream ended", "client", c.name, "error", err)
		stream.Sever()
		c.lost(stream)
	})
	return nil
}

// nextResource returns the resource to ask for.
func (c *client) nextResource() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.logins++
	if c.resource != "" {
		return c.resource
	}
	return fmt.Sprintf("phone-%d", c.logins)
}

// trust makes a stream the one that counts, unless the client has been closed. It
// reports whether the client was there before, and had no such stream.
func (c *client) trust(stream *wire.Stream) (back, ok bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		return false, false
	}
	back = c.trusted == nil && c.wasHere
	c.wasHere = true
	c.retire()
	c.trusted = stream
	c.streams[stream] = struct{}{}
	return back, true
}

// retire lets go of the stream that counted, at once or when it has had time to
// bring what is late.
func (c *client) retire() {
	old := c.trusted
	c.trusted = nil
	switch {
	case old == nil:
	case c.calm || c.random.IntN(2) == 0:
		old.Sever()
	default:
		time.AfterFunc(5*time.Second+fraction(c.random, 20*time.Second), old.Sever)
	}
}

// lost takes note that a stream has ended.
func (c *client) lost(stream *wire.Stream) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	delete(c.streams, stream)
	if c.trusted == stream {
		c.trusted = nil
		c.nudge()
	}
}

// move tells the client that its network is another now. It logs in anew when it
// has been away for a while.
func (c *client) move(away time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.retire()
	c.away = away
	c.nudge()
}

func (c *client) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// soothe has the client do nothing out of the ordinary any more.
func (c *client) soothe() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.calm {
		close(c.soothed)
	}
	c.calm = true
	for stream := range c.streams {
		if stream != c.trusted {
			stream.Sever()
		}
	}
}

func (c *client) online() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.trusted != nil
}

func (c *client) current() *wire.Stream {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.trusted
}

// stayAway waits for as long as the client wants to be away, or until nothing out
// of the ordinary is to happen any more.
func (c *client) stayAway(ctx context.Context) {
	c.mutex.Lock()
	away := c.away
	c.away = 0
	c.mutex.Unlock()
	ctx, cancel := context.WithTimeout(ctx, away)
	defer cancel()
	select {
	case <-c.soothed:
	case <-ctx.Done():
	}
}

// chance reports true once in n times, unless all is calm.
func (c *client) chance(n int) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return !c.calm && c.random.IntN(n) == 0
}

// part returns a random part of d.
func (c *client) part(d time.Duration) time.Duration {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return fraction(c.random, d)
}

// handle is the application.
func (c *client) handle(stream *wire.Stream, e wire.Element) error {
	if c.habit == slow {
		time.Sleep(c.part(30 * time.Millisecond))
	}
	switch {
	case wire.IsRequest(e):
		return wire.Write(stream.Session, wire.Answer(e))
	case e.Start().Name.Local != "message" || e.Get("type") == "error":
		return nil
	}
	id := e.Get("id")
	c.ledger.noteRead(id, wire.Intact(e, body(id)))
	if c.habit == silent || !wire.Asked(e) || id == "" {
		return nil
	}
	number := rand.Text()
	receipt, err := wire.Receipt(e, number)
	if err != nil {
		return err
	}
	if c.habit != lazy {
		c.ledger.noteAnswer(number, id)
		return wire.Write(stream.Session, receipt)
	}
	c.running.Add(1)
	time.AfterFunc(500*time.Millisecond+c.part(3*time.Second), func() {
		defer c.running.Done()
		if now := c.current(); now != nil {
			c.ledger.noteAnswer(number, id)
			_ = wire.Write(now.Session, receipt)
		}
	})
	return nil
}

// close ends the client's streams and waits for all it does. Its run must have
// ended.
func (c *client) close() {
	c.mutex.Lock()
	c.closed = true
	for stream := range c.streams {
		stream.Sever()
	}
	c.mutex.Unlock()
	c.running.Wait()
}
