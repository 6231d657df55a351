// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/middleware"

	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"mellium.im/xmlstream"
)

// A server that handles what comes in by Serve: wrap the session, and call the
// wrapped one's Serve in place of its own.
func ExampleWrap() {
	keeper, _ := untilack.New(untilack.Config{Domain: "capulet.lit"})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = keeper.Run(ctx) })
	conn, client := net.Pipe()
	running.Go(func() { // Juliet's client
		_, _ = io.WriteString(client, tcpHeader+"<message type='chat' to='romeo@montague.lit'><body>Art thou not Romeo?</body></message></stream:stream>")
		_, _ = io.Copy(io.Discard, client)
	})
	session, _ := xmpp.ReceiveSession(ctx, conn, xmpp.Secure, negotiator(false))
	bound := jid.MustParse("juliet@capulet.lit/balcony") // from the feature that bound it

	s, _ := middleware.Wrap(keeper, session, bound, nil)
	err := s.Serve(mux.New(stanza.NSClient, mux.MessageFunc(stanza.ChatMessage, xml.Name{Local: "body"},
		func(m stanza.Message, _ xmlstream.TokenReadEncoder) error {
			fmt.Println("to", m.To, "from", m.From)
			return nil
		})))

	fmt.Println("served:", err)
	cancel()
	running.Wait()
	// Output:
	// to romeo@montague.lit from juliet@capulet.lit/balcony
	// served: <nil>
}

// A server that reads for itself and has a table of sessions to route by.
func ExampleSession_ReadStanza() {
	keeper, _ := untilack.New(untilack.Config{Domain: "capulet.lit"})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = keeper.Run(ctx) })
	table := make(map[string]*middleware.Session) // of a real server: with a lock
	accept := func(bound, says string) *middleware.Session {
		conn, client := net.Pipe()
		running.Go(func() {
			_, _ = io.WriteString(client, tcpHeader+says+"</stream:stream>")
			_, _ = io.Copy(io.Discard, client)
		})
		session, _ := xmpp.ReceiveSession(ctx, conn, xmpp.Secure, negotiator(false))
		s, _ := middleware.Wrap(keeper, session, jid.MustParse(bound), nil)
		table[s.Address().Bare().String()] = s
		return s
	}
	juliet := accept("juliet@capulet.lit/balcony", "<message to='romeo@montague.lit/orchard'><received xmlns='urn:xmpp:receipts' id='m1'/></message>")
	romeo := accept("romeo@montague.lit/orchard", "<message to='juliet@capulet.lit' id='m1'><body>O</body><request xmlns='urn:xmpp:receipts'/></message>")

	loop := func(s *middleware.Session) {
		defer s.Close()
		for {
			raw, start, err := s.ReadStanza()
			if err != nil {
				return
			}
			if !s.Receive(raw) {
				continue
			}
			for _, a := range start.Attr {
				if a.Name.Local == "to" {
					_ = table[jid.MustParse(a.Value).Bare().String()].WriteStanza(ctx, raw)
				}
			}
		}
	}
	loop(romeo)
	fmt.Println("waiting:", len(keeper.Waiting("juliet@capulet.lit")))
	loop(juliet)
	fmt.Println("waiting:", len(keeper.Waiting("juliet@capulet.lit")))

	cancel()
	running.Wait()
	// Output:
	// waiting: 1
	// waiting: 0
}
