// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package integration

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/internal/integration/postgres"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

func TestMain(m *testing.M) {
	code := m.Run()
	postgres.StopShared()
	os.Exit(code)
}

// A database is one to run tests on.
type database struct {
	name    string
	dialect sqlstore.Dialect
	// create returns the driver and the source of a new and empty database.
	create func(t testing.TB) (driver, source string)
}

var schemas atomic.Int64

var databases = []database{
	{"SQLite", sqlstore.SQLite, func(t testing.TB) (string, string) {
		return "sqlite", sqliteSource(filepath.Join(t.TempDir(), "mail.db"), "FULL")
	}},
	{"PostgreSQL", sqlstore.PostgreSQL, func(t testing.TB) (string, string) {
		s := postgres.Need(t)
		schema := fmt.Sprintf("test%d", schemas.Add(1))
		db, err := sql.Open("pgx", s.DSN("public"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec("CREATE SCHEMA " + schema); err != nil {
			t.Fatal(err)
		}
		return "pgx", s.DSN(schema)
	}},
}

func sqliteSource(path, synchronous string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(" + synchronous + ")"
}

// open opens a database that there is.
func open(t testing.TB, driver, source string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// newDB returns a new database with the tables in it.
func (d *database) newDB(t testing.TB) *sql.DB {
	t.Helper()
	db := openNew(t, d)
	d.migrate(t, db)
	return db
}

func (d *database) migrate(t testing.TB, db *sql.DB) {
	t.Helper()
	if err := sqlstore.Migrate(t.Context(), db, d.dialect); err != nil {
		t.Fatal(err)
	}
}

func openNew(t testing.TB, d *database) *sql.DB {
	t.Helper()
	driver, source := d.create(t)
	return open(t, driver, source)
}

func (d *database) newStore(t testing.TB, o *sqlstore.Options) *sqlstore.Store {
	t.Helper()
	return d.openStore(t, d.newDB(t), o)
}

func (d *database) openStore(t testing.TB, db *sql.DB, o *sqlstore.Options) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), db, d.dialect, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func eachDatabase(t *testing.T, run func(t *testing.T, d *database)) {
	for i := range databases {
		t.Run(databases[i].name, func(t *testing.T) { run(t, &databases[i]) })
	}
}

func TestStore(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		actionstest.TestStore(t, func(t *testing.T) actions.Store { return d.newStore(t, nil) })
	})
}

func TestStoreQuota(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		const messages = 5
		actionstest.TestStoreQuota(t, messages, func(t *testing.T) actions.Store {
			return d.newStore(t, &sqlstore.Options{MaxMessages: messages})
		})
	})
}

func TestStoreLasts(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		actionstest.TestStoreLasts(t, func(t *testing.T) actionstest.Reopener {
			driver, source := d.create(t)
			db := open(t, driver, source)
			if err := sqlstore.Migrate(t.Context(), db, d.dialect); err != nil {
				t.Fatal(err)
			}
			store, err := sqlstore.Open(t.Context(), db, d.dialect, nil)
			if err != nil {
				t.Fatal(err)
			}
			return actionstest.Reopener{Store: store, Reopen: func() (actions.Store, error) {
				db.Close()
				return sqlstore.Open(t.Context(), open(t, driver, source), d.dialect, nil)
			}}
		})
	})
}
