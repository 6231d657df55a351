// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package wire is what the examples' clients and their relay have in common: how
// they log in, and how they read and write stanzas, over TCP and WebSocket.
package wire

import (
	"net"
	"time"
)

// A Transport is how clients connect.
type Transport string

// The transports there are.
const (
	TCP       Transport = "tcp"
	WebSocket Transport = "websocket"
)

// aLongTimeAgo is a deadline that ends a call at once.
var aLongTimeAgo = time.Unix(1, 0)

// Sever closes conn without waiting for a write that is stuck on it, as the
// closing handshake of a WebSocket otherwise would.
func Sever(conn net.Conn) {
	_ = conn.SetDeadline(aLongTimeAgo)
	_ = conn.Close()
}
