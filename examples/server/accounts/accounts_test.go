// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package accounts

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// openText returns accounts of a file with that text, and its path.
func openText(t *testing.T, text string) (*Accounts, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "accounts")
	write(t, path, text)
	a := New("localhost")
	if err := a.Open(path, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return a, path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	a, path := openText(t, "# who\n\nRomeo:o:rchard\njuliet:balcony\nnurse:\u2168 peter\n")
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
		write(t, path, bad)
		if err := New("localhost").Open(path, nil); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestUnknown checks that who does not exist can not be told from who does: not by what SCRAM
// is told, and not by how much work that is.
func TestUnknown(t *testing.T) {
	a := New("localhost")
	if err := a.Add("romeo:orchard"); err != nil {
		t.Fatal(err)
	}
	for _, mechanism := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256"} {
		for _, name := range []string{"romeo", "nurse"} {
			before := len(a.derived)
			first, err := a.Credentials(mechanism, name)
			if err != nil {
				t.Fatal(err)
			}
			if len(first.Salt) != 16 || first.Iters != iterations || len(a.derived) != before+1 {
				t.Errorf("%s, %s: got %+v and %d derived more, want one more", mechanism, name, first.KeyFactors, len(a.derived)-before)
			}
			clear(a.derived)
			if again, _ := a.Credentials(mechanism, name); again.Salt != first.Salt {
				t.Errorf("%s, %s: the salt has changed", mechanism, name)
			}
			if _, err := a.Credentials(mechanism, name); err != nil || len(a.derived) != 1 {
				t.Errorf("%s, %s: %v, and %d are remembered, want 1", mechanism, name, err, len(a.derived))
			}
			clear(a.derived)
		}
	}
	one, _ := a.Credentials("SCRAM-SHA-256", "nurse")
	if other, _ := a.Credentials("SCRAM-SHA-256", "paris"); one.Salt == other.Salt {
		t.Error("two names have the same salt")
	}
}

// TestDerivedAreBounded checks that names that are tried do not fill the memory.
func TestDerivedAreBounded(t *testing.T) {
	a := New("localhost")
	for i := range maxDerived {
		a.derived[fmt.Sprint(i)] = derived{}
	}
	if _, err := a.Credentials("SCRAM-SHA-1", "romeo"); err != nil || len(a.derived) > maxDerived {
		t.Errorf("%v, and %d are remembered, want %d at most", err, len(a.derived), maxDerived)
	}
}

func TestMake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts")
	if err := Make(path, "romeo", "juliet"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file for its owner alone", info, err)
	}
	a := New("localhost")
	if err := a.Open(path, nil); err != nil || !a.Has("juliet") || len(a.Passwords()) != 2 {
		t.Errorf("got %v, want two accounts", err)
	}
	before, _ := os.ReadFile(path)
	if err := Make(path, "nurse"); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(path); string(before) != string(after) {
		t.Error("the file was made anew")
	}
}

// TestChanges checks that what is changed in the file counts, and that a fault in it changes
// nothing and is met once.
func TestChanges(t *testing.T) {
	a, path := openText(t, "romeo:orchard\ntybalt:sword\n")
	var log strings.Builder
	a.log = slog.New(slog.NewTextHandler(&log, nil))
	check := func(name, password string, want bool) {
		t.Helper()
		if got := a.Check(name, password); got != want {
			t.Errorf("%s with %q: got %v, want %v", name, password, got, want)
		}
	}
	write(t, path, "romeo:vault-and-tomb\nnurse:peter\n")
	check("romeo", "orchard", false)
	check("romeo", "vault-and-tomb", true)
	check("tybalt", "sword", false)
	check("nurse", "peter", true)
	write(t, path, "romeo:vault\nfault\n")
	for range 3 {
		check("romeo", "vault-and-tomb", true)
		check("paris", "x", false)
	}
	if got := strings.Count(log.String(), "line 2"); got != 1 {
		t.Errorf("line 2 was complained of %d times, want once: %s", got, &log)
	}
	write(t, path, "romeo:vault\n")
	check("romeo", "vault", true)
	check("nurse", "peter", false)
	if a.Has("nurse") {
		t.Error("who was taken out of the file gets messages")
	}
	write(t, path, "romeo:vault\nparis:county\n")
	a.looked = time.Time{}
	if !a.Has("paris") {
		t.Error("who was added to the file gets no messages")
	}
}
