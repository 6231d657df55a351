// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// A proxy is the network between one client and the relay.
type proxy struct {
	relay    string // its address
	listener net.Listener
	shape    shape
	late     time.Duration // how much later than asked for a connection may reach the relay

	mutex   sync.Mutex
	random  *rand.Rand
	calm    bool               // nothing fails any more
	lines   map[*line]struct{} // that have not ended
	newest  *line
	carried int // lines so far

	ctx    context.Context // ended by close
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

// newProxy starts a network to the relay.
func newProxy(relay string, s shape, late time.Duration, random *rand.Rand) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{relay: relay, listener: listener, shape: s, late: late, random: random, lines: make(map[*line]struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.wait.Go(p.acceptAll)
	return p, nil
}

// addr returns where the client finds the network.
func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) acceptAll() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wait.Go(func() { p.attend(conn.(*net.TCPConn)) })
	}
}

// attend leads a connection to the relay, some of them so late that the next one
// is there before.
func (p *proxy) attend(client *net.TCPConn) {
	sleep(p.ctx, p.lateness())
	var dialer net.Dialer
	relay, err := dialer.DialContext(p.ctx, "tcp", p.relay)
	if err != nil {
		reset(client)
		return
	}
	l := p.join(client, relay.(*net.TCPConn))
	l.carry()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.lines, l)
}

// lateness returns how much later a connection is led on.
func (p *proxy) lateness() time.Duration {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.calm || p.random.IntN(8) > 0 {
		return 0
	}
	return fraction(p.random, p.late)
}

// join makes the line.
func (p *proxy) join(client, relay *net.TCPConn) *line {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	l := newLine(client, relay, p.drawShape(), p.drawShape(), p.random)
	p.lines[l] = struct{}{}
	p.newest = l
	p.carried++
	if p.ctx.Err() != nil {
		l.close()
	}
	return l
}

// drawShape varies the shape.
func (p *proxy) drawShape() shape {
	s := p.shape
	if p.calm {
		return shape{}
	}
	s.delay = fraction(p.random, 2*s.delay)
	s.jitter = fraction(p.random, 2*s.jitter)
	s.bandwidth = int(float64(s.bandwidth) * (0.25 + 2*p.random.Float64()))
	return s
}

// fail has the newest line fail. It reports whether there is one.
func (p *proxy) fail(b blow) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.calm || p.newest == nil {
		return false
	}
	p.newest.fail(b)
	return true
}

// soothe has nothing fail any more: lines that have failed, or that may yet, end
// at once, and new ones are as good as loopback is.
func (p *proxy) soothe() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.calm = true
	for l := range p.lines {
		l.close()
	}
}

// count returns how many lines there were.
func (p *proxy) count() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.carried
}

// close ends everything and waits for it.
func (p *proxy) close() {
	p.cancel()
	_ = p.listener.Close()
	p.mutex.Lock()
	for l := range p.lines {
		l.close()
	}
	p.mutex.Unlock()
	p.wait.Wait()
}
