// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package link_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/untilack/untilack/internal/link"
)

// dial returns both ends of a connection through the link.
func dial(t *testing.T, l *link.Link, server net.Listener) (client, accepted net.Conn) {
	t.Helper()
	client, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if accepted, err = server.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); accepted.Close() })
	return client, accepted
}

// start returns a link and the server behind it.
func start(t *testing.T) (*link.Link, net.Listener) {
	t.Helper()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := link.New(server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); server.Close() })
	return l, server
}

// sees returns what to reads when from writes: silence if nothing comes for a while.
func sees(from, to net.Conn) string {
	_, _ = from.Write([]byte("hello")) // whoever has gone sees it where he reads
	_ = to.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	n, err := to.Read(make([]byte, 100))
	switch {
	case n > 0:
		return "data"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "silence"
	case errors.Is(err, io.EOF):
		return "end"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	}
	return err.Error()
}

func TestFaults(t *testing.T) {
	for fault, want := range map[link.Fault]string{
		link.Swallow: "silence", link.Stall: "silence", link.Reset: "reset", link.Finish: "end",
	} {
		t.Run(string(fault), func(t *testing.T) {
			l, server := start(t)
			client, accepted := dial(t, l, server)
			if got := sees(client, accepted); got != "data" {
				t.Fatalf("before the fault the server sees %s, want data", got)
			}
			l.Fail(fault)
			if got := sees(accepted, client); got != want {
				t.Errorf("the client sees %s, want %s", got, want)
			}
			l.Restore()
			if got := sees(accepted, client); got == "data" {
				t.Error("the old connection works again")
			}
			client, accepted = dial(t, l, server)
			if got := sees(client, accepted); got != "data" {
				t.Errorf("on a new connection the server sees %s, want data", got)
			}
		})
	}
}

func TestNewConnectionsFailToo(t *testing.T) {
	l, server := start(t)
	l.Fail(link.Swallow)
	client, accepted := dial(t, l, server)
	if got := sees(client, accepted); got != "silence" {
		t.Errorf("the server sees %s, want silence", got)
	}
}

func TestCut(t *testing.T) {
	l, server := start(t)
	client, accepted := dial(t, l, server)
	l.Fail(link.Swallow)
	l.Restore()
	l.Cut()
	for _, conn := range []net.Conn{client, accepted} {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want a reset", err)
		}
	}
	if got := sees(dial(t, l, server)); got != "data" {
		t.Errorf("on a new connection the server sees %s, want data", got)
	}
}

func TestStrand(t *testing.T) {
	for _, fault := range []link.Fault{link.Swallow, link.Stall} {
		t.Run(string(fault), func(t *testing.T) {
			l, server := start(t)
			client, accepted := dial(t, l, server)
			l.Fail(fault)
			l.Restore()
			l.Strand()
			if got := sees(accepted, client); got != "reset" {
				t.Errorf("the client sees %s, want reset", got)
			}
			if got := sees(client, accepted); got != "silence" {
				t.Errorf("the server sees %s, want silence", got)
			}
			client, accepted = dial(t, l, server)
			l.Strand() // it has not failed
			if got := sees(client, accepted); got != "data" {
				t.Errorf("on a new connection the server sees %s, want data", got)
			}
		})
	}
}

// TestEnds checks that a connection that both sides have ended is kept by nobody.
func TestEnds(t *testing.T) {
	const sockets = "/proc/self/fd"
	if _, err := os.Stat(sockets); err != nil {
		t.Skip("no /proc to count sockets in")
	}
	l, server := start(t)
	count := func() int {
		files, err := os.ReadDir(sockets)
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	before := count()
	for range 20 {
		client, accepted := dial(t, l, server)
		if got := sees(client, accepted); got != "data" {
			t.Fatalf("the server sees %s, want data", got)
		}
		client.Close()
		accepted.Close()
	}
	for end := time.Now().Add(10 * time.Second); count() > before+2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d files are open after 20 connections, %d before", count(), before)
		}
	}
}
