// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// A pipe is one direction of a line. It passes bytes on as a slow, lossy network
// does: late, in pieces cut anywhere, with pauses where a packet had to be sent
// again; and it fails as its line is told to.
type pipe struct {
	from, to *net.TCPConn
	shape    shape
	random   *rand.Rand // the writer's own
	chunks   chan chunk
	ended    <-chan struct{} // the line's
	fired    func()          // called when the bytes before a cut have passed

	mutex   sync.Mutex
	mode    mode
	until   time.Time     // the end of a hold
	left    int           // how many bytes pass before the cut; negative: there is none
	changed chan struct{} // closed when any of this changes
}

// A mode is what a pipe does with what it is given.
type mode int

const (
	pass    mode = iota
	hold         // it waits, for a while, and then arrives after all
	stall        // nothing is taken any more
	swallow      // everything is taken and thrown away
)

// A chunk is what came in at once, or the end.
type chunk struct {
	data    []byte
	end     error
	arrived time.Time
}

// A shape says how bad a pipe is while it works.
type shape struct {
	delay, jitter time.Duration
	bandwidth     int     // bytes per second; 0: no limit
	loss          float64 // of a chunk, to be sent again
}

// A pipe takes as much as this before the other side notices that it is stuck.
const (
	chunkSize = 2 << 10
	inTransit = 16
)

// resendAfter is how long TCP waits before it sends what was lost once more. It
// doubles each time.
const resendAfter = 200 * time.Millisecond

func newPipe(from, to *net.TCPConn, s shape, random *rand.Rand, ended <-chan struct{}, fired func()) *pipe {
	return &pipe{
		from: from, to: to, shape: s, random: random, ended: ended, fired: fired,
		chunks:  make(chan chunk, inTransit),
		left:    -1,
		changed: make(chan struct{}),
	}
}

// set changes what the pipe does from now on. A hold goes on until the given
// time.
func (p *pipe) set(m mode, until time.Time) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.mode, p.until = m, until
	close(p.changed)
	p.changed = make(chan struct{})
}

// cut has fired called when n more bytes have passed.
func (p *pipe) cut(n int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.left = n
}

// read takes what comes in, until the end of it.
func (p *pipe) read() {
	for {
		buffer := make([]byte, chunkSize)
		n, err := p.from.Read(buffer)
		select {
		case p.chunks <- chunk{data: buffer[:n], end: err, arrived: time.Now()}:
		case <-p.ended:
			return
		}
		if err != nil {
			return
		}
	}
}

// write passes it on, until the end of it.
func (p *pipe) write() {
	var due time.Time
	for {
		select {
		case c := <-p.chunks:
			due = p.dueAt(due, c)
			if !p.pause(due) || !p.forward(c) {
				return
			}
		case <-p.ended:
			return
		}
	}
}

// dueAt returns when a chunk arrives, which is after the one before it.
func (p *pipe) dueAt(last time.Time, c chunk) time.Time {
	due := c.arrived.Add(p.shape.delay + fraction(p.random, p.shape.jitter))
	for again := resendAfter; p.random.Float64() < p.shape.loss && again < 4*time.Second; again *= 2 {
		due = due.Add(again)
	}
	if due.Before(last) {
		due = last
	}
	if p.shape.bandwidth > 0 {
		due = due.Add(time.Duration(len(c.data)) * time.Second / time.Duration(p.shape.bandwidth))
	}
	return due
}

// fraction returns a random part of d.
func fraction(random *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(random.Float64() * float64(d))
}

// pause waits; false says that the line has ended.
func (p *pipe) pause(until time.Time) bool {
	wait := time.Until(until)
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.ended:
		return false
	}
}

// forward passes on a chunk, in pieces, or the end. It reports false when there
// is nothing left to do.
func (p *pipe) forward(c chunk) bool {
	for len(c.data) > 0 {
		n, fired, ok := p.admit(p.piece(len(c.data)))
		if !ok {
			return false
		}
		if n > 0 {
			_, _ = p.to.Write(c.data[:n]) // that the peer has gone is seen where it is read from
		}
		if fired {
			p.fired()
		}
		c.data = c.data[max(n, -n):]
	}
	if c.end == nil {
		return true
	}
	if n, _, ok := p.admit(0); !ok || n < 0 {
		return false
	}
	if errors.Is(c.end, io.EOF) {
		_ = p.to.CloseWrite()
		return false
	}
	reset(p.to) // a reset on one side is one on the other
	return false
}

// piece returns how much of n bytes goes at once: mostly all.
func (p *pipe) piece(n int) int {
	if n > 1 && p.random.IntN(4) == 0 {
		return 1 + p.random.IntN(n-1)
	}
	return n
}

// admit waits until the next n bytes may pass. It returns how many of them do,
// negative if that many vanish, and whether they are the last before a cut; ok is
// false when the line has ended.
func (p *pipe) admit(n int) (passed int, fired, ok bool) {
	for {
		p.mutex.Lock()
		m, until, changed := p.mode, p.until, p.changed
		if m == pass && p.left >= 0 && n >= p.left && n > 0 {
			n, fired = max(1, p.left), true
			p.left = -1
		} else if m == pass && p.left >= 0 {
			p.left -= n
		}
		p.mutex.Unlock()
		switch m {
		case pass:
			return n, fired, true
		case swallow:
			if n == 0 {
				return -1, false, true
			}
			return -n, false, true
		case stall:
			until = time.Now().Add(time.Hour)
		}
		if !p.await(until, changed) {
			return 0, false, false
		}
	}
}

// await waits for the end of a hold, or for a change.
func (p *pipe) await(until time.Time, changed <-chan struct{}) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
		p.release(until)
	case <-changed:
	case <-p.ended:
		return false
	}
	return true
}

// release ends a hold that lasted until the given time.
func (p *pipe) release(until time.Time) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.mode == hold && p.until.Equal(until) {
		p.mode = pass
	}
}

// reset closes a connection so that its peer sees a reset.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}
