// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"database/sql"
	"errors"
)

// A batch is a group of entries as it usually is: packets that the store has not seen,
// for recipients who have room, and deletions, no packet twice; in PostgreSQL not both. It
// is written without being read first. If anything turns out to be otherwise the group
// takes the long way: see transaction.
type batch struct {
	options *Options
	puts    []*entry
	deletes []*entry
	seen    map[identity]bool
	boxes   map[string]box // what puts take up
}

// idsOf returns the identities of entries.
func idsOf(entries []*entry) []identity {
	ids := make([]identity, len(entries))
	for i, e := range entries {
		ids[i] = e.id
	}
	return ids
}

// errUnusual says that a batch has to take the long way.
var errUnusual = errors.New("sqlstore: an unusual batch")

// add adds entries, and reports whether it is a batch still.
func (b *batch) add(entries []*entry) bool {
	for _, e := range entries {
		if b.seen[e.id] || e.isLate(e.deleted) {
			return false
		}
		b.seen[e.id] = true
		if e.delete {
			b.deletes = append(b.deletes, e)
			continue
		}
		b.puts = append(b.puts, e)
		if !b.hasRoom(e) {
			return false
		}
	}
	return true
}

// hasRoom reports whether a recipient who has nothing would have room for all of the batch
// and for an entry.
func (b *batch) hasRoom(e *entry) bool {
	box := b.boxes[e.identity.To]
	box.messages++
	box.bytes += e.size
	b.boxes[e.identity.To] = box
	return box.messages <= b.options.maxMessages() && box.bytes <= b.options.maxBytes()
}

// since returns from where on marks mean something to puts.
func (b *batch) since() since {
	return sinceOf(b.puts, micros(b.options.Now().Add(-b.options.MarkTime)))
}

// usual writes a group as a batch, if it is one. Without an error all of it is
// committed. After one a part may be; to write that once more does nothing.
func (s *Store) usual(ctx context.Context, g *group) error {
	b := &batch{options: &s.options, seen: make(map[identity]bool, g.entries), boxes: make(map[string]box, g.entries)}
	if !b.add(g.all()) {
		return errUnusual
	}
	if s.dialect == SQLite {
		return s.writeSQLite(ctx, b, g)
	}
	if len(b.deletes) > 0 {
		return s.deletePostgreSQL(ctx, b)
	}
	return s.putPostgreSQL(ctx, b)
}

// inTransaction does something in a transaction, which it commits if there is no error.
func (s *Store) inTransaction(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, s.dialect.isolation())
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// affects returns errUnusual if a statement has not affected so many rows.
func affects(want int, result sql.Result, err error) error {
	if err != nil {
		return err
	}
	got, err := result.RowsAffected()
	if err == nil && got != int64(want) {
		err = errUnusual
	}
	return err
}
