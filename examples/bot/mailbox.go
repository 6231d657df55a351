// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"database/sql"
	"time"

	"github.com/untilack/untilack/examples/internal/stores"
)

// A mailbox has the messages that came.
type mailbox struct{ db *sql.DB }

// Of messages that ask for a receipt a copy is no second row. Others have no id here: their
// senders need not take care that ids differ.
const mailboxSchema = `
CREATE TABLE IF NOT EXISTS messages (
	number   INTEGER PRIMARY KEY,
	sender   TEXT NOT NULL,
	id       TEXT,
	body     TEXT NOT NULL,
	received TEXT NOT NULL,
	UNIQUE (sender, id, body)
)`

func openMailbox(ctx context.Context, path string) (*mailbox, error) {
	db, err := stores.OpenFile(ctx, path, mailboxSchema)
	if err != nil {
		return nil, err
	}
	return &mailbox{db}, nil
}

func (m *mailbox) close() { _ = m.db.Close() }

// add stores a message, and reports whether it was not there. When it returns the message
// is on the disk.
func (m *mailbox) add(in *message) (added bool, err error) {
	id := sql.NullString{String: in.ID, Valid: in.Request != nil}
	result, err := m.db.Exec("INSERT INTO messages (sender, id, body, received) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		in.From.String(), id, in.Body, time.Now().UTC().Format(time.RFC3339Nano))
	if err != nil {
		return false, err
	}
	rows, err := result.RowsAffected()
	return rows > 0, err
}
