// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package certificate makes the server's certificate at its first start, and keeps it.
package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"
)

// valid is for how long a certificate is made.
const valid = 10 * 365 * 24 * time.Hour

// Load reads a certificate and its key, both in PEM, or makes a self-signed one for the
// domain and for loopback if there are no such files. Clients that get that file as their list of
// authorities trust it.
func Load(domain, certFile, keyFile string) (tls.Certificate, error) {
	_, noKey := os.Stat(keyFile)
	_, noCert := os.Stat(certFile)
	if errors.Is(noKey, fs.ErrNotExist) && errors.Is(noCert, fs.ErrNotExist) { // half a pair is somebody's
		if err := sign(domain, certFile, keyFile); err != nil {
			return tls.Certificate{}, fmt.Errorf("certificate: %w", err)
		}
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return pair, fmt.Errorf("certificate: %w", err)
	}
	return pair, nil
}

// sign writes a new certificate and its key.
func sign(domain, certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: number,
		Subject:      pkix.Name{CommonName: domain},
		DNSNames:     []string{domain, "localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid),
		KeyUsage:    x509.KeyUsageDigitalSignature, // no authority: whoever trusts it trusts no other
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},

		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := write(certFile, "CERTIFICATE", der, 0o644); err != nil {
		return err
	}
	return write(keyFile, "PRIVATE KEY", secret, 0o600)
}

func write(path, kind string, der []byte, mode fs.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
