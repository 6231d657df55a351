// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"net"
	"sync"
)

// Frames returns a WebSocket connection on which each top-level element is one
// write, and with that one message (RFC 7395 §3.3.3), however it is cut by who
// writes; white space between elements is left out, and the end of a stream over
// TCP becomes <close/>.
//
// It is for listeners, to be used before a session is negotiated. What Wrap's
// session writes is in order without it; what is written through the embedded
// session, such as answers to IQs of more than 4,096 bytes, is not.
func Frames(conn net.Conn) net.Conn {
	c := &framed{Conn: conn}
	if secure, ok := conn.(secured); ok {
		return securedFramed{c, secure}
	}
	return c
}

// framed is a connection that collects the bytes of an element.
type framed struct {
	net.Conn

	mu      sync.Mutex
	element []byte // what was written of it so far
	depth   int
	tag     bool // within a tag
	first   byte // of the tag, after its '<'
	last    byte // before the present one
	quote   byte // the quotation mark that is open
}

type securedFramed struct {
	*framed
	secured
}

// Write implements net.Conn. It says that all was written when the bytes wait for
// the rest of their element.
func (c *framed) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	start := 0
	for i, octet := range b {
		if len(c.element) == 0 && start == i && !c.tag && isSpace(octet) {
			start = i + 1
			continue
		}
		if !c.ends(octet) {
			continue
		}
		whole := b[start : i+1]
		if len(c.element) > 0 {
			whole = append(c.element, whole...)
			c.element = nil
		}
		start = i + 1
		if _, err := c.Conn.Write(framedEnd(whole)); err != nil {
			return start, err
		}
	}
	c.element = append(c.element, b[start:]...)
	return len(b), nil
}

// ends takes the next byte, and reports whether it is the last of an element.
func (c *framed) ends(octet byte) bool {
	last := c.last
	c.last = octet
	switch {
	case c.quote != 0:
		if octet == c.quote {
			c.quote = 0
		}
	case !c.tag:
		if octet == '<' {
			c.tag, c.first = true, 0
		}
	case c.first == 0:
		c.first = octet
	case octet == '\'' || octet == '"':
		c.quote = octet
	case octet == '>':
		c.tag = false
		return c.endsTag(last)
	}
	return false
}

// endsTag takes the end of a tag.
func (c *framed) endsTag(last byte) bool {
	switch {
	case c.first == '?':
		return false
	case c.first == '/':
		c.depth--
	case last != '/':
		c.depth++
	}
	c.depth = max(c.depth, 0) // the end of the stream began elsewhere
	return c.depth == 0
}

func isSpace(octet byte) bool {
	return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n'
}

// framedEnd returns an element, and <close/> for the end of a stream over TCP.
func framedEnd(element []byte) []byte {
	if string(element) == "</stream:stream>" {
		return []byte(closeFrame)
	}
	return element
}

const closeFrame = "<close xmlns='" + nsFraming + "'/>"
