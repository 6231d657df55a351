// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/middleware"

	"mellium.im/xmpp"
)

// drained makes a session whose client reads everything and says nothing.
func drained(b *testing.B) *xmpp.Session {
	b.Helper()
	near, far := net.Pipe()
	go func() {
		_, _ = io.WriteString(far, tcpHeader)
		_, _ = io.Copy(io.Discard, far)
	}()
	s, err := xmpp.ReceiveSession(b.Context(), near, xmpp.Secure, negotiator(false))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = far.Close(); _ = near.Close() })
	return s
}

// BenchmarkMessage measures a message to a client, and its receipt where there is
// a keeper.
func BenchmarkMessage(b *testing.B) {
	raw := []byte(message("m1", strings.Repeat("x", 100)))
	answer := []byte(receipt("m1"))
	wrapped := func(b *testing.B) *middleware.Session {
		w := newWorld(b, untilack.Config{})
		s, err := middleware.Wrap(w.Keeper, drained(b), juliet, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = s.Close() })
		return s
	}
	b.Run("unwrapped Send", func(b *testing.B) {
		s := drained(b)
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Send(context.Background(), read(string(raw))); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("wrapped Send", func(b *testing.B) {
		s := wrapped(b)
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Send(context.Background(), read(string(raw))); err != nil {
				b.Fatal(err)
			}
			s.Receive(answer)
		}
	})
	b.Run("wrapped WriteStanza", func(b *testing.B) {
		s := wrapped(b)
		b.ReportAllocs()
		for b.Loop() {
			if err := s.WriteStanza(context.Background(), raw); err != nil {
				b.Fatal(err)
			}
			s.Receive(answer)
		}
	})
}
