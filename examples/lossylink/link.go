// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// A link is the network between the recipient and the relay: a TCP proxy that
// can fail in all the ways networks do.
type link struct {
	relay    string // its address
	listener net.Listener

	mutex  sync.Mutex
	closed bool
	dark   Fault // the fault that holds now, or none
	lines  []*line

	wait sync.WaitGroup
}

// newLink starts a link to the relay.
func newLink(relay string) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &link{relay: relay, listener: listener}
	l.wait.Go(l.acceptAll)
	return l, nil
}

// addr returns where the recipient finds the link.
func (l *link) addr() string { return l.listener.Addr().String() }

// fail strikes every connection there is, and each new one until restore is
// called.
func (l *link) fail(fault Fault) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.dark = fault
	for _, line := range l.lines {
		line.fail(fault)
	}
}

// restore makes the link work again for new connections. The old ones stay as
// the fault left them.
func (l *link) restore() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.dark = None
}

// close ends all connections and waits for them.
func (l *link) close() {
	l.mutex.Lock()
	l.closed = true
	for _, line := range l.lines {
		line.close()
	}
	l.mutex.Unlock()
	_ = l.listener.Close()
	l.wait.Wait()
}

func (l *link) acceptAll() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		relay, err := net.Dial("tcp", l.relay)
		if err != nil {
			_ = client.Close()
			continue
		}
		l.join(client.(*net.TCPConn), relay.(*net.TCPConn))
	}
}

// join starts to carry bytes between two connections.
func (l *link) join(client, relay *net.TCPConn) {
	line := &line{client: client, relay: relay, ended: make(chan struct{})}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.closed {
		line.close()
		return
	}
	l.lines = append(l.lines, line)
	if l.dark != None {
		line.fail(l.dark)
	}
	l.wait.Go(func() { line.carry(client, relay) })
	l.wait.Go(func() { line.carry(relay, client) })
}

// aLongTimeAgo is a deadline that ends a call at once.
var aLongTimeAgo = time.Unix(1, 0)

// A line is one connection through the link. Once it has failed, nothing that
// either side sends reaches the other again.
type line struct {
	client, relay *net.TCPConn
	ended         chan struct{}
	end           sync.Once

	mutex sync.Mutex
	dark  Fault
}

// fail applies a fault to the line, once.
func (l *line) fail(fault Fault) {
	// A write to someone who does not read must not hold up the fault.
	_ = l.client.SetWriteDeadline(aLongTimeAgo)
	_ = l.relay.SetWriteDeadline(aLongTimeAgo)
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.dark != None {
		return
	}
	l.dark = fault
	for _, conn := range []*net.TCPConn{l.client, l.relay} {
		switch fault {
		case Swallow: // carry goes on reading and throws it all away
		case Stall:
			_ = conn.SetReadDeadline(aLongTimeAgo)
		case Reset:
			_ = conn.SetLinger(0)
			_ = conn.Close()
		case Finish:
			_ = conn.CloseWrite()
		}
	}
}

// close frees the line's connections.
func (l *line) close() {
	l.end.Do(func() {
		close(l.ended)
		_ = l.client.Close()
		_ = l.relay.Close()
	})
}

// carry copies from one connection to the other while the line is healthy.
func (l *line) carry(from, to *net.TCPConn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		switch l.forward(to, buffer[:n], err) {
		case Stall:
			<-l.ended // stop reading, and leave the sockets open
			return
		case Reset:
			return
		}
		if err != nil {
			return
		}
	}
}

// forward passes on what was read, data or the end of it, unless the line has
// failed. It returns the fault.
func (l *line) forward(to *net.TCPConn, data []byte, end error) Fault {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.dark != None {
		return l.dark
	}
	if len(data) > 0 {
		_, _ = to.Write(data) // that the peer has gone is seen where it is read from
	}
	switch {
	case errors.Is(end, io.EOF):
		_ = to.CloseWrite()
	case end != nil: // a reset on one side is one on the other
		_ = to.SetLinger(0)
		_ = to.Close()
	}
	return None
}
