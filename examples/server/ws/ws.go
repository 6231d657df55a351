// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package ws makes connections of WebSockets (RFC 7395), on each of which a Write is a
// message.
package ws

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/coder/websocket"
)

// Path is where clients look for the WebSocket.
const Path = "/xmpp-websocket"

// Handler has attend serve the connection of each WebSocket, until it returns.
//
// Pages from anywhere may connect: no cookie lets anybody in, who it is a client says by
// itself. A client that does not speak the subprotocol "xmpp" is sent away.
func Handler(attend func(conn net.Conn, tls bool)) http.Handler {
	options := &websocket.AcceptOptions{Subprotocols: []string{"xmpp"}, InsecureSkipVerify: true}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		socket, err := websocket.Accept(w, r, options)
		if err != nil {
			return // it was answered
		}
		if socket.Subprotocol() == "" {
			_ = socket.Close(websocket.StatusPolicyViolation, "the subprotocol is xmpp")
			return
		}
		c := &conn{Conn: websocket.NetConn(context.Background(), socket, websocket.MessageText), socket: socket}
		attend(c, r.TLS != nil)
	})
}

// A conn is a WebSocket as a connection.
type conn struct {
	net.Conn
	socket  *websocket.Conn
	writing atomic.Int32
	closed  atomic.Bool
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	c.writing.Add(1)
	defer c.writing.Add(-1)
	return c.Conn.Write(b)
}

// Close implements net.Conn. It does not wait for the closing handshake, which takes ten
// seconds at most; while a Write is stuck there is none.
func (c *conn) Close() error {
	switch {
	case c.writing.Load() > 0:
		return c.socket.CloseNow()
	case c.closed.Swap(true):
		return nil
	}
	go func() { _ = c.socket.Close(websocket.StatusNormalClosure, "") }() // or it is gone already
	return nil
}
