// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package certificate

import (
	"bytes"
	"crypto/x509"
	"path/filepath"
	"testing"
)

// TestLoad checks that a certificate is made once, and is good for the domain.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	first, err := Load("capulet.example", cert, key)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Load("capulet.example", cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Certificate[0], second.Certificate[0]) {
		t.Error("it was made anew")
	}
	roots := x509.NewCertPool()
	roots.AddCert(first.Leaf)
	for _, name := range []string{"capulet.example", "localhost", "127.0.0.1"} {
		if _, err := first.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
