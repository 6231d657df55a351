// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmpp"
)

// Dial returns a session of mellium's, over TLS, which the server has given a resource. It
// is closed when the test ends. It has sent no presence, and nobody serves it yet.
func Dial(t testing.TB, s *Server, a Account) *xmpp.Session {
	t.Helper()
	conn, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// A context's deadline would not end a login that hangs; this one does.
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	session, err := xmpp.NewClientSession(t.Context(), a.Address, conn,
		xmpp.StartTLS(&tls.Config{ServerName: s.Domain, RootCAs: s.CA, MinVersion: tls.VersionTLS12}),
		// Not the mechanisms with channel binding: ejabberd 23.01 refuses mellium's.
		xmpp.SASL("", a.Password, sasl.ScramSha256, sasl.ScramSha1),
		xmpp.BindResource(),
	)
	if err != nil {
		t.Fatalf("%s does not let %s in: %v", s.Name, a.Address, err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	return session
}
