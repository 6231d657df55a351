// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package login

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/untilack/untilack/internal/bind"

	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/dial"
)

// loginTime is how long a login may take.
const loginTime = 30 * time.Second

// Dial logs in and returns a session that has a resource. Nobody serves it yet, and it has
// sent no presence.
func (a *Account) Dial(ctx context.Context) (*xmpp.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	config, err := a.tlsConfig()
	if err != nil {
		return nil, err
	}
	conn, err := a.connect(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("no connection for %s: %w", a.Address, err)
	}
	// A server that falls silent is not noticed by mellium when ctx ends.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	session, err := a.negotiate(ctx, conn, config)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("no login as %s: %w", a.Address, err)
	}
	return session, nil
}

// connect returns a connection to the server, with TLS if it begins at once.
func (a *Account) connect(ctx context.Context, config *tls.Config) (net.Conn, error) {
	if a.Server == "" {
		dialer := dial.Dialer{NoTLS: a.TLS != DirectTLS, TLSConfig: config}
		conn, err := dialer.Dial(ctx, "tcp", a.Address)
		if _, secure := conn.(*tls.Conn); err == nil && a.TLS == DirectTLS && !secure {
			_ = conn.Close()
			return nil, errors.New("DNS names no server with direct TLS")
		}
		return conn, err
	}
	if a.TLS == DirectTLS {
		dialer := tls.Dialer{Config: config}
		return dialer.DialContext(ctx, "tcp", a.Server)
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp", a.Server)
}

// negotiate opens the stream. Loopback counts as secure.
func (a *Account) negotiate(ctx context.Context, conn net.Conn, config *tls.Config) (*xmpp.Session, error) {
	// Not the mechanisms with channel binding: ejabberd 23.01 refuses mellium's.
	features := []xmpp.StreamFeature{
		xmpp.SASL("", a.Password, sasl.ScramSha256, sasl.ScramSha1, sasl.Plain),
		xmpp.BindResource(),
	}
	if resource := a.Address.Resourcepart(); resource != "" {
		features[1] = bind.Resource(resource)
	}
	state := xmpp.Secure
	if a.TLS == StartTLS {
		features, state = append(features, xmpp.StartTLS(config)), 0
	}
	negotiator := xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
		return xmpp.StreamConfig{Features: features}
	})
	return xmpp.NewSession(ctx, a.Address.Domain(), a.Address.Bare(), conn, state, negotiator)
}
