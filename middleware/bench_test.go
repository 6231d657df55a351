// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"context"
	"encoding/xml"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/middleware"

	"mellium.im/xmpp"
	"mellium.im/xmpp/stanza"
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

// BenchmarkClient measures a message that asks for a receipt and the receipt for it, in
// both directions, each through a session of the parser's.
func BenchmarkClient(b *testing.B) {
	b.Run("Send", func(b *testing.B) {
		c := newClient(b, drainedOwn(b), nil)
		b.ReportAllocs()
		for b.Loop() {
			sent, err := c.Send(b.Context(), stanza.Message{To: romeo, Type: stanza.ChatMessage}.Wrap(content()))
			if err != nil {
				b.Fatal(err)
			}
			c.Tracker().Receive(time.Now(), []byte(acks(sent.ID())))
		}
	})
	b.Run("unwrapped Send", func(b *testing.B) {
		s := drainedOwn(b)
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Send(b.Context(), stanza.Message{To: romeo, Type: stanza.ChatMessage}.Wrap(content())); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, test := range []struct {
		name string
		o    *middleware.ClientOptions
	}{{"unwrapped Handler", nil}, {"Handler", &middleware.ClientOptions{}}, {"Handler and Responder", answering(b)}} {
		b.Run(test.name, func(b *testing.B) {
			var h xmpp.Handler = stanzaMux()
			if test.o != nil {
				h = newClient(b, drainedOwn(b), test.o).Handler(h)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d := read(asks(strconv.Itoa(i)))
				token, _ := d.Token()
				start := token.(xml.StartElement)
				if err := h.HandleXMPP(discarding{d}, &start); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A discarding encoder reads, and writes nowhere.
type discarding struct{ xml.TokenReader }

func (discarding) EncodeToken(xml.Token) error               { return nil }
func (discarding) Encode(any) error                          { return nil }
func (discarding) EncodeElement(any, xml.StartElement) error { return nil }

// drainedOwn makes a session of Juliet's whose server reads everything and says nothing.
func drainedOwn(b *testing.B) *xmpp.Session {
	b.Helper()
	near, far := net.Pipe()
	go func() {
		_, _ = io.WriteString(far, tcpHeader)
		_, _ = io.Copy(io.Discard, far)
	}()
	s, err := xmpp.NewSession(b.Context(), juliet.Domain(), juliet, near, xmpp.Secure, negotiator(false))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = far.Close(); _ = near.Close() })
	return s
}
