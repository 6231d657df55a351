// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/cache"
)

type (
	ctx    = context.Context
	packet = cache.Packet
)

// latency is how long it takes a client to answer.
const latency = 20 * time.Millisecond

// A habit is what a client does.
type habit struct {
	acks   func(c *client, stanza string) string // its answer to a message, "" for none
	deaf   bool                                  // answers no pings
	atOnce bool                                  // answers before Conn.Write returns
	slow   time.Duration                         // answers so much later than others
}

// The clients of the scenarios.
var (
	acknowledges = habit{acks: ackFull}
	silent       = habit{}                            // reads, answers pings, never acknowledges
	deaf         = habit{deaf: true}                  // reads, and answers nothing
	hasty        = habit{acks: ackFull, atOnce: true} // acknowledges inside of Write
)

func ackFull(_ *client, stanza string) string {
	return receiptTo(attribute(stanza, "from"), attribute(stanza, "id"))
}

// A client is one of the recipient's clients, and the connection to it.
type client struct {
	world    *world
	address  string
	habit    habit
	session  *untilack.Session
	away     bool
	priority int

	mu      sync.Mutex
	inbox   []string // what reached the client
	broken  error    // what Write returns
	dark    bool     // what is written vanishes, and Write says nothing
	stalled bool     // Write blocks until the stream is ended
	hangs   bool     // End blocks, and ends nothing
	off     bool     // the client is gone
	ended   []untilack.Reason
	end     chan struct{}
}

// online has a client of the usual recipient log in.
func (w *world) online(resource string, h habit) *client {
	w.t.Helper()
	return w.login(&client{habit: h}, richard+"/"+resource)
}

// login has a client log in.
func (w *world) login(c *client, address string) *client {
	w.t.Helper()
	c.world, c.address, c.end = w, address, make(chan struct{})
	session, err := w.keeper.Attach(address, c, &untilack.StreamOptions{Away: c.away, Priority: c.priority})
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	c.session = session
	w.clients = append(w.clients, c)
	w.mu.Unlock()
	synctest.Wait()
	return c
}

func (c *client) gone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.off || len(c.ended) > 0
}

// Write implements untilack.Conn.
func (c *client) Write(_ context.Context, stanza []byte) error {
	c.mu.Lock()
	dark, stalled, broken := c.dark || c.off, c.stalled, c.broken
	if !dark && !stalled && broken == nil {
		c.inbox = append(c.inbox, string(stanza))
	}
	c.mu.Unlock()
	switch {
	case stalled:
		<-c.end
		return errors.New("connection closed")
	case broken != nil || dark:
		return broken
	}
	c.answer(string(stanza))
	return nil
}

// End implements untilack.Conn.
func (c *client) End(_ context.Context, r untilack.Reason) error {
	if c.hangs {
		<-c.end
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended = append(c.ended, r); len(c.ended) == 1 {
		close(c.end)
	}
	return nil
}

// answer answers a stanza as the client is used to.
func (c *client) answer(stanza string) {
	var answer string
	switch {
	case strings.HasPrefix(stanza, "<iq") && !c.habit.deaf:
		answer = "<iq type='result' id='" + attribute(stanza, "id") + "'/>"
	case strings.HasPrefix(stanza, "<message") && c.habit.acks != nil && strings.Contains(stanza, request):
		answer = c.habit.acks(c, stanza)
	}
	if answer == "" {
		return
	}
	if c.habit.atOnce {
		c.says(answer)
		return
	}
	time.AfterFunc(latency+c.habit.slow, func() {
		if !c.gone() && !c.isDark() {
			c.says(answer)
		}
	})
}

func (c *client) isDark() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dark
}

// says has the client send a stanza, which the host routes on if it is to be.
func (c *client) says(stanza string) {
	c.world.mu.Lock()
	session := c.session
	c.world.mu.Unlock()
	if session == nil || !session.Receive([]byte(stanza)) {
		return
	}
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	c.world.routed = append(c.world.routed, stanza)
}

// goesDark has the client go into a tunnel: nobody is told.
func (c *client) goesDark() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dark = true
}

// fails has every Write return an error, nil for none.
func (c *client) fails(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = err
}

// stalls has every Write block.
func (c *client) stalls() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = true
}

// leaves has the client log out.
func (c *client) leaves() { c.hangsUp(true) }

// dies has the client's connection break.
func (c *client) dies() { c.hangsUp(false) }

func (c *client) hangsUp(clean bool) {
	c.mu.Lock()
	c.off = true
	c.mu.Unlock()
	c.session.Close()
	synctest.Wait()
}

// presence has the client change its presence.
func (c *client) presence(available bool, priority int) {
	c.world.mu.Lock()
	c.away, c.priority = !available, priority
	c.world.mu.Unlock()
	c.session.Presence(available, priority)
	synctest.Wait()
}

// messages returns the messages that reached the client.
func (c *client) messages() (all []string) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, stanza := range c.inbox {
		if strings.HasPrefix(stanza, "<message") {
			all = append(all, stanza)
		}
	}
	return all
}

// got fails the test unless exactly these messages reached the client, in order.
func (c *client) got(ids ...string) {
	c.world.t.Helper()
	if diff := cmp.Diff(ids, idsOf(c.messages())); diff != "" {
		c.world.t.Errorf("%s got (-want +got):\n%s", c.address, diff)
	}
}

// gotLate fails the test unless the client's n-th message is one that was sent as
// given, with a delay stamp of its first reception and nothing else changed.
func (c *client) gotLate(n int, stanza string, received time.Time) {
	c.world.t.Helper()
	all := c.messages()
	if n >= len(all) {
		c.world.t.Errorf("%s got %d messages, want one more", c.address, len(all))
		return
	}
	plain, stamps := undelayed(all[n])
	want := []string{received.UTC().Format("2006-01-02T15:04:05.999Z") + " by " + england}
	if plain != stanza || cmp.Diff(want, stamps) != "" {
		c.world.t.Errorf("%s got\n%s\nwant\n%s\nwith one delay, %s", c.address, all[n], stanza, want)
	}
}

// gotPlain fails the test unless the client's n-th message is exactly this.
func (c *client) gotPlain(n int, stanza string) {
	c.world.t.Helper()
	if all := c.messages(); n >= len(all) || all[n] != stanza {
		c.world.t.Errorf("%s got %q, want its number %d to be %s", c.address, all, n, stanza)
	}
}

// wasEnded fails the test unless the server has ended the stream for that reason.
func (c *client) wasEnded(want untilack.Reason) {
	c.world.t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ended) != 1 || c.ended[0] != want {
		c.world.t.Errorf("%s was ended %v, want once: %v", c.address, c.ended, want)
	}
}

// resource returns the resource of the client's address.
func (c *client) resource() string { return c.address[len(cache.Bare(c.address))+1:] }
