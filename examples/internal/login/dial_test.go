// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package login_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/examples/internal/login"
	"github.com/untilack/untilack/examples/internal/relay"
	"github.com/untilack/untilack/examples/internal/wire"

	"mellium.im/xmpp/jid"
)

// Starting with TLS, which the relay does not know, is what internal/integration/clients
// tests.
func TestDial(t *testing.T) {
	plain := startRelay(t)
	secure, ca := startTLS(t, plain)
	for _, test := range []struct {
		name    string
		account login.Account
		fails   bool
	}{
		{"no TLS", login.Account{Server: plain, TLS: login.NoTLS}, false},
		{"TLS", login.Account{Server: secure, TLS: login.DirectTLS, CAFile: ca}, false},
		{"TLS that is not trusted", login.Account{Server: secure, TLS: login.DirectTLS}, true},
		{"no TLS where it is wanted", login.Account{Server: plain, TLS: login.StartTLS, CAFile: ca}, true},
		{"a wrong password", login.Account{Server: plain, TLS: login.NoTLS, Password: "wrong"}, true},
		{"nobody", login.Account{Server: "127.0.0.1:1", TLS: login.NoTLS}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := test.account
			a.Address = jid.MustParse("romeo@localhost/here")
			if a.Password == "" {
				a.Password = wire.Password
			}
			session, err := a.Dial(t.Context())
			if (err != nil) != test.fails {
				t.Fatalf("got %v", err)
			}
			if err == nil {
				defer session.Close()
				if got := session.LocalAddr(); !got.Equal(a.Address) {
					t.Errorf("bound to %s, want %s", got, a.Address)
				}
			}
		})
	}
}

// A server that accepts, and says nothing, is waited for until the context ends.
func TestDialSilence(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	a := login.Account{Address: jid.MustParse("romeo@localhost"), Password: "x", Server: listener.Addr().String(), TLS: login.NoTLS}
	if _, err := a.Dial(ctx); err == nil {
		t.Error("no error")
	}
}

func startRelay(t *testing.T) string {
	delivery, err := relay.NewKept(untilack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := relay.Listen(relay.Config{Delivery: delivery, Log: slog.New(slog.DiscardHandler)}, wire.TCP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r.Addr(wire.TCP)
}

// startTLS starts what speaks TLS in front of a server, and returns its address, and a file
// with its certificate.
func startTLS(t *testing.T, server string) (address, ca string) {
	own := certificate(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{own}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go carry(near, server)
		}
	}()
	ca = filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}
	if err := os.WriteFile(ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String(), ca
}

// carry copies both ways until one side ends.
func carry(near net.Conn, server string) {
	defer near.Close()
	far, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		_, _ = io.Copy(far, near)
		far.Close()
	}()
	_, _ = io.Copy(near, far)
}

// certificate returns one for localhost, signed by itself.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{wire.Domain}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}
