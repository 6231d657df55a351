// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// A presence is a recipient's connection, which acknowledges each message unless it is
// dark: then it swallows all that comes.
type presence struct {
	*client
	login  *login
	ledger *ledger
	dark   atomic.Bool
}

// present logs a recipient in at a node.
func present(node, address string, l *ledger) (*presence, error) {
	p := &presence{login: l.open(), ledger: l}
	c, err := connect(node, address, p.handle)
	if err != nil {
		return nil, err
	}
	p.client = c
	go func() {
		<-c.ended
		l.end(p.login)
	}()
	return p, nil
}

func (p *presence) handle(c *client, s stanza) {
	switch {
	case p.dark.Load():
	case s.XMLName.Local == "iq":
		c.write(fmt.Sprintf("<iq type='result' id='%s' from='%s' to='%s'/>", s.ID, c.address, s.From))
	case s.Body != "":
		p.ledger.receive(p.login, s.ID)
		c.write(fmt.Sprintf("<message id='r-%s' from='%s' to='%s'><received xmlns='urn:xmpp:receipts' id='%s'/></message>",
			s.ID, c.address, s.From, s.ID))
	}
}

// leave closes the connection. Receipts that the node has not read may be lost with it.
func (p *presence) leave() {
	p.ledger.end(p.login)
	p.close()
}

func juliet(number int) string { return fmt.Sprintf("juliet%d@%s", number, domain) }

// A recipient roams between nodes.
type recipient struct {
	number  int
	cluster *cluster
	ledger  *ledger
	random  *rand.Rand
	now     *presence   // where it is now; nil: nowhere
	dark    []*presence // what it has left behind
}

// roam logs in here and there until ctx ends.
func (r *recipient) roam(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.logIn(); err != nil { // the node has just died
			continue
		}
		r.stay(ctx)
		switch r.random.IntN(3) {
		case 0: // it is there still when the next stream opens
		case 1:
			r.logOut()
			pause(ctx, r.random, 200*time.Millisecond)
		case 2:
			r.now.dark.Store(true)
			r.dark = append(r.dark, r.now)
			r.now = nil
		}
	}
}

// logIn logs in at some node, with the usual resource or with another.
func (r *recipient) logIn() error {
	resource := "phone"
	if r.random.IntN(2) == 0 {
		resource = fmt.Sprintf("phone-%d", r.random.Uint32())
	}
	next, err := present(r.cluster.any(r.random), juliet(r.number)+"/"+resource, r.ledger)
	if err != nil {
		return err
	}
	r.logOut()
	r.now = next
	return nil
}

func (r *recipient) logOut() {
	if r.now != nil {
		r.now.leave()
		r.now = nil
	}
}

// stay waits some time at most, or until the node ends the stream.
func (r *recipient) stay(ctx context.Context) {
	select {
	case <-r.now.ended:
	case <-time.After(part(r.random, 400*time.Millisecond)):
	case <-ctx.Done():
	}
}

// pause waits some time at most.
func pause(ctx context.Context, random *rand.Rand, most time.Duration) {
	select {
	case <-time.After(part(random, most)):
	case <-ctx.Done():
	}
}

func part(random *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(most)))
}

// close closes all connections.
func (r *recipient) close() {
	r.logOut()
	for _, p := range r.dark {
		p.leave()
	}
}

// A sender sends by way of one node as long as that lives.
type sender struct {
	number  int
	cluster *cluster
	ledger  *ledger
	random  *rand.Rand
	node    int // by which it sends
	client  *client
}

// sendAll sends so many messages, and returns when all are acknowledged.
func (s *sender) sendAll(ctx context.Context, messages, recipients int) error {
	for messages > 0 {
		texts, ids := s.compose(min(messages, 1+s.random.IntN(8)), recipients)
		if err := s.send(ctx, texts, ids); err != nil {
			return err
		}
		if messages -= len(ids); messages > 0 {
			pause(ctx, s.random, 250*time.Millisecond) // or all would be sent before a deadline comes
		}
	}
	return nil
}

func (s *sender) compose(messages, recipients int) (texts, ids []string) {
	for range messages {
		to := s.random.IntN(recipients)
		id := s.ledger.send(pair{s.number, to})
		ids = append(ids, id)
		texts = append(texts, s.message(id, juliet(to)))
	}
	return texts, ids
}

func (s *sender) message(id, to string) string {
	return fmt.Sprintf("<message type='chat' id='%s' from='%s' to='%s'><body>%0*d</body><request xmlns='urn:xmpp:receipts'/></message>",
		id, s.address(), to, 1+s.random.IntN(400), s.random.IntN(10))
}

func (s *sender) address() string { return fmt.Sprintf("romeo%d@%s/orchard", s.number, domain) }

// send sends messages until they are acknowledged, by one node or another.
func (s *sender) send(ctx context.Context, texts, ids []string) error {
	for tries := 0; ; tries++ {
		if err := s.connect(ctx); err != nil {
			return err
		}
		s.ledger.write(ids, s.client.node, tries > 0)
		for _, text := range texts {
			s.client.write(text)
		}
		_, err := s.client.await(ctx, ping)
		if err == nil {
			s.ledger.acknowledge(ids)
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		s.close()
	}
}

// connect sees to it that there is a connection, to the next node that lives.
func (s *sender) connect(ctx context.Context) (err error) {
	for ; s.client == nil; s.node++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		address, lives := s.cluster.address(s.node)
		if !lives {
			continue
		}
		if s.client, err = connect(address, s.address(), s.handle); err == nil {
			return nil
		}
		s.client = nil
	}
	return nil
}

func (s *sender) handle(_ *client, e stanza) {
	switch {
	case e.Type == "error":
		s.ledger.refuse(e.ID)
	case e.Received != nil:
		s.ledger.receipt(e.Received.ID)
	}
}

func (s *sender) close() {
	if s.client != nil {
		s.client.close()
		s.client = nil
	}
}

// A cluster is some nodes on one database, of which some may be dead.
type cluster struct {
	job job

	mu    sync.Mutex
	nodes []*process // nil: dead
	done  state      // of those that have died
}

func (c *cluster) address(number int) (address string, lives bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.nodes[number%len(c.nodes)]; p != nil {
		return p.address, true
	}
	return "", false
}

// any returns the address of some node that lives. One always does.
func (c *cluster) any(random *rand.Rand) string {
	for {
		if address, lives := c.address(random.IntN(len(c.nodes))); lives {
			return address
		}
	}
}

// start starts a node.
func (c *cluster) start(number int) error {
	p, err := start(c.job)
	if p != nil {
		c.mu.Lock()
		c.nodes[number] = p
		c.mu.Unlock()
	}
	return err
}

// kill kills a node, and returns what it has complained of.
func (c *cluster) kill(ctx context.Context, number int) (complaints string, err error) {
	p := c.node(number)
	last, _ := p.state(ctx)
	c.mu.Lock()
	c.nodes[number] = nil
	c.done.add(last)
	c.mu.Unlock()
	return p.kill()
}

func (c *cluster) node(number int) *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[number]
}

// state returns what all nodes together have, and what they have done.
func (c *cluster) state(ctx context.Context) (state, error) {
	sum := c.done
	for i := range c.nodes {
		s, err := c.node(i).state(ctx)
		if err != nil {
			return state{}, err
		}
		sum.add(s)
		sum.Rows, sum.Packets = s.Rows, sum.Packets+s.Packets
	}
	return sum, nil
}

// add adds what was done.
func (s *state) add(other state) {
	s.Asked += other.Asked
	s.Kept += other.Kept
	s.Acted += other.Acted
	s.Elsewhere += other.Elsewhere
}
