// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package wire

import (
	"context"
	"net"

	"golang.org/x/net/websocket"
	"mellium.im/xmpp"
)

// A Stream is a client's session and the connection under it.
type Stream struct {
	*xmpp.Session
	conn net.Conn
}

// Sever ends the stream's connection at once.
func (s *Stream) Sever() { Sever(s.conn) }

// Dial connects to a relay, or to a link that leads to one, and logs in. If see
// is not nil, it is shown all that comes in.
func Dial(ctx context.Context, addr string, transport Transport, user, resource string, see func([]byte)) (*Stream, error) {
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	s, err := open(raw, addr, transport, user, resource, see)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return s, nil
}

// open turns a fresh connection into a stream.
func open(conn net.Conn, addr string, transport Transport, user, resource string, see func([]byte)) (*Stream, error) {
	if transport == WebSocket {
		config, err := websocket.NewConfig("ws://"+addr+"/xmpp-websocket", "http://"+addr)
		if err != nil {
			return nil, err
		}
		config.Protocol = []string{"xmpp"}
		if conn, err = websocket.NewClient(config, conn); err != nil {
			return nil, err
		}
	}
	if see != nil {
		conn = Tap{Conn: conn, In: see}
	}
	session, err := login(conn, transport, user, resource)
	if err != nil {
		return nil, err
	}
	return &Stream{Session: session, conn: conn}, nil
}

// Each calls handle with every stanza that comes in, until the stream ends or
// handle fails. Only one may run.
func (s *Stream) Each(handle func(Element) error) error {
	reader := s.TokenReader()
	defer reader.Close()
	for {
		stanza, err := ReadElement(reader)
		if err != nil {
			return err
		}
		if err := handle(stanza); err != nil {
			return err
		}
	}
}
