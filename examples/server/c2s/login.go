// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package c2s

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"

	"github.com/untilack/untilack/examples/server/gate"
	"github.com/untilack/untilack/middleware"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stream"
	"mellium.im/xmpp/websocket"
)

// A login is the negotiation of one stream. Who has authenticated is known to it alone: what
// the stream says of itself is what the client claims.
type login struct {
	server    *Server
	limits    gate.Limits
	remote    net.Addr
	webSocket bool
	secure    bool // there is TLS
	local     bool // the client is on loopback

	gate    *gate.Conn
	conn    *opening // what the session is on: the gate, and over a WebSocket frames
	user    string   // the name that has authenticated
	address jid.JID  // the one that was bound
}

// newLogin begins a login on a connection.
func newLogin(s *Server, conn net.Conn, t Transport) *login {
	limits := s.Limits
	if limits.Size <= 0 {
		limits.Size = 256 << 10
	}
	remote, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	l := &login{
		server: s, limits: limits, remote: conn.RemoteAddr(), webSocket: t.WebSocket, secure: t.TLS,
		local: err == nil && remote.Addr().Unmap().IsLoopback(),
	}
	l.over(conn)
	return l
}

// over has the stream run over a connection from here on.
func (l *login) over(conn net.Conn) {
	limits := l.limits
	limits.Size = loginSize
	l.gate = gate.New(conn, limits)
	conn = l.gate
	if l.webSocket {
		conn = middleware.Frames(conn)
	}
	l.conn = &opening{Conn: conn, in: bufio.NewReaderSize(conn, idleBuffer)}
}

// negotiate has mellium negotiate the stream.
func (l *login) negotiate() (*xmpp.Session, error) {
	config := func(session *xmpp.Session, _ *xmpp.StreamConfig) xmpp.StreamConfig {
		if session != nil { // nil before there is a stream
			l.checkHost(session.In().To)
		}
		return xmpp.StreamConfig{Lang: lang, Features: []xmpp.StreamFeature{l.startTLS(), l.sasl(), l.bind(), legacySession()}}
	}
	negotiator := xmpp.NewNegotiator(config)
	if l.webSocket {
		negotiator = websocket.Negotiator(config)
	}
	state := xmpp.SessionState(0)
	if l.secure || l.webSocket { // no <starttls/> is to be offered
		state = xmpp.Secure
	}
	session, err := xmpp.ReceiveSession(context.Background(), l.conn, state, negotiator)
	switch {
	case l.conn.refused != nil:
		err = l.conn.refused
	case err != nil && l.gate.Ended():
		err = io.EOF
	case errors.Is(err, stream.PolicyViolation): // mellium's word for what is not offered (RFC 6120 §7.1)
		err = stream.NotAuthorized
	}
	return session, err
}

// checkHost refuses a stream to another domain than ours. It is called when our header was
// written, and before anything else is.
func (l *login) checkHost(to jid.JID) {
	if to.Domainpart() != "" && to.Domainpart() != l.server.Domain {
		l.conn.refused = stream.HostUnknown
	}
}

// bind is resource binding (RFC 6120 §7) for the user who has authenticated. What can not be
// a resource is replaced.
func (l *login) bind() xmpp.StreamFeature {
	return xmpp.BindCustom(func(_ jid.JID, resource string) (bound jid.JID, err error) {
		if resource != "" {
			bound, err = jid.New(l.user, l.server.Domain, resource)
		}
		if resource == "" || err != nil {
			bound, err = jid.New(l.user, l.server.Domain, rand.Text())
		}
		l.address = bound
		l.conn.hold()
		return bound, err
	})
}

// legacySession says that the old way to open a session does nothing (RFC 6121 §1.4).
func legacySession() xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:      xml.Name{Space: "urn:ietf:params:xml:ns:xmpp-session", Local: "session"},
		Necessary: xmpp.Authn,
		List: func(_ context.Context, w xmlstream.TokenWriter, start xml.StartElement) (required bool, err error) {
			optional := xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Local: "optional"}})
			_, err = xmlstream.Copy(w, xmlstream.Wrap(optional, start))
			return false, err
		},
	}
}

// An opening is a connection on which streams open. It knows whether our header is out,
// without which there is nothing that an error could be in, and keeps back what tells the
// client its address until the router knows it as well.
type opening struct {
	net.Conn
	in      *bufio.Reader
	opened  bool
	refused error // nothing more is to be written but this

	mutex   sync.Mutex
	holding bool
	held    []byte
}

// idleBuffer is how much memory a client has into which it may write next. There would be eight
// times as much of it if the parser had to see to that itself.
const idleBuffer = 512

// Read implements net.Conn.
func (o *opening) Read(b []byte) (int, error) { return o.in.Read(b) }

// ReadByte implements io.ByteReader, so that the parser needs no buffer.
func (o *opening) ReadByte() (byte, error) { return o.in.ReadByte() }

// Write implements net.Conn.
func (o *opening) Write(b []byte) (int, error) {
	if o.refused != nil {
		return 0, o.refused
	}
	o.mutex.Lock()
	if o.holding {
		o.held = append(o.held, b...)
		o.mutex.Unlock()
		return len(b), nil
	}
	o.mutex.Unlock()
	if !o.opened {
		o.opened = bytes.HasPrefix(b, []byte("<?xml")) || bytes.HasPrefix(b, []byte("<open "))
	}
	return o.Conn.Write(b)
}

// hold keeps back what is written from now on.
func (o *opening) hold() {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.holding = true
}

// release writes what was kept back, and all that is written from now on.
func (o *opening) release() error {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.holding = false
	_, err := o.Conn.Write(o.held)
	o.held = nil
	return err
}

// fail ends a stream, with an error if there is one of which the client can be told. It leaves
// it to the caller to close the connection.
func (l *login) fail(err error) {
	condition, text := conditionOf(err), ""
	switch {
	case condition != "":
		text = streamError(condition, l.webSocket)
	case !l.gate.Ended():
		return
	}
	if !l.conn.opened {
		text = header(l.server.Domain, l.webSocket) + text
	}
	if l.webSocket {
		text += "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"
	} else {
		text += "</stream:stream>"
	}
	_, _ = io.WriteString(l.conn.Conn, text) // there is nobody else to tell
}
