// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/middleware"
	"github.com/untilack/untilack/receipts"

	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"
)

// lovers stands for xmpp.DialClientSession: it returns sessions of Romeo and of Juliet, who
// have each other in their rosters, with a server that is gone after end.
func lovers() (romeos, juliets *xmpp.Session, end func()) {
	keeper, _ := untilack.New(untilack.Config{Domain: "verona.lit"})
	ctx, cancel := context.WithCancel(context.Background())
	v := &verona{keeper: keeper, sessions: make(map[string]*middleware.Session)}
	v.running.Go(func() { _ = keeper.Run(ctx) })
	romeos, juliets = v.dial(ctx, romeo), v.dial(ctx, juliet)
	return romeos, juliets, func() {
		cancel()
		_ = romeos.Conn().Close()
		_ = juliets.Conn().Close()
		v.running.Wait()
	}
}

// verona is a server for a few.
type verona struct {
	keeper   *untilack.Keeper
	sessions map[string]*middleware.Session // by account; filled before anybody speaks
	running  sync.WaitGroup
}

// dial returns a session with the server.
func (v *verona) dial(ctx context.Context, address jid.JID) *xmpp.Session {
	near, far := net.Pipe()
	accepted := make(chan *xmpp.Session)
	go func() {
		s, _ := xmpp.ReceiveSession(ctx, far, xmpp.Secure, negotiator(false))
		accepted <- s
	}()
	dialed, _ := xmpp.NewSession(ctx, address.Domain(), address, near, xmpp.Secure, initiate)
	s, _ := middleware.Wrap(v.keeper, <-accepted, address, nil)
	v.sessions[address.Bare().String()] = s
	v.running.Go(func() { v.serve(ctx, s) })
	return dialed
}

// serve routes what a client writes, and answers with a roster.
func (v *verona) serve(ctx context.Context, s *middleware.Session) {
	defer s.Close()
	for {
		raw, _, err := s.ReadStanza()
		if err != nil {
			return
		}
		m, err := receipts.Scan(raw)
		switch {
		case err != nil || !s.Receive(raw):
		case strings.Contains(string(raw), "jabber:iq:roster"):
			contacts := "<item jid='" + romeo.Bare().String() + "' subscription='both'/><item jid='" + juliet.Bare().String() + "' subscription='both'/>"
			_ = s.WriteStanza(ctx, []byte("<iq type='result' id='"+m.ID.String()+"'><query xmlns='jabber:iq:roster'>"+contacts+"</query></iq>"))
		case m.Element == receipts.MessageStanza:
			if to, err := jid.Parse(m.To.String()); err == nil && v.sessions[to.Bare().String()] != nil {
				_ = v.sessions[to.Bare().String()].WriteStanza(ctx, raw)
			}
		}
	}
}

// initiate exchanges stream headers as the one who dials.
func initiate(_ context.Context, in, out *stream.Info, s *xmpp.Session, _ any) (xmpp.SessionState, io.ReadWriter, any, error) {
	in.XMLNS, out.XMLNS = stanza.NSClient, stanza.NSClient
	if _, err := io.WriteString(s.Conn(), tcpHeader); err != nil {
		return 0, nil, nil, err
	}
	return xmpp.Ready | xmpp.Authn, nil, nil, readHeader(s, false)
}
