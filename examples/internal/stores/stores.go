// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package stores opens the databases of the examples, each by one string.
package stores

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
	"github.com/untilack/untilack/actions/sqlstore"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// A Store is a store of rows with its database, which Close closes.
type Store struct {
	*sqlstore.Store
	db      *sql.DB
	dialect sqlstore.Dialect
}

// Database returns the database, for tables of the caller's own.
func (s *Store) Database() (*sql.DB, sqlstore.Dialect) { return s.db, s.dialect }

// makeTries is how often Make tries, for another server may do the same at the same time.
const makeTries = 3

// Make makes a table of the caller's own: by CREATE TABLE IF NOT EXISTS, which PostgreSQL
// fails to do if two do it at once.
func (s *Store) Make(ctx context.Context, statement string) (err error) {
	for range makeTries {
		if _, err = s.db.ExecContext(ctx, statement); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("stores: %s: %w", s.dialect, err)
	}
	return nil
}

var parameter = regexp.MustCompile(`#(\d)`)

// In writes a statement in the database's dialect. Its parameters are #1 and so on.
func (s *Store) In(statement string) string {
	if s.dialect == sqlstore.PostgreSQL {
		return parameter.ReplaceAllString(statement, "$$$1")
	}
	return parameter.ReplaceAllString(statement, "?$1")
}

// Close closes the database. It is to be called when nobody uses the store any more.
func (s *Store) Close() error { return s.db.Close() }

var errSource = errors.New("stores: neither a file nor a postgres:// address")

// Open opens the database that source names, and makes its tables if there are none: a
// PostgreSQL server if source begins with postgres:// or postgresql://, and otherwise a
// file of SQLite, which is made if there is none. Both keep what is committed through a
// loss of power.
func Open(ctx context.Context, source string) (*Store, error) {
	path := source
	driver, source, dialect, err := parse(source)
	if err != nil {
		return nil, err
	}
	if dialect == sqlstore.SQLite {
		if err := makeFile(path); err != nil {
			return nil, err
		}
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, fmt.Errorf("stores: %w", err)
	}
	store, err := open(ctx, db, dialect)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("stores: %s: %w", dialect, err)
	}
	return &Store{Store: store, db: db, dialect: dialect}, nil
}

func open(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect) (*sqlstore.Store, error) {
	if err := sqlstore.Migrate(ctx, db, dialect); err != nil {
		return nil, err
	}
	return sqlstore.Open(ctx, db, dialect, nil)
}

// OpenFile opens a file of SQLite, which is made if there is none, and has the statements of
// schema done in it. What is committed lasts through a loss of power. An empty path means a
// database in memory.
func OpenFile(ctx context.Context, path, schema string) (*sql.DB, error) {
	name, err := fileName(path)
	if err != nil {
		return nil, err
	}
	if path == "" {
		name = ":memory:"
	} else if err := makeFile(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("stores: %w", err)
	}
	db.SetMaxOpenConns(1) // in memory each connection has a database of its own
	if _, err := db.ExecContext(ctx, schema); err != nil {
		db.Close()
		return nil, fmt.Errorf("stores: %s: %w", path, err)
	}
	return db, nil
}

// makeFile makes a file for its owner alone if there is none: there will be people's messages
// in it. SQLite gives the files that it makes beside it the same mode.
func makeFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("stores: %w", err)
	}
	return file.Close()
}

// parse returns what a database is opened by.
func parse(source string) (driver, name string, dialect sqlstore.Dialect, err error) {
	scheme, _, isURL := strings.Cut(source, "://")
	switch {
	case source == "":
		return "", "", 0, errSource
	case !isURL:
		name, err = fileName(source)
		return "sqlite", name, sqlstore.SQLite, err
	case scheme == "postgres" || scheme == "postgresql":
		return "pgx", source, sqlstore.PostgreSQL, nil
	}
	return "", "", 0, fmt.Errorf("%w: %s://", errSource, scheme)
}

// fileName returns the address of a file with the settings of its database. A commit is
// on the disk when it returns (synchronous=FULL), readers do not wait for it (WAL), and
// two processes wait for one another.
func fileName(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("stores: %w", err)
	}
	pragmas := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"}}
	name := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: pragmas.Encode()}
	return name.String(), nil
}
