// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package accounts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	a := New("localhost")
	if err := a.Read(strings.NewReader("# who\n\nRomeo:o:rchard\njuliet:balcony\nnurse:\u2168 peter\n")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, password string
		want           bool
	}{
		{"romeo", "o:rchard", true}, {"juliet", "balcony", true},
		{"romeo", "balcony", false}, {"nurse", "", false}, {"nurse", "balcony", false},
		{"nurse", "\u2168 peter", true}, {"nurse", "IX peter", true}, {"nurse", "IX\u00a0peter", true},
	} {
		if got := a.Check(test.name, test.password); got != test.want {
			t.Errorf("%s with %q: got %v, want %v", test.name, test.password, got, test.want)
		}
	}
	for _, bad := range []string{"romeo", "romeo:", ":x", "a@b:x", "a b:x"} {
		if err := New("localhost").Read(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestUnknown checks that who does not exist can not be told from who does.
func TestUnknown(t *testing.T) {
	a := New("localhost")
	if err := a.Add("romeo:orchard"); err != nil {
		t.Fatal(err)
	}
	for _, mechanism := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256"} {
		known, err := a.Credentials(mechanism, "romeo")
		if err != nil {
			t.Fatal(err)
		}
		unknown, err := a.Credentials(mechanism, "nurse")
		if err != nil {
			t.Fatal(err)
		}
		again, _ := a.Credentials(mechanism, "nurse")
		if unknown.Salt != again.Salt || len(unknown.Salt) != len(known.Salt) || unknown.Iters != known.Iters {
			t.Errorf("%s: got %+v and %+v for nobody, and %+v for somebody", mechanism, unknown.KeyFactors, again.KeyFactors, known.KeyFactors)
		}
		if same, _ := a.Credentials(mechanism, "romeo"); same.Salt != known.Salt {
			t.Errorf("%s: the salt has changed", mechanism)
		}
	}
}

func TestOpenMakesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts")
	if err := Make(path, "romeo", "juliet"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file for its owner alone", info, err)
	}
	a := New("localhost")
	if err := a.Open(path); err != nil || !a.Has("juliet") || a.Len() != 2 {
		t.Errorf("got %v, want two accounts", err)
	}
	before, _ := os.ReadFile(path)
	if err := os.WriteFile(path, append(before, "nurse:peter\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if !a.Check("nurse", "peter") {
		t.Error("an account that was added to the file is not found")
	}
	if err := os.WriteFile(path, []byte("nurse:angelica\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a.Check("nurse", "peter") || !a.Check("nurse", "angelica") || a.Has("juliet") {
		t.Error("a password that was changed, or an account that was taken out, is taken still")
	}
	before, _ = os.ReadFile(path)
	if err := Make(path, "nurse"); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(path); string(before) != string(after) {
		t.Error("the file was made anew")
	}
}
