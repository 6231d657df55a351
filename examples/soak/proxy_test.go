// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// A stage is a connection through a proxy, seen from both ends.
type stage struct {
	t             *testing.T
	proxy         *proxy
	client, relay net.Conn
	cut           map[net.Conn]bool // a write said that it was reset; a read says so no more
}

func newStage(t *testing.T, s shape) *stage {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p, err := newProxy(listener.Addr().String(), s, 0, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	client, err := net.Dial("tcp", p.addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	relay, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { relay.Close() })
	st := &stage{t, p, client, relay, make(map[net.Conn]bool)}
	st.passes(client, relay) // both ends are there
	return st
}

// passes checks that bytes arrive.
func (s *stage) passes(from, to net.Conn) {
	s.t.Helper()
	want := bytes.Repeat([]byte("all is well "), 1000)
	go func() { _, _ = from.Write(want) }()
	got := make([]byte, len(want))
	_ = to.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(to, got); err != nil || !bytes.Equal(got, want) {
		s.t.Fatalf("it does not arrive: %v", err)
	}
}

// An end is what one side sees of a fault.
type end string

const (
	works   end = "works"
	silence end = "silence"
	wasCut  end = "reset"
	closed  end = "closed"
)

// sees returns what comes in when the other side writes. It waits for it, unless
// silence is wanted.
func (s *stage) sees(from, to net.Conn, want end) end {
	patience := 20 * time.Second
	if want == silence {
		patience = 200 * time.Millisecond
	}
	if _, err := from.Write([]byte("hello")); err != nil {
		s.cut[from] = true
	}
	_ = to.SetReadDeadline(time.Now().Add(patience))
	n, err := to.Read(make([]byte, 100))
	switch {
	case s.cut[to]:
		return wasCut
	case n > 0:
		return works
	case errors.Is(err, os.ErrDeadlineExceeded):
		return silence
	case errors.Is(err, io.EOF):
		return closed
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return wasCut
	}
	s.t.Fatal(err)
	return ""
}

// TestFaults checks that each fault does what it says.
func TestFaults(t *testing.T) {
	for f, want := range map[fault][2]end{ // what the relay sees, and what the client does
		resetBoth:   {wasCut, wasCut},
		resetClient: {silence, wasCut},
		resetServer: {wasCut, silence},
		finishBoth:  {closed, closed},
		swallowBoth: {silence, silence},
		swallowUp:   {silence, works},
		swallowDown: {works, silence},
		stallBoth:   {silence, silence},
		stallUp:     {silence, works},
		stallDown:   {works, silence},
		holdBoth:    {silence, silence},
		holdUp:      {silence, works},
		holdDown:    {works, silence},
	} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			s := newStage(t, shape{})
			s.proxy.fail(blow{fault: f, after: -1, hold: time.Hour, remove: time.Hour})
			waitFor(t, func() bool { return s.proxy.newest.hasStruck() })
			if got := [2]end{s.sees(s.client, s.relay, want[0]), s.sees(s.relay, s.client, want[1])}; got != want {
				t.Errorf("the relay and the client see %q, want %q", got, want)
			}
		})
	}
}

// hasStruck reports whether the line has failed.
func (l *line) hasStruck() bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.struck
}

// waitFor waits until something is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never is")
		}
	}
}

// TestHold checks that what was held up arrives after all, and that the line
// works again.
func TestHold(t *testing.T) {
	s := newStage(t, shape{})
	s.proxy.fail(blow{fault: holdBoth, after: -1, hold: 100 * time.Millisecond, notice: -1})
	s.passes(s.client, s.relay)
	s.passes(s.relay, s.client)
}

// TestCut checks that a fault can strike between two bytes.
func TestCut(t *testing.T) {
	s := newStage(t, shape{})
	s.proxy.fail(blow{fault: finishBoth, after: 10, remove: time.Hour})
	if _, err := s.relay.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(s.client)
	if err != nil || len(got) != 10 {
		t.Errorf("%d bytes arrived, want 10: %v", len(got), err)
	}
}

// TestRemove checks that a line that has failed is gone in the end.
func TestRemove(t *testing.T) {
	s := newStage(t, shape{})
	s.proxy.fail(blow{fault: swallowBoth, after: -1, remove: 10 * time.Millisecond})
	_ = s.relay.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := s.relay.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

// TestBadNetwork checks that a slow and lossy line loses nothing.
func TestBadNetwork(t *testing.T) {
	s := newStage(t, shape{delay: time.Millisecond, jitter: time.Millisecond, bandwidth: 1 << 20, loss: 0.05})
	s.passes(s.client, s.relay)
	s.passes(s.relay, s.client)
	_ = s.client.(*net.TCPConn).CloseWrite()
	if _, err := s.relay.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want an orderly end", err)
	}
}

// TestSoothe checks that failed lines end, and new ones work.
func TestSoothe(t *testing.T) {
	s := newStage(t, shape{})
	s.proxy.fail(blow{fault: swallowBoth, after: -1, remove: time.Hour})
	s.proxy.soothe()
	_ = s.client.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := s.client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
	if s.proxy.fail(blow{fault: resetBoth}) {
		t.Error("it fails still")
	}
}
