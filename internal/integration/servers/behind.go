// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	"strings"
	"testing"

	"github.com/untilack/untilack/internal/link"
)

// A Network is what lies between a server and the clients behind it: a link for each of the
// server's ports.
type Network []*link.Link

// Behind returns the server as clients find it behind a new network. Clients that are to
// fail apart have a network each.
func (s *Server) Behind(t testing.TB) (*Server, Network) {
	t.Helper()
	behind := *s
	var network Network
	lead := func(where *string, port string) {
		l, err := link.New(port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Close)
		*where = strings.Replace(*where, port, l.Addr(), 1)
		network = append(network, l)
	}
	lead(&behind.Address, s.Address)
	lead(&behind.WebSocketURL, s.webAddress)
	return &behind, network
}

// Fail strikes every connection there is, and each new one until Restore is called.
func (n Network) Fail(fault link.Fault) {
	for _, l := range n {
		l.Fail(fault)
	}
}

// Restore makes the network work again for new connections.
func (n Network) Restore() {
	for _, l := range n {
		l.Restore()
	}
}

// Cut ends every connection there is, with a reset on both sides, also one that has failed
// before.
func (n Network) Cut() {
	for _, l := range n {
		l.Cut()
	}
}

// Strand ends the clients' side of every connection that has failed, with a reset. The server
// is not told.
func (n Network) Strand() {
	for _, l := range n {
		l.Strand()
	}
}
