// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// migrations are the statements that make the tables of each version out of those of the
// one before. Those of a version that was released do not change. They are SQLite's: see
// adapted.
//
// SQLite keeps the rows by number (INTEGER PRIMARY KEY): measured, that is some three times
// as fast in batches as a table by recipient. What changes after it was written is found by
// an index that others are not in.
var migrations = [][]string{
	{
		`CREATE TABLE untilack_rows (
			number INTEGER PRIMARY KEY,
			changed BIGINT,
			identity BLOB NOT NULL UNIQUE,
			recipient TEXT NOT NULL,
			sender TEXT NOT NULL,
			message TEXT NOT NULL,
			sum BIGINT NOT NULL,
			resource TEXT NOT NULL,
			marks BIGINT NOT NULL,
			custody SMALLINT NOT NULL,
			received BIGINT NOT NULL,
			expires BIGINT,
			attempt BIGINT NOT NULL,
			size BIGINT NOT NULL,
			stanza BLOB NOT NULL
		)`,
		`CREATE INDEX untilack_rows_recipient ON untilack_rows (recipient, number)`,
		`CREATE INDEX untilack_rows_changed ON untilack_rows (changed) WHERE changed IS NOT NULL`,
		`CREATE INDEX untilack_rows_expires ON untilack_rows (expires) WHERE expires IS NOT NULL`,
		`CREATE TABLE untilack_boxes (
			recipient TEXT PRIMARY KEY,
			messages BIGINT NOT NULL,
			bytes BIGINT NOT NULL
		) WITHOUT ROWID`,
		`CREATE TABLE untilack_marks (
			number INTEGER PRIMARY KEY,
			deleted BIGINT NOT NULL,
			identities BLOB NOT NULL
		)`,
		`CREATE INDEX untilack_marks_deleted ON untilack_marks (deleted, number)`,
		`CREATE TABLE untilack_clock (one INTEGER PRIMARY KEY, value BIGINT NOT NULL)`,
		`INSERT INTO untilack_clock VALUES (1, 0)`,
	},
	// What recipients have is counted, by an index that has all that takes. With the tables of
	// version 1 a row for each was written with each commit.
	{
		`DROP TABLE untilack_boxes`,
		`DROP INDEX untilack_rows_recipient`,
		`CREATE INDEX untilack_rows_box ON untilack_rows (recipient, number, size)`,
		`ALTER TABLE untilack_clock ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0`,
	},
}

// migrateTries is how often Migrate tries, for another process may do the same at the same
// time.
const migrateTries = 5

// Migrate creates the tables that a Store needs, or brings those of an older version up to
// date; if they are so already it does nothing. Tables of a later version are ErrVersion.
// It may be called by several processes at once.
func Migrate(ctx context.Context, db *sql.DB, d Dialect) error {
	if !d.isKnown() {
		return ErrDialect
	}
	const create = `CREATE TABLE IF NOT EXISTS untilack_schema (version BIGINT PRIMARY KEY)`
	var err error
	for range migrateTries {
		if _, err = db.ExecContext(ctx, create); err == nil {
			err = migrate(ctx, db, d)
		}
		if err == nil || ctx.Err() != nil {
			break
		}
		if version, readErr := readVersion(ctx, db); readErr == nil && version >= len(migrations) {
			return tooNew(version)
		}
	}
	return wrapped("migrate", err)
}

func tooNew(version int) error {
	if version > len(migrations) {
		return fmt.Errorf("%w: it is %d, and this package knows %d", ErrVersion, version, len(migrations))
	}
	return nil
}

// migrate makes one version after another, each in a transaction.
func migrate(ctx context.Context, db *sql.DB, d Dialect) error {
	for {
		version, err := readVersion(ctx, db)
		if err != nil {
			return err
		}
		if version >= len(migrations) {
			return tooNew(version)
		}
		if err := advance(ctx, db, d, version); err != nil {
			return err
		}
	}
}

func advance(ctx context.Context, db *sql.DB, d Dialect, version int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	// First, so that of several processes one wins.
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO untilack_schema VALUES (%d)`, version+1)); err != nil {
		return err
	}
	statements := migrations[version]
	if d == SQLite && version == len(migrations)-1 {
		statements = slices.Concat(oldTriggers, statements, triggers)
	}
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, d.adapted(statement)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

var forPostgreSQL = strings.NewReplacer(" BLOB ", " BYTEA ", " INTEGER ", " BIGINT ", " WITHOUT ROWID", "")

// adapted returns a statement of a migration in the dialect.
func (d Dialect) adapted(statement string) string {
	if d == PostgreSQL {
		return forPostgreSQL.Replace(statement)
	}
	return statement
}

// readVersion returns the version of the tables, 0 if there are none yet.
func readVersion(ctx context.Context, db *sql.DB) (version int, err error) {
	err = db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM untilack_schema`).Scan(&version)
	return version, err
}
