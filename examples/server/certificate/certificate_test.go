// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package certificate

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
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
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(cert)
	if _, err := Load("capulet.example", cert, key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without its key: got %v, want that there is no such file", err)
	}
	if after, _ := os.ReadFile(cert); !bytes.Equal(before, after) {
		t.Error("a certificate was written over")
	}
	roots := x509.NewCertPool()
	roots.AddCert(first.Leaf)
	for _, name := range []string{"capulet.example", "localhost", "127.0.0.1"} {
		if _, err := first.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if leaf := first.Leaf; leaf.IsCA || leaf.KeyUsage&x509.KeyUsageCertSign != 0 || !leaf.BasicConstraintsValid {
		t.Error("others may be signed with it, for any name")
	}
}
