// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/middleware"

	"github.com/google/go-cmp/cmp"
	"mellium.im/xmpp"
)

// TestFrames checks what becomes one write.
func TestFrames(t *testing.T) {
	var got sink
	c := middleware.Frames(&got)
	for _, part := range []string{
		"<open/>", " \n", "<a", " b='/>'", "><c", "/>", "</", "a>", "<d/><e>", "x</e>\n", "<f g=\"'>\">", "</f></stream:stream>",
	} {
		if n, err := io.WriteString(c, part); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	want := []string{"<open/>", "<a b='/>'><c/></a>", "<d/>", "<e>x</e>", "<f g=\"'>\"></f>", "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"}
	if diff := cmp.Diff(want, got.writes); diff != "" {
		t.Error(diff)
	}
}

// TestDeadlines checks that a write ends in time where that of mellium's own
// session would not, whatever its context does meanwhile.
func TestDeadlines(t *testing.T) {
	near, far := net.Pipe()
	go func() { _, _ = io.WriteString(far, tcpHeader); _, _ = io.ReadFull(far, make([]byte, len(tcpHeader))) }()
	inner, err := xmpp.ReceiveSession(t.Context(), middleware.Deadlines(near, 50*time.Millisecond), xmpp.Secure, negotiator(false))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	within(t, patience, "Send", func() { err = inner.Send(ctx, read(message("m1", "hi"))) })
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	_ = near.Close()
	_ = far.Close()
}

// TestDeadlinesReading checks that deadlines for reading are left as they are.
func TestDeadlinesReading(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := middleware.Deadlines(near, 0)
	defer c.Close()
	if err := errors.Join(c.SetDeadline(time.Now().Add(-time.Second)), c.SetWriteDeadline(time.Now().Add(-time.Second))); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	go func() { _, _ = io.ReadFull(far, make([]byte, 2)) }()
	if _, err := io.WriteString(c, "ok"); err != nil {
		t.Error(err)
	}
	if _, ok := middleware.Deadlines(tls.Server(near, nil), 0).(interface{ ConnectionState() tls.ConnectionState }); !ok {
		t.Error("TLS can no longer be asked about")
	}
}

// certificate is one for tests.
func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

// TestTLS checks that a client that stops reading beneath TLS is noticed.
func TestTLS(t *testing.T) {
	w := newWorld(t, untilack.Config{})
	near, far := net.Pipe()
	server := tls.Server(near, &tls.Config{Certificates: []tls.Certificate{certificate(t)}})
	remote := tls.Client(far, &tls.Config{InsecureSkipVerify: true})
	go func() {
		_, _ = io.WriteString(remote, tcpHeader)
		_, _ = io.ReadFull(remote, make([]byte, len(tcpHeader)))
	}()
	inner, err := xmpp.ReceiveSession(t.Context(), server, 0, negotiator(false))
	if err != nil {
		t.Fatal(err)
	}
	s, err := middleware.Wrap(w.Keeper, inner, juliet, &middleware.Options{WriteTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WriteStanza(t.Context(), []byte(message("m1", strings.Repeat("x", 1000)))); err != nil {
		t.Fatal(err)
	}
	within(t, patience, "the end", func() { <-s.Done() })
	if !errors.Is(s.Err(), middleware.ErrStalled) {
		t.Error(s.Err())
	}
	w.await(t, untilack.Closed)
	_ = far.Close()
}
