// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"database/sql"
	"slices"
)

// In SQLite one row or deletion alone is one statement: it writes to a view, and a trigger
// does the rest inside of the database. What a trigger finds unusual it refuses. More than
// one are a transaction. Both are prepared: to read a text takes SQLite longer than to do
// what it says.
const (
	putRow    = `INSERT INTO untilack_put (` + putColumns + `) VALUES (@1)`
	deleteRow = `INSERT INTO untilack_delete (identity, deleted) VALUES (#1, #2)`
)

// putColumns are those of a row but its number, and what the trigger compares with.
const (
	putColumns = `identity, recipient, sender, message, sum, resource, marks, custody, received, expires, attempt, size, stanza, since_deleted, since_number, most_value, most_bytes`
	putCount   = 17
)

// oldTriggers removes those of other versions, and triggers makes those of the present one.
var oldTriggers = []string{`DROP VIEW IF EXISTS untilack_put`, `DROP VIEW IF EXISTS untilack_delete`}

var triggers = []string{
	`CREATE VIEW untilack_put AS SELECT identity, recipient, sender, message, sum, resource, marks, custody, received, expires, attempt, size, stanza,
		0 AS since_deleted, 0 AS since_number, 0 AS most_value, 0 AS most_bytes FROM untilack_rows`,
	`CREATE TRIGGER untilack_put_row INSTEAD OF INSERT ON untilack_put BEGIN
		SELECT RAISE(ABORT, 'untilack: deleted before') FROM untilack_marks
			WHERE (deleted >= NEW.since_deleted OR number >= NEW.since_number) AND instr(identities, NEW.identity);
		SELECT RAISE(ABORT, 'untilack: quota') FROM untilack_clock WHERE one = 1 AND (value > NEW.most_value OR bytes > NEW.most_bytes);
		UPDATE untilack_clock SET value = value + 1, bytes = bytes + NEW.size WHERE one = 1;
		INSERT INTO untilack_rows (` + insertColumns + `)
			SELECT value, NEW.identity, NEW.recipient, NEW.sender, NEW.message, NEW.sum, NEW.resource, NEW.marks, NEW.custody,
				NEW.received, NEW.expires, NEW.attempt, NEW.size, NEW.stanza FROM untilack_clock WHERE one = 1;
	END`,
	`CREATE VIEW untilack_delete AS SELECT identity, 0 AS deleted FROM untilack_rows`,
	`CREATE TRIGGER untilack_delete_row INSTEAD OF INSERT ON untilack_delete BEGIN
		DELETE FROM untilack_rows WHERE identity = NEW.identity;
		UPDATE untilack_clock SET value = value + 1 WHERE one = 1;
		INSERT INTO untilack_marks (number, deleted, identities) SELECT value, NEW.deleted, NEW.identity FROM untilack_clock WHERE one = 1;
	END`,
}

// takenAtOnce is how many rows one statement deletes: it takes less time for each the more
// there are.
const takenAtOnce = 64

// prepare prepares the statements, for as long as the database is open. In a transaction
// it could wait for itself.
func (s *Store) prepare(ctx context.Context) error {
	usual := []statement{{putRow, putCount}, {deleteRow, 1}, {lockClock, 1}, {setClock, 1}, {readMarks, 1}, {insertRows, 1}, {insertMark, 1}}
	for length := 1; length <= takenAtOnce; length *= 2 {
		usual = append(usual, statement{deleteRows, length})
	}
	s.prepared = make(map[statement]*sql.Stmt, len(usual))
	for _, p := range usual {
		stmt, err := s.db.PrepareContext(ctx, s.texts.text(p.pattern, p.entries))
		if err != nil {
			return err
		}
		s.prepared[p] = stmt
	}
	return nil
}

// writeSQLite writes a batch. A statement alone is a transaction. A transaction takes in what
// comes while it is under way: to write a row takes longer than to put the next one.
func (s *Store) writeSQLite(ctx context.Context, b *batch, g *group) (moved amount, err error) {
	switch {
	case g.entries > 1 || !g.isComplete() || len(s.quotas.unknown(b.more)) > 0:
		err = s.inTransaction(ctx, func(tx *sql.Tx) error { return s.newTransaction(ctx, tx).writeBatch(b, g) })
	case len(b.puts) == 1:
		from, limit := b.since(), s.quotas.limit(b.more)
		args := append(b.puts[0].values(), from.deleted, from.number, limit.messages, limit.bytes)
		_, err = s.prepared[statement{putRow, putCount}].ExecContext(ctx, args...)
	default:
		_, err = s.prepared[statement{deleteRow, 1}].ExecContext(ctx, b.deletes[0].id[:], micros(s.options.Now()))
	}
	return b.moves(), err
}

// writeBatch writes a batch of more than one, as it is in the end.
func (t *transaction) writeBatch(b *batch, g *group) error {
	clock, err := t.lock(maxEntries + 1) // and a mark
	if err != nil {
		return err
	}
	t.store.quotas.see(clock)
	// That one has waited for the lock of the database. The others do not wait, and a
	// context that can end costs each a goroutine.
	t.ctx = context.WithoutCancel(t.ctx)
	for seen := 0; seen < len(b.puts)+len(b.deletes); {
		if err := t.writePuts(b); err != nil {
			return err
		}
		seen = len(b.puts) + len(b.deletes)
		if !b.add(g.grow()) {
			return errUnusual
		}
	}
	return t.finishBatch(b)
}

// writePuts writes the rows that are not written yet.
func (t *transaction) writePuts(b *batch) error {
	quotas := t.store.quotas
	if err := quotas.count(b, quotas.unknown(b.more), t.query); err != nil {
		return err
	}
	for ; b.written < len(b.puts); b.written++ {
		t.clock++
		if err := t.exec(insertRows, 1, append([]any{t.clock}, b.puts[b.written].values()...)); err != nil {
			return err
		}
	}
	return nil
}

// finishBatch writes the rest: deletions, of which nothing may be seen by those who count, and
// the clock.
func (t *transaction) finishBatch(b *batch) error {
	if len(b.puts) > 0 {
		if err := t.findLate(b); err != nil {
			return err
		}
	}
	if len(b.deletes) > 0 {
		if err := t.writeDeletes(idsOf(b.deletes)); err != nil {
			return err
		}
	}
	return t.exec(setClock, 1, []any{t.clock, b.moves().bytes})
}

// writeDeletes deletes rows and writes the mark of that.
func (t *transaction) writeDeletes(ids []identity) error {
	for part := range slices.Chunk(ids, takenAtOnce) {
		args := padded(arguments(part))
		if err := t.exec(deleteRows, len(args), args); err != nil {
			return err
		}
	}
	t.clock++
	return t.exec(insertMark, 1, []any{t.clock, micros(t.store.options.Now()), joined(ids)})
}

// findLate returns errUnusual if one of the rows was deleted before.
func (t *transaction) findLate(b *batch) error {
	for _, e := range b.puts {
		t.packets[e.id] = new(packet)
	}
	if err := t.readMarks(b.since()); err != nil {
		return err
	}
	for _, e := range b.puts {
		if e.isLate(t.packets[e.id].deleted) {
			return errUnusual
		}
	}
	return nil
}
