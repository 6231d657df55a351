// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

import (
	"bufio"
	"context"
	"encoding/xml"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// A client is one end of a connection to a node.
type client struct {
	node    string // its address
	address string
	conn    net.Conn
	handle  func(*client, stanza)
	writing sync.Mutex
	ended   chan struct{} // closed when nothing more is read
	asked   atomic.Int64
	mu      sync.Mutex
	answers map[string]chan stanza // by the id of the request
}

// connect logs in. handle is called with every stanza that comes and is no answer, unless
// it is nil.
func connect(node, address string, handle func(*client, stanza)) (*client, error) {
	conn, err := net.Dial("tcp", node)
	if err != nil {
		return nil, err
	}
	c := &client{node: node, address: address, conn: conn, handle: handle, ended: make(chan struct{}), answers: make(map[string]chan stanza)}
	go c.read()
	c.write(address)
	return c, nil
}

func (c *client) read() {
	defer close(c.ended)
	lines := bufio.NewScanner(c.conn)
	for lines.Scan() {
		var s stanza
		if err := xml.Unmarshal(lines.Bytes(), &s); err != nil {
			return // the line was cut
		}
		switch {
		case s.XMLName.Local == "iq" && s.Type == "result":
			c.answer(s)
		case c.handle != nil:
			c.handle(c, s)
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

// write writes a line. Whether it arrives is seen by the answer to a later request.
func (c *client) write(line string) {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, _ = c.conn.Write([]byte(line + "\n"))
}

// await sends a request, and waits for the answer.
func (c *client) await(ctx context.Context, payload string) (stanza, error) {
	id := fmt.Sprintf("ask-%d", c.asked.Add(1))
	answer := make(chan stanza, 1)
	c.mu.Lock()
	c.answers[id] = answer
	c.mu.Unlock()
	c.write(fmt.Sprintf("<iq type='get' id='%s' from='%s' to='%s'>%s</iq>", id, c.address, domain, payload))
	select {
	case s := <-answer:
		return s, nil
	case <-c.ended:
	case <-ctx.Done():
		return stanza{}, context.Cause(ctx)
	}
	select {
	case s := <-answer: // it came before the end
		return s, nil
	default:
		return stanza{}, fmt.Errorf("the stream of %s has ended", c.address)
	}
}

// ping is a request that says nothing.
const ping = "<ping xmlns='urn:xmpp:ping'/>"

// close ends the connection, and returns when nothing more is read.
func (c *client) close() {
	c.conn.Close()
	<-c.ended
}
