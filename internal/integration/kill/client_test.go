// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package kill

import (
	"bufio"
	"context"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A client is one end of a connection to the relay.
type client struct {
	address string
	conn    net.Conn
	writing sync.Mutex
	ended   chan struct{} // closed when nothing more is read
	asked   atomic.Int64
	mu      sync.Mutex
	answers map[string]chan stanza // by the id of the request
}

// connect logs in. handle is called with every stanza that comes and is no answer.
func connect(relay, address string, handle func(*client, stanza)) (*client, error) {
	conn, err := net.Dial("tcp", relay)
	if err != nil {
		return nil, err
	}
	c := &client{address: address, conn: conn, ended: make(chan struct{}), answers: make(map[string]chan stanza)}
	go c.read(handle)
	c.write(address)
	return c, nil
}

func (c *client) read(handle func(*client, stanza)) {
	defer close(c.ended)
	lines := bufio.NewScanner(c.conn)
	for lines.Scan() {
		var s stanza
		if err := xml.Unmarshal(lines.Bytes(), &s); err != nil {
			return // the line was cut
		}
		if s.XMLName.Local == "iq" && s.Type == "result" {
			c.answer(s)
		} else {
			handle(c, s)
		}
	}
}

func (c *client) answer(s stanza) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer := c.answers[s.ID]; answer != nil {
		answer <- s
		delete(c.answers, s.ID)
	}
}

// write writes a line, and reports whether that went well.
func (c *client) write(line string) bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.conn.Write([]byte(line + "\n"))
	return err == nil
}

// ask sends a request. The channel has its answer, unless the stream ends first.
func (c *client) ask(payload string) <-chan stanza {
	id := fmt.Sprintf("ask-%d", c.asked.Add(1))
	answer := make(chan stanza, 1)
	c.mu.Lock()
	c.answers[id] = answer
	c.mu.Unlock()
	c.write(fmt.Sprintf("<iq type='get' id='%s' from='%s' to='%s'>%s</iq>", id, c.address, domain, payload))
	return answer
}

// await asks, and waits for the answer.
func (c *client) await(ctx context.Context, payload string) (stanza, error) {
	select {
	case answer := <-c.ask(payload):
		return answer, nil
	case <-c.ended:
		return stanza{}, fmt.Errorf("the stream of %s has ended", c.address)
	case <-ctx.Done():
		return stanza{}, context.Cause(ctx)
	}
}

// close ends the connection, and returns when nothing more is read.
func (c *client) close() {
	c.conn.Close()
	<-c.ended
}

// A recipient reads messages and acknowledges each, unless it is dark: then its
// connection swallows all that comes.
type recipient struct {
	*client
	ledger *ledger
	dark   atomic.Bool
	order  map[pair]int
}

func newRecipient(relay string, number int, resource string, l *ledger) (*recipient, error) {
	r := &recipient{ledger: l, order: make(map[pair]int)}
	c, err := connect(relay, fmt.Sprintf("juliet%d@%s/%s", number, domain, resource), r.handle)
	r.client = c
	return r, err
}

func (r *recipient) handle(c *client, s stanza) {
	switch {
	case r.dark.Load():
	case s.XMLName.Local == "iq":
		c.write(fmt.Sprintf("<iq type='result' id='%s' from='%s' to='%s'/>", s.ID, c.address, s.From))
	case s.Body != "":
		r.ledger.receive(r.order, s.ID)
		c.write(fmt.Sprintf("<message id='r-%s' from='%s' to='%s'><received xmlns='urn:xmpp:receipts' id='%s'/></message>",
			s.ID, c.address, s.From, s.ID))
	}
}

// A sender sends messages to recipients by chance, as fast as they are acknowledged.
type sender struct {
	*client
	number int
	ledger *ledger
	random *rand.Rand
	done   chan struct{} // closed when it sends no more, and no answer is to come
}

func newSender(relay string, number int, l *ledger, seed uint64) (*sender, error) {
	s := &sender{number: number, ledger: l, random: rand.New(rand.NewPCG(seed, uint64(number))), done: make(chan struct{})}
	c, err := connect(relay, fmt.Sprintf("romeo%d@%s/orchard", number, domain), s.handle)
	s.client = c
	return s, err
}

func (s *sender) handle(_ *client, e stanza) {
	switch {
	case e.Type == "error":
		s.ledger.refuse(e.ID)
	case e.Received != nil:
		s.ledger.receipt(e.Received.ID)
	}
}

// A part is some messages and the answer to what was sent after them.
type part struct {
	ids    []string
	answer <-chan stanza
}

// unanswered is how many parts a sender has under way.
const unanswered = 3

// sendAll sends until ctx or the stream ends.
func (s *sender) sendAll(ctx context.Context, recipients int) {
	parts := make(chan part, unanswered)
	go s.acknowledge(parts)
	defer close(parts)
	for ctx.Err() == nil {
		p := part{}
		for range 1 + s.random.IntN(8) {
			id, ok := s.sendOne(s.random.IntN(recipients))
			if !ok {
				return
			}
			p.ids = append(p.ids, id)
		}
		p.answer = s.ask("<ping xmlns='urn:xmpp:ping'/>")
		parts <- p // acknowledge takes it, at the end of the stream too
	}
}

// sendOne sends a message, and reports whether the stream took it.
func (s *sender) sendOne(recipient int) (id string, ok bool) {
	id = s.ledger.send(pair{s.number, recipient})
	ok = s.write(fmt.Sprintf("<message type='chat' id='%s' from='%s' to='juliet%d@%s'><body>%0*d</body><request xmlns='urn:xmpp:receipts'/></message>",
		id, s.address, recipient, domain, 1+s.random.IntN(400), s.random.IntN(10)))
	return id, ok
}

// acknowledge waits for the answers.
func (s *sender) acknowledge(parts <-chan part) {
	defer close(s.done)
	for p := range parts {
		select {
		case <-p.answer:
			s.ledger.acknowledge(p.ids)
			continue
		case <-s.ended:
		}
		select {
		case <-p.answer: // it came before the end
			s.ledger.acknowledge(p.ids)
		default:
		}
	}
}

// patience is how long the tests wait for what has to come.
const patience = 30 * time.Second
