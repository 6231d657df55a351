// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"database/sql"
)

// In SQLite a batch is a transaction of small prepared statements: long ones take their
// driver twice the time. Each writes to a view, and a trigger does the rest inside of the
// database: see triggers. What a trigger finds unusual it refuses.
const (
	putRow    = `INSERT INTO untilack_put (` + putColumns + `) VALUES (@1)`
	deleteRow = `INSERT INTO untilack_delete (identity, deleted) VALUES (#1, #2)`
)

// putColumns are those of a row but its number, and what the trigger compares with.
const (
	putColumns = `identity, recipient, sender, message, sum, resource, marks, custody, received, expires, attempt, size, stanza, forget, most_messages, most_bytes`
	putCount   = 16
)

// triggers belong to the first version of SQLite's tables.
var triggers = []string{
	`CREATE VIEW untilack_put AS SELECT identity, recipient, sender, message, sum, resource, marks, custody, received, expires, attempt, size, stanza,
		0 AS forget, 0 AS most_messages, 0 AS most_bytes FROM untilack_rows`,
	`CREATE TRIGGER untilack_put_row INSTEAD OF INSERT ON untilack_put BEGIN
		SELECT RAISE(ABORT, 'untilack: deleted before') FROM untilack_marks
			WHERE identity = NEW.identity AND deleted > NEW.forget AND deleted > NEW.received;
		INSERT INTO untilack_boxes (recipient, messages, bytes) VALUES (NEW.recipient, 1, NEW.size)
			ON CONFLICT (recipient) DO UPDATE SET messages = messages + 1, bytes = bytes + excluded.bytes;
		SELECT RAISE(ABORT, 'untilack: quota') FROM untilack_boxes
			WHERE recipient = NEW.recipient AND (messages > NEW.most_messages OR bytes > NEW.most_bytes);
		UPDATE untilack_clock SET value = value + 1 WHERE one = 1;
		INSERT INTO untilack_rows (` + insertColumns + `)
			SELECT value, NEW.identity, NEW.recipient, NEW.sender, NEW.message, NEW.sum, NEW.resource, NEW.marks, NEW.custody,
				NEW.received, NEW.expires, NEW.attempt, NEW.size, NEW.stanza FROM untilack_clock WHERE one = 1;
	END`,
	`CREATE VIEW untilack_delete AS SELECT identity, deleted FROM untilack_marks`,
	`CREATE TRIGGER untilack_delete_row INSTEAD OF INSERT ON untilack_delete BEGIN
		UPDATE untilack_boxes SET messages = messages - 1, bytes = bytes - (SELECT size FROM untilack_rows WHERE identity = NEW.identity)
			WHERE recipient = (SELECT recipient FROM untilack_rows WHERE identity = NEW.identity);
		DELETE FROM untilack_rows WHERE identity = NEW.identity;
		INSERT INTO untilack_marks (identity, deleted) VALUES (NEW.identity, NEW.deleted)
			ON CONFLICT (identity) DO UPDATE SET deleted = excluded.deleted;
	END`,
}

// prepare prepares the statements, for as long as the database is open. In a transaction
// it could wait for itself.
func (s *Store) prepare(ctx context.Context) (err error) {
	if s.putRow, err = s.db.PrepareContext(ctx, s.texts.text(putRow, putCount)); err != nil {
		return err
	}
	s.deleteRow, err = s.db.PrepareContext(ctx, s.texts.text(deleteRow, 1))
	return err
}

// writeSQLite writes a batch. A statement alone is a transaction.
func (s *Store) writeSQLite(ctx context.Context, b *batch) error {
	if len(b.puts)+len(b.deletes) == 1 {
		return s.writeRows(ctx, s.putRow, s.deleteRow, b)
	}
	return s.inTransaction(ctx, func(tx *sql.Tx) error {
		return s.writeRows(ctx, tx.StmtContext(ctx, s.putRow), tx.StmtContext(ctx, s.deleteRow), b)
	})
}

func (s *Store) writeRows(ctx context.Context, put, remove *sql.Stmt, b *batch) error {
	for _, e := range b.puts {
		args := append(e.values(), b.forget, s.options.maxMessages(), s.options.maxBytes())
		if _, err := put.ExecContext(ctx, args...); err != nil {
			return err
		}
		// The first one has waited for the lock of the database. The others do not wait,
		// and a context that can end costs each a goroutine.
		ctx = context.WithoutCancel(ctx)
	}
	for _, e := range b.deletes {
		if _, err := remove.ExecContext(ctx, e.id[:], b.now); err != nil {
			return err
		}
	}
	return nil
}
