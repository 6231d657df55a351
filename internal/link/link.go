// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package link is a network on loopback that fails as networks do: a TCP proxy for tests and
// demonstrations.
package link

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// A Fault is a way in which a link fails.
type Fault string

// The faults.
const (
	None    Fault = ""
	Swallow Fault = "swallow" // bytes vanish; TCP goes on acknowledging them
	Stall   Fault = "stall"   // nobody reads any more; bytes pile up in buffers
	Reset   Fault = "rst"     // both sides see a reset
	Finish  Fault = "fin"     // both sides see an orderly end
)

// A Link leads connections to a server. Its methods may be called at any time, by
// several goroutines. Clients that are to fail apart have a link each.
type Link struct {
	server   string // its address
	listener net.Listener

	mutex  sync.Mutex
	closed bool
	dark   Fault // the fault that holds now, or none
	lines  []*line

	wait sync.WaitGroup
}

// New starts a link to the server at a TCP address.
func New(server string) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &Link{server: server, listener: listener}
	l.wait.Go(l.acceptAll)
	return l, nil
}

// Addr returns where clients find the link, as "127.0.0.1:port".
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Fail strikes every connection there is, and each new one until Restore is
// called. What has failed before stays as it is.
func (l *Link) Fail(fault Fault) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.dark = fault
	for _, line := range l.lines {
		line.fail(fault)
	}
}

// Restore makes the link work again for new connections. The old ones stay as
// the fault left them.
func (l *Link) Restore() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.dark = None
}

// Cut ends every connection there is, with a reset on both sides, also one that has
// failed before.
func (l *Link) Cut() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, line := range l.lines {
		line.close()
	}
	l.lines = nil
}

// Strand ends the client's side of every connection that has failed, with a reset. Its
// server is not told: to it nothing changes.
func (l *Link) Strand() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, line := range l.lines {
		line.strand()
	}
}

// Close ends all connections and waits for them.
func (l *Link) Close() {
	l.mutex.Lock()
	l.closed = true
	for _, line := range l.lines {
		line.close()
	}
	l.mutex.Unlock()
	_ = l.listener.Close()
	l.wait.Wait()
}

func (l *Link) acceptAll() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.join(client.(*net.TCPConn))
	}
}

// join starts to carry bytes between a client and the server.
func (l *Link) join(client *net.TCPConn) {
	// Who sees the server accept may call Cut at once, and means this connection too.
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.closed {
		_ = client.Close()
		return
	}
	conn, err := net.DialTimeout("tcp", l.server, 5*time.Second)
	if err != nil {
		_ = client.Close()
		return
	}
	server := conn.(*net.TCPConn)
	line := &line{client: client, server: server, ended: make(chan struct{})}
	l.lines = append(l.lines, line)
	if l.dark != None {
		line.fail(l.dark)
	}
	l.wait.Go(func() {
		var there sync.WaitGroup
		there.Go(func() { line.carry(client, server) })
		line.carry(server, client)
		there.Wait()
		l.forget(line)
	})
}

// forget frees a line whose two sides have ended.
func (l *Link) forget(ended *line) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.lines = slices.DeleteFunc(l.lines, func(line *line) bool { return line == ended })
	_ = ended.client.Close() // in order: what was written last may not be with its reader yet
	_ = ended.server.Close()
}

// aLongTimeAgo is a deadline that ends a call at once.
var aLongTimeAgo = time.Unix(1, 0)

// A line is one connection through the link. Once it has failed, nothing that
// either side sends reaches the other again.
type line struct {
	client, server *net.TCPConn
	ended          chan struct{}
	end            sync.Once

	mutex sync.Mutex
	dark  Fault
}

// fail applies a fault to the line, once.
func (l *line) fail(fault Fault) {
	// A write to someone who does not read must not hold up the fault.
	_ = l.client.SetWriteDeadline(aLongTimeAgo)
	_ = l.server.SetWriteDeadline(aLongTimeAgo)
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.dark != None {
		return
	}
	l.dark = fault
	for _, conn := range []*net.TCPConn{l.client, l.server} {
		switch fault {
		case Swallow: // carry goes on reading and throws it all away
		case Stall:
			_ = conn.SetReadDeadline(aLongTimeAgo)
		case Reset:
			reset(conn)
		case Finish:
			_ = conn.CloseWrite()
		}
	}
}

// strand ends the client's side of a line that has failed.
func (l *line) strand() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.dark != None {
		reset(l.client)
	}
}

// close frees the line's connections.
func (l *line) close() {
	l.end.Do(func() {
		close(l.ended)
		reset(l.client)
		reset(l.server)
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
		reset(to)
	}
	return None
}

// reset closes a connection so that its peer sees a reset.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}
