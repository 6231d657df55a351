// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Kind says what an Event is.
type Kind string

// The kinds of Events.
const (
	Online  Kind = "online"  // Address is bound, and the server knows that it is there
	Offline Kind = "offline" // the stream has ended; a new one follows by itself
	Message Kind = "message" // one with a body was shown
	Receipt Kind = "receipt" // ID is that of the message that was received
	Failure Kind = "failure" // an error came back for the message ID
	Trouble Kind = "trouble" // the client has a fault, as Body says
)

// An Event is what happened to a Client.
type Event struct {
	Kind    Kind   `json:"kind"`
	Address string `json:"address,omitempty"`
	From    string `json:"from,omitempty"`
	ID      string `json:"id,omitempty"`
	Body    string `json:"body,omitempty"`
	Delayed bool   `json:"delayed,omitempty"` // it says that it was kept somewhere
}

// A Client is other people's client, which logs in, and in again when its stream has ended.
// It asks for a receipt with each message and answers those who ask.
//
// Commands go to it, and Events come from it, as a line of JSON each. Its methods may be
// called by several goroutines, those that end the test by the test's alone.
type Client struct {
	t       testing.TB
	name    string
	in      io.Writer
	program func() *process // the one that it is now

	mutex   sync.Mutex
	events  []Event
	ended   error
	changed chan struct{} // closed when any of this changes
}

// A login is the first line that a client is given.
type login struct {
	Address  string  `json:"address"`
	Password string  `json:"password"`
	Server   string  `json:"server"` // its address, or URL
	CA       string  `json:"ca,omitempty"`
	Work     float64 `json:"work,omitempty"`   // in seconds
	Answer   bool    `json:"answer,omitempty"` // by hand, where the library does not by itself
}

// A send is each later line.
type send struct {
	To   string `json:"to"`
	ID   string `json:"id"`
	Body string `json:"body"`
}

// startClient starts a client that is a program. It stops when the test ends.
func startClient(t testing.TB, name string, command *exec.Cmd, l login) *Client {
	t.Helper()
	p := &process{}
	in, out, err := p.startTalking(command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t, name) })
	return newClient(t, name, func() *process { return p }, in, out, l)
}

// newClient has a client that is told by in and tells by out log in, and waits until it has.
func newClient(t testing.TB, name string, program func() *process, in io.Writer, out io.Reader, l login) *Client {
	t.Helper()
	c := &Client{t: t, name: name, program: program, in: in, changed: make(chan struct{})}
	go c.listen(out)
	c.tell(l)
	c.Wait(Online, 1)
	return c
}

// listen notes what happens until the client ends.
func (c *Client) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e Event
		err := json.Unmarshal(lines.Bytes(), &e)
		c.change(func() {
			if err == nil {
				c.events = append(c.events, e)
			} else if c.ended == nil {
				c.ended = err
			}
		})
	}
	c.change(func() { c.ended = io.EOF })
}

func (c *Client) change(f func()) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}

// state returns what has happened so far, and what is closed when more has.
func (c *Client) state() ([]Event, <-chan struct{}, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return slices.Clone(c.events), c.changed, c.ended
}

// tell gives the client a line.
func (c *Client) tell(command any) {
	c.t.Helper()
	line, err := json.Marshal(command)
	if err == nil {
		_, err = c.in.Write(append(line, '\n'))
	}
	if err != nil {
		c.t.Errorf("%s takes no command: %v", c.name, err)
	}
}

// Send has the client send a chat message that asks for a receipt. It does not wait until it
// is sent. While the client is offline that may wait, or be lost.
func (c *Client) Send(to, id, body string) {
	c.t.Helper()
	c.tell(send{to, id, body})
}

// Stop has the client stand still (SIGSTOP) until Continue is called: its connection stays.
func (c *Client) Stop() {
	c.t.Helper()
	c.signal(syscall.SIGSTOP)
}

// Continue ends what Stop began.
func (c *Client) Continue() {
	c.t.Helper()
	c.signal(syscall.SIGCONT)
}

func (c *Client) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.program().signal(s); err != nil {
		c.t.Fatalf("%s gets no %v: %v", c.name, s, err)
	}
}

// Address returns the client's full address, of its newest stream.
func (c *Client) Address() string {
	online := c.Events(Online)
	return online[len(online)-1].Address
}

// Events returns what has happened of that kind so far, in order.
func (c *Client) Events(kind Kind) []Event {
	events, _, _ := c.state()
	return only(events, kind)
}

// Wait waits until there are so many Events of a kind since the client was started, and
// returns all of that kind. It ends the test if nothing happens for 30 seconds, but that the client
// logs in and out.
func (c *Client) Wait(kind Kind, count int) []Event {
	c.t.Helper()
	var late <-chan time.Time
	for happened := -1; ; {
		events, changed, ended := c.state()
		if now := len(events) - len(only(events, Online)) - len(only(events, Offline)); now > happened {
			happened, late = now, time.After(patience)
		}
		found := only(events, kind)
		if len(found) >= count {
			return found
		}
		if ended != nil {
			c.t.Fatalf("%s has ended (%v); it has seen %d of %d of kind %s", c.name, ended, len(found), count, kind)
		}
		select {
		case <-changed:
		case <-late:
			c.t.Fatalf("%s has seen %d of %d of kind %s; the last of all: %+v", c.name, len(found), count, kind, last(events, 5))
		}
	}
}

func only(events []Event, kind Kind) (found []Event) {
	for _, e := range events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

func last(events []Event, count int) []Event { return events[max(0, len(events)-count):] }

// await returns what comes.
func await[T any](t testing.TB, name string, from <-chan T) (come T) {
	t.Helper()
	select {
	case come = <-from:
	case <-time.After(patience):
		t.Fatalf("%s does not come", name)
	}
	return come
}
