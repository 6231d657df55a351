// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore_test

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions/sqlstore"
)

// A server that keeps each message in SQLite before it delivers it. The program imports a
// driver, for example modernc.org/sqlite, by which the name "sqlite" is known.
func Example() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", "file:mail.db?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		slog.Error("no database", "error", err)
		return
	}
	defer db.Close()
	if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite); err != nil {
		slog.Error("no tables", "error", err)
		return
	}
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite, &sqlstore.Options{Retention: 30 * 24 * time.Hour})
	if err != nil {
		slog.Error("no store", "error", err)
		return
	}
	keeper, err := untilack.New(untilack.Config{Domain: "capulet.example", Store: store})
	if err != nil {
		slog.Error("no keeper", "error", err)
		return
	}
	go sweep(ctx, store)
	if err := keeper.Run(ctx); err != nil {
		slog.Error("stopped", "error", err)
	}
}

// sweep removes what has expired, for as long as the server runs.
func sweep(ctx context.Context, store *sqlstore.Store) {
	for range time.Tick(time.Hour) {
		if _, err := store.Sweep(ctx, time.Now()); err != nil {
			slog.Warn("not swept", "error", err)
		}
	}
}
