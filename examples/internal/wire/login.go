// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package wire

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"net"
	"time"

	"github.com/untilack/untilack/internal/bind"
	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/websocket"
)

// Domain is the server's own.
const Domain = "localhost"

// Password is that of every account.
const Password = "a secret for a demonstration on loopback"

const loginTime = 5 * time.Second

var errWrongHost = errors.New("wire: the client asked for another host")

// Accept negotiates a client's stream and returns it with the address it is
// bound to.
//
// That address is built from the name that passed SASL. What the stream says
// about itself in RemoteAddr is only what the client claims, so the features
// are made for one connection and remember who logged in on it.
func Accept(conn net.Conn, transport Transport) (*xmpp.Session, jid.JID, error) {
	var user string
	var address jid.JID
	features := []xmpp.StreamFeature{
		xmpp.SASLServer(func(n *sasl.Negotiator) bool {
			name, secret, _ := n.Credentials()
			user = string(name)
			return string(secret) == Password
		}, sasl.Plain),
		xmpp.BindCustom(func(_ jid.JID, resource string) (bound jid.JID, err error) {
			if resource == "" {
				resource = rand.Text()
			}
			address, err = jid.New(user, Domain, resource)
			return address, err
		}),
	}
	// The context's deadline would not end a silent login; this one does.
	if err := conn.SetDeadline(time.Now().Add(loginTime)); err != nil {
		return nil, jid.JID{}, err
	}
	session, err := xmpp.ReceiveSession(context.Background(), conn, xmpp.Secure, negotiator(transport, features))
	if err != nil {
		return nil, jid.JID{}, err
	}
	if session.In().To.Domainpart() != Domain {
		return nil, jid.JID{}, errWrongHost
	}
	return session, address, conn.SetDeadline(time.Time{})
}

// login negotiates the client's end of a stream.
func login(conn net.Conn, transport Transport, user, resource string) (*xmpp.Session, error) {
	bare, err := jid.New(user, Domain, "")
	if err != nil {
		return nil, err
	}
	features := []xmpp.StreamFeature{xmpp.SASL("", Password, sasl.Plain), bind.Resource(resource)}
	if err := conn.SetDeadline(time.Now().Add(loginTime)); err != nil {
		return nil, err
	}
	session, err := xmpp.NewSession(context.Background(), bare.Domain(), bare, conn, xmpp.Secure, negotiator(transport, features))
	if err != nil {
		return nil, err
	}
	return session, conn.SetDeadline(time.Time{})
}

// negotiator returns mellium's negotiator for the transport. The features are
// the same for each restart of the stream. Loopback counts as secure.
func negotiator(transport Transport, features []xmpp.StreamFeature) xmpp.Negotiator {
	config := func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
		return xmpp.StreamConfig{Features: features}
	}
	if transport == WebSocket {
		return websocket.Negotiator(config)
	}
	return xmpp.NewNegotiator(config)
}

// Write sends one stanza in one piece.
func Write(session *xmpp.Session, stanza xml.TokenReader) error {
	e, err := ReadElement(stanza)
	if err != nil {
		return err
	}
	raw, err := e.Encode()
	if err != nil {
		return err
	}
	return WriteBytes(session, raw)
}

// WriteBytes writes raw under the session's own write lock, behind whatever
// mellium still holds in its buffer.
func WriteBytes(session *xmpp.Session, raw []byte) error {
	lock := session.TokenWriter()
	defer lock.Close()
	if err := lock.Flush(); err != nil {
		return err
	}
	_, err := session.Conn().Write(raw)
	return err
}
