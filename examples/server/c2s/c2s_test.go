// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package c2s

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

// TestTooMany checks that a host has so many connections without a login and no more, that those
// which are refused are told, and that there is room again when others have gone.
func TestTooMany(t *testing.T) {
	s := New(Config{Domain: "localhost", Log: slog.New(slog.DiscardHandler), MaxConns: 20})
	defer s.Close()
	attend := func(transport Transport) net.Conn {
		here, there := net.Pipe() // all of them are at one host
		go s.Attend(there, transport)
		_ = here.SetDeadline(time.Now().Add(30 * time.Second))
		return here
	}
	refused := func(conn net.Conn, want string) {
		t.Helper()
		got, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(got), "<resource-constraint ") || !strings.HasSuffix(string(got), want) {
			t.Errorf("got %s, %v, want resource-constraint and %s", got, err, want)
		}
	}
	first, second := attend(Transport{}), attend(Transport{WebSocket: true})
	for _, conn := range []net.Conn{first, second} { // when it is read it was taken
		if _, err := io.WriteString(conn, " "); err != nil {
			t.Fatal(err)
		}
	}
	refused(attend(Transport{}), "</stream:stream>")
	refused(attend(Transport{WebSocket: true}), "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
	if got, err := io.ReadAll(attend(Transport{TLS: true})); err != nil || len(got) > 0 {
		t.Errorf("got %q, %v, want no handshake", got, err)
	}
	first.Close()
	for end := time.Now().Add(30 * time.Second); s.Conns() > 1 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	third := attend(Transport{})
	if _, err := io.WriteString(third, " "); err != nil {
		t.Errorf("got %v, and there is room", err)
	}
	third.Close()
	second.Close()
}
