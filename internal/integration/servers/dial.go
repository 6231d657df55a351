// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/untilack/untilack/internal/bind"
	"mellium.im/sasl"
	"mellium.im/xmpp"
)

// Dial returns a session of mellium's, over TLS, which the server has given a resource. It
// is closed when the test ends. It has sent no presence, and nobody serves it yet.
func Dial(t testing.TB, s *Server, a Account) *xmpp.Session {
	t.Helper()
	session, err := Login(t.Context(), s, a, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Conn().Close() })
	return session
}

// Login is Dial for any goroutine of a test, with a resource to ask for. The caller has to
// close the session.
func Login(ctx context.Context, s *Server, a Account, resource string) (*xmpp.Session, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return nil, err
	}
	session, err := negotiate(ctx, conn, s, a, resource)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s does not let %s in: %w", s.Name, a.Address, err)
	}
	return session, nil
}

func negotiate(ctx context.Context, conn net.Conn, s *Server, a Account, resource string) (*xmpp.Session, error) {
	// Mellium sets a deadline in the past when ctx ends, and takes it back at once, so that a
	// login that hangs may not notice, and goes on without the one that is set here.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	ctx = context.WithoutCancel(ctx)
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	features := []xmpp.StreamFeature{
		xmpp.StartTLS(&tls.Config{ServerName: s.Domain, RootCAs: s.CA, MinVersion: tls.VersionTLS12}),
		// Not the mechanisms with channel binding: ejabberd 23.01 refuses mellium's.
		xmpp.SASL("", a.Password, sasl.ScramSha256, sasl.ScramSha1),
		xmpp.BindResource(),
	}
	if resource != "" {
		features[2] = bind.Resource(resource)
	}
	session, err := xmpp.NewClientSession(ctx, a.Address, conn, features...)
	if err != nil {
		return nil, err
	}
	return session, conn.SetDeadline(time.Time{})
}
