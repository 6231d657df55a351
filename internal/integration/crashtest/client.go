// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package crashtest

import (
	"bufio"
	"context"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
)

// A Client is one end of a connection to a server.
type Client struct {
	Server  string // the address of that
	Address string
	Ended   chan struct{} // closed when nothing more is read

	conn    net.Conn
	handle  func(Stanza)
	writing sync.Mutex
	asked   atomic.Int64
	mu      sync.Mutex
	answers map[string]chan Stanza // by the id of the request
}

// Connect logs in. handle, unless it is nil, is called with every stanza that comes and is
// no answer.
func Connect(server, address string, handle func(Stanza)) (*Client, error) {
	c, err := dial(server, address)
	if err == nil {
		c.begin(handle)
	}
	return c, err
}

func dial(server, address string) (*Client, error) {
	conn, err := net.Dial("tcp", server)
	if err != nil {
		return nil, err
	}
	return &Client{Server: server, Address: address, Ended: make(chan struct{}), conn: conn, answers: make(map[string]chan Stanza)}, nil
}

func (c *Client) begin(handle func(Stanza)) {
	c.handle = handle
	go c.read()
	c.Write(c.Address)
}

func (c *Client) read() {
	defer close(c.Ended)
	lines := bufio.NewScanner(c.conn)
	for lines.Scan() {
		var s Stanza
		if err := xml.Unmarshal(lines.Bytes(), &s); err != nil {
			return // the line was cut
		}
		switch {
		case s.XMLName.Local == "iq" && s.Type == "result":
			c.answer(s)
		case c.handle != nil:
			c.handle(s)
		}
	}
}

func (c *Client) answer(s Stanza) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer := c.answers[s.ID]; answer != nil {
		answer <- s
		delete(c.answers, s.ID)
	}
}

// Write writes a line, and reports whether that went well. Whether it has arrived is known
// by the answer to a later request.
func (c *Client) Write(line string) bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.conn.Write([]byte(line + "\n"))
	return err == nil
}

// Ping is a request that says nothing.
const Ping = "<ping xmlns='urn:xmpp:ping'/>"

// Ask sends a request. The channel has its answer, unless the stream ends first.
func (c *Client) Ask(payload string) <-chan Stanza {
	id := fmt.Sprintf("ask-%d", c.asked.Add(1))
	answer := make(chan Stanza, 1)
	c.mu.Lock()
	c.answers[id] = answer
	c.mu.Unlock()
	c.Write(fmt.Sprintf("<iq type='get' id='%s' from='%s' to='%s'>%s</iq>", id, c.Address, Domain, payload))
	return answer
}

// Wait waits for the answer to what was asked.
func (c *Client) Wait(ctx context.Context, answer <-chan Stanza) (Stanza, error) {
	select {
	case s := <-answer:
		return s, nil
	case <-c.Ended:
	case <-ctx.Done():
		return Stanza{}, context.Cause(ctx)
	}
	select {
	case s := <-answer: // it came before the end
		return s, nil
	default:
		return Stanza{}, fmt.Errorf("the stream of %s has ended", c.Address)
	}
}

// Await asks, and waits for the answer.
func (c *Client) Await(ctx context.Context, payload string) (Stanza, error) {
	return c.Wait(ctx, c.Ask(payload))
}

// Hang ends the connection, and waits for nothing.
func (c *Client) Hang() { c.conn.Close() }

// Close ends the connection, and returns when nothing more is read.
func (c *Client) Close() {
	c.conn.Close()
	<-c.Ended
}

// A Recipient acknowledges each message, unless it is dark: then its connection swallows
// all that comes.
type Recipient struct {
	*Client
	Dark atomic.Bool

	ledger *Ledger
	login  *Login
}

// Juliet returns the bare address of a recipient.
func Juliet(number int) string { return fmt.Sprintf("juliet%d@%s", number, Domain) }

// NewRecipient logs a recipient in.
func NewRecipient(server, address string, l *Ledger) (*Recipient, error) {
	c, err := dial(server, address)
	if err != nil {
		return nil, err
	}
	r := &Recipient{Client: c, ledger: l, login: l.LogIn()}
	c.begin(r.take)
	go func() {
		<-c.Ended
		l.End(r.login)
	}()
	return r, nil
}

func (r *Recipient) take(s Stanza) {
	switch {
	case r.Dark.Load():
	case s.XMLName.Local == "iq":
		r.Write(fmt.Sprintf("<iq type='result' id='%s' from='%s' to='%s'/>", s.ID, r.Address, s.From))
	case s.Body != "":
		r.ledger.Receive(r.login, s.ID)
		r.Write(fmt.Sprintf("<message id='r-%s' from='%s' to='%s'><received xmlns='urn:xmpp:receipts' id='%s'/></message>",
			s.ID, r.Address, s.From, s.ID))
	}
}

// Leave closes the connection. Receipts that the server has not read may be lost with it.
func (r *Recipient) Leave() {
	r.ledger.End(r.login)
	r.Close()
}

// NewSender logs a sender in. The ledger is told what comes back.
func NewSender(server string, number int, l *Ledger) (*Client, error) {
	return Connect(server, fmt.Sprintf("romeo%d@%s/orchard", number, Domain), func(s Stanza) {
		switch {
		case s.Type == "error":
			l.Refuse(s.ID)
		case s.Received != nil:
			l.Receipt(s.Received.ID)
		}
	})
}

// Compose returns a message of some length that asks for a receipt, and is in the ledger.
func Compose(l *Ledger, p Pair, random *rand.Rand) (text, id string) {
	id = l.Send(p)
	return fmt.Sprintf("<message type='chat' id='%s' from='romeo%d@%s/orchard' to='%s'><body>%0*d</body><request xmlns='urn:xmpp:receipts'/></message>",
		id, p.Sender, Domain, Juliet(p.Recipient), 1+random.IntN(400), random.IntN(10)), id
}
