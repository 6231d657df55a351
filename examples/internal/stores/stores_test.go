// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package stores

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/cache"
)

// TestFile checks that rows are there again when a file is opened a second time, at a
// path that would mean something in an address.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%41.db")
	row := actions.NewRow(cache.Packet{
		Key:      cache.Key{To: "juliet@capulet.example", From: "romeo@montague.example/orchard", ID: "1"},
		Received: time.UnixMicro(1),
		Stanza:   []byte("<message/>"),
	}, true)
	store := openFile(t, path)
	if errs := store.Put(t.Context(), row); errs != nil {
		t.Fatal(errs)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal("it is another file:", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		t.Errorf("others may read it: %v", mode)
	}
	again := openFile(t, path)
	defer again.Close()
	rows, err := again.List(t.Context(), row.Packet.Key.To, 0, 0)
	if err != nil || len(rows) != 1 || string(rows[0].Packet.Stanza) != "<message/>" {
		t.Errorf("got %+v, %v", rows, err)
	}
}

func openFile(t *testing.T, path string) *Store {
	t.Helper()
	store, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestSettings checks that the settings in the address of a file are heeded.
func TestSettings(t *testing.T) {
	store := openFile(t, filepath.Join(t.TempDir(), "mail.db"))
	defer store.Close()
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "10000"} {
		var got string
		if err := store.db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, want %q: %v", pragma, got, want, err)
		}
	}
}

func TestParse(t *testing.T) {
	for source, want := range map[string]sqlstore.Dialect{
		"mail.db":                      sqlstore.SQLite,
		"postgres://user@host/mail":    sqlstore.PostgreSQL,
		"postgresql:///mail?host=/run": sqlstore.PostgreSQL,
	} {
		if _, _, got, err := parse(source); got != want || err != nil {
			t.Errorf("%s: got %v, %v", source, got, err)
		}
	}
	for _, source := range []string{"", "mysql://host/mail"} {
		if _, err := Open(t.Context(), source); !errors.Is(err, errSource) {
			t.Errorf("%q: got %v", source, err)
		}
	}
	if _, err := Open(t.Context(), t.TempDir()); err == nil {
		t.Error("a folder was opened")
	}
}
