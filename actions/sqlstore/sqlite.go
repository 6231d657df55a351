// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"database/sql"
	"errors"
)

// In SQLite a batch is a transaction of small prepared statements: long ones take their
// driver twice the time.
const (
	reserveBox = `INSERT INTO untilack_boxes (recipient, messages, bytes) VALUES (#1, #2, #3) ON CONFLICT (recipient) DO UPDATE ` +
		`SET messages = messages + excluded.messages, bytes = bytes + excluded.bytes WHERE messages + excluded.messages <= #4 AND bytes + excluded.bytes <= #5`
	insertFresh = `INSERT INTO untilack_rows (` + insertColumns + `) SELECT [1] ` +
		`WHERE NOT EXISTS (SELECT 1 FROM untilack_marks WHERE identity = #2 AND deleted > #10 AND deleted > #15) ON CONFLICT (identity) DO NOTHING`
	deleteRow  = `DELETE FROM untilack_rows WHERE identity = #1 RETURNING size`
	upsertMark = `INSERT INTO untilack_marks (identity, deleted) VALUES (#1, #2) ON CONFLICT (identity) DO UPDATE SET deleted = excluded.deleted`
	emptyBox   = `UPDATE untilack_boxes SET messages = messages - #2, bytes = bytes - #3 WHERE recipient = #1`
)

// prepared are the statements that are kept prepared for SQLite, as long as the database
// is open. Each is 14 parameters long at most, so that its length is that of a row.
var prepared = []string{lockClock, reserveBox, insertFresh, deleteRow, upsertMark, emptyBox}

// prepare prepares them. In a transaction it could wait for itself.
func (s *Store) prepare(ctx context.Context) error {
	s.prepared = make(map[string]*sql.Stmt, len(prepared))
	for _, pattern := range prepared {
		statement, err := s.db.PrepareContext(ctx, s.texts.text(pattern, columns))
		if err != nil {
			return err
		}
		s.prepared[pattern] = statement
	}
	return nil
}

func (s *Store) writeSQLite(ctx context.Context, tx *sql.Tx, b *batch) error {
	// It waits for the lock of the database. Those after it do not wait, and a context
	// that can end would cost each a goroutine.
	var clock int64
	count := int64(len(b.puts) + 1)
	if err := tx.StmtContext(ctx, s.prepared[lockClock]).QueryRowContext(ctx, count).Scan(&clock); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if err := s.putSQLite(ctx, tx, b, clock-count); err != nil {
		return err
	}
	return s.deleteSQLite(ctx, tx, b)
}

func (s *Store) putSQLite(ctx context.Context, tx *sql.Tx, b *batch, clock int64) error {
	if len(b.puts) == 0 {
		return nil
	}
	reserve := tx.StmtContext(ctx, s.prepared[reserveBox])
	for _, c := range b.boxes {
		result, err := reserve.ExecContext(ctx, c.recipient, c.messages, c.bytes, s.options.maxMessages(), s.options.maxBytes())
		if err := affects(1, result, err); err != nil {
			return err
		}
	}
	insert := tx.StmtContext(ctx, s.prepared[insertFresh])
	for _, e := range b.puts {
		clock++
		args := append(append([]any{clock}, e.values()...), b.forget)
		result, err := insert.ExecContext(ctx, args...)
		if err := affects(1, result, err); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) deleteSQLite(ctx context.Context, tx *sql.Tx, b *batch) error {
	if len(b.deletes) == 0 {
		return nil
	}
	remove, mark := tx.StmtContext(ctx, s.prepared[deleteRow]), tx.StmtContext(ctx, s.prepared[upsertMark])
	var gone []*entry
	for _, e := range b.deletes {
		switch err := remove.QueryRowContext(ctx, e.id[:]).Scan(&e.size); {
		case err == nil:
			gone = append(gone, e)
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		if _, err := mark.ExecContext(ctx, e.id[:], b.now); err != nil {
			return err
		}
	}
	empty := tx.StmtContext(ctx, s.prepared[emptyBox])
	for _, c := range boxChanges(gone) {
		if _, err := empty.ExecContext(ctx, c.recipient, c.messages, c.bytes); err != nil {
			return err
		}
	}
	return nil
}
