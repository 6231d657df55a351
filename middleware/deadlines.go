// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"crypto/tls"
	"net"
	"time"
)

// Deadlines returns conn with a deadline of its own for each write: d for every
// 16 KiB that it has begun, or DefaultWriteTimeout if d is not positive. Others'
// deadlines for writing are ignored, those for reading are not.
//
// It is for listeners, to be used before a session is negotiated, and under TLS
// if there is any: the deadlines that a session of mellium.im/xmpp sets when a
// context ends are taken back at once and have no effect, or one on somebody
// else's write. Below a session with Deadlines, what is written through the
// embedded session and during the negotiation ends in time as well, which Wrap
// can do nothing about. A connection that is a *tls.Conn itself is no longer
// recognised as one: pass xmpp.Secure with it.
func Deadlines(conn net.Conn, d time.Duration) net.Conn {
	if d <= 0 {
		d = DefaultWriteTimeout
	}
	c := &deadlined{Conn: conn, options: Options{WriteTimeout: d}}
	if secure, ok := conn.(secured); ok {
		return securedDeadlined{c, secure}
	}
	return c
}

// deadlined is a connection whose writes end in time.
type deadlined struct {
	net.Conn
	options Options
}

// Write implements net.Conn.
func (c *deadlined) Write(b []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.options.timeFor(len(b)))); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// SetWriteDeadline does nothing.
func (c *deadlined) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline sets the deadline for reading.
func (c *deadlined) SetDeadline(t time.Time) error { return c.Conn.SetReadDeadline(t) }

// secured is a connection that can tell about its TLS.
type secured interface{ ConnectionState() tls.ConnectionState }

type securedDeadlined struct {
	*deadlined
	secured
}
