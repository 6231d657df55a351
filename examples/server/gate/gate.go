// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package gate stands between a client's connection and the parser of its XML. It hands
// on one whole element at a time, and nothing that is beyond the limits: encoding/xml
// itself reads a text or a tag to its end before anybody can look at its size.
//
// It also makes up for three things that real clients do, and that a negotiation on
// encoding/xml does not survive: white space between elements is left out, what follows
// an element is not swallowed by a parser that is replaced after it, and white space
// between <starttls/> and the TLS handshake is passed over.
package gate

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Why a client is let in no further. ErrRestricted is for comments, processing
// instructions and document types (RFC 6120 §11.1), ErrText for text outside of elements.
var (
	ErrTooLarge   = errors.New("gate: element is too large")
	ErrTooDeep    = errors.New("gate: element is nested too deeply")
	ErrRestricted = errors.New("gate: XML that is forbidden on a stream")
	ErrText       = errors.New("gate: text where there is no element")
)

// errClosed ends a Read after Close.
var errClosed = errors.New("gate: connection is closed")

// Limits bound what comes from one client.
type Limits struct {
	Size  int // bytes of one element; default 256 KiB
	Depth int // elements inside one another; default 64

	// Rate is how many bytes a second are read; what is beyond waits in the client. An
	// element counts as 256 bytes at least. Default: no limit.
	Rate int
}

// leastCost is what an element costs, in bytes, however short it is: it is work too.
const leastCost = 256

// readSize is how much is read at once, unless the caller of Read asks for less and little comes.
const readSize = 4096

// A Conn is a connection behind a gate. Read hands out whole elements, one at a time.
type Conn struct {
	net.Conn

	scan    scanner
	limits  Limits
	limiter *rate.Limiter // nil: no limit

	waiting []byte // what was read and not yet handed out
	lent    bool   // waiting lies in the caller's buffer: an idle client needs none of ours
	much    bool   // there was more to be read than there was room for
	whole   int    // how much of it belongs to whole elements
	scanned int    // how much of it the scanner has seen
	failed  error
	raw     bool // what comes is no XML any more
	spaces  bool // white space is left out until something else comes
	ended   bool // the last element ended the stream

	closing sync.Once
	closed  chan struct{}
}

// New returns conn behind a gate.
func New(conn net.Conn, limits Limits) *Conn {
	if limits.Size <= 0 {
		limits.Size = 256 << 10
	}
	if limits.Depth <= 0 {
		limits.Depth = 64
	}
	c := &Conn{Conn: conn, limits: limits, closed: make(chan struct{})}
	if limits.Rate > 0 {
		c.limiter = rate.NewLimiter(rate.Limit(limits.Rate), max(limits.Rate, limits.Size+readSize))
	}
	return c
}

// SetSize changes the limit of an element's size: who has not logged in may say less.
func (c *Conn) SetSize(size int) { c.limits.Size = size }

// Raw has everything from here on pass as it is, for a TLS handshake. It reports whether
// nothing but white space came already: what was sent in the clear must not be taken for
// what is said under TLS.
func (c *Conn) Raw() bool {
	clean := len(bytes.TrimSpace(c.waiting)) == 0
	c.waiting, c.whole, c.scanned = nil, 0, 0
	c.raw, c.spaces = true, true
	return clean
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if c.raw {
		return c.readRaw(p)
	}
	select {
	case <-c.closed: // what was read before is not worked on
		return 0, errClosed
	default:
	}
	for c.whole == 0 {
		if c.failed == nil && c.next() {
			break
		}
		if c.failed != nil {
			return 0, c.failed
		}
		if err := c.fill(p); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.waiting[:c.whole])
	c.waiting, c.whole, c.scanned = c.waiting[n:], c.whole-n, c.scanned-n
	c.own()
	return n, nil
}

// readRaw reads what is no XML.
func (c *Conn) readRaw(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if !c.spaces || n == 0 {
			return n, err
		}
		start := 0
		for start < n && isSpace(p[start]) {
			start++
		}
		if start == n && err == nil {
			continue
		}
		c.spaces = false
		return copy(p, p[start:n]), err
	}
}

// fill reads more: into p if nothing waits and there is not much to come.
func (c *Conn) fill(p []byte) error {
	c.own()
	c.lent = len(c.waiting) == 0 && !c.much
	if !c.lent {
		c.waiting = slices.Grow(c.waiting, readSize)
		p = c.waiting[len(c.waiting) : len(c.waiting)+readSize]
	}
	n, err := c.Conn.Read(p)
	c.much = n == len(p)
	if c.lent {
		c.waiting = p[:n]
	} else {
		c.waiting = c.waiting[:len(c.waiting)+n]
	}
	if n > 0 {
		return c.wait(n)
	}
	return err
}

// own copies what waits out of the caller's buffer.
func (c *Conn) own() {
	if len(c.waiting) == 0 {
		c.waiting = nil
	} else if c.lent {
		c.waiting = bytes.Clone(c.waiting)
	}
	c.lent = false
}

// next looks for the end of the next element in what was read.
func (c *Conn) next() bool {
	for c.scanned < len(c.waiting) {
		octet := c.waiting[c.scanned]
		if c.scanned == 0 && c.scan.isBetween() && isSpace(octet) {
			c.waiting = c.waiting[1:]
			continue
		}
		c.scanned++
		ended, err := c.scan.add(octet)
		switch {
		case err != nil:
			c.failed = err
		case c.scan.depth > c.limits.Depth:
			c.failed = ErrTooDeep
		case c.scanned > c.limits.Size:
			c.failed = ErrTooLarge
		case ended:
			c.failed = c.wait(leastCost - c.scanned)
			c.whole = c.scanned
			c.ended = endsStream(c.waiting)
			return c.failed == nil
		default:
			continue
		}
		return false
	}
	return false
}

// endsStream reports whether an element is the last one of a stream, over TCP or in frames.
func endsStream(element []byte) bool {
	return bytes.HasPrefix(element, []byte("</")) || bytes.HasPrefix(element, []byte("<close "))
}

// Ended reports whether the client has ended its stream in order.
func (c *Conn) Ended() bool { return c.ended }

// wait holds back a client that sends faster than it may.
func (c *Conn) wait(cost int) error {
	if c.limiter == nil || cost <= 0 {
		return nil
	}
	delay := c.limiter.ReserveN(time.Now(), cost).Delay()
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.closed:
		return errClosed
	}
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	c.closing.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
