// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package sqlstore keeps rows in a SQL database that outlives the process: an
// actions.Store over SQLite or PostgreSQL, or over what speaks PostgreSQL's dialect.
//
// The caller opens the database with a driver of its choice, has Migrate create the
// tables, and opens a Store:
//
//	db, err := sql.Open("sqlite", "file:mail.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)")
//	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite)
//	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite, nil)
//
// # What is durable
//
// Put and Delete return when their transaction is committed: what that means is the
// database's setting. SQLite keeps a commit through a loss of power with synchronous=FULL
// and not with NORMAL, in which the last commits may be gone; PostgreSQL keeps it unless
// synchronous_commit or fsync is off.
//
// # How it writes
//
// All that is put and deleted at the same time shares a commit: a Store writes one
// transaction at a time, with whatever came while the one before it was written. Each
// begins with an update of one row, the clock, which is locked until the commit. So the
// numbers of rows have the order in which they become visible, over all processes, and a
// reader who goes on from the last number misses none.
//
// What is usual, new packets within the quotas and deletions, is written without being read
// first: in PostgreSQL as one statement, in SQLite as one if it is alone, else as a
// transaction. What turns out to be
// otherwise takes a longer way, a transaction that reads first. So does what failed, once
// more; and if that fails while the database answers, each call is tried alone, so that no
// row fails because of another.
//
// # Quotas
//
// What a recipient has is counted before a Store puts the first row for them, and again when
// what was put since, by this Store for them or by others for anybody, could have used up the
// quota. Who was found to have no room is not counted again for a second, unless this Store
// deletes a row of theirs, and rows for them are refused without a transaction.
//
// # Tables
//
// untilack_rows holds the rows, untilack_marks what was deleted a short while ago,
// untilack_clock the last number and how many bytes were ever put, and untilack_schema the
// version of all this. SQLite has two views with triggers besides.
// Nothing but a Store should write to them. See docs/STORES.md.
package sqlstore
