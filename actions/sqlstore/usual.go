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
	puts    []*entry
	deletes []*entry
	now     int64
	since   since // from where on marks mean something to puts
}

// ids returns the identities of deletions.
func (b *batch) ids() []identity {
	ids := make([]identity, len(b.deletes))
	for i, e := range b.deletes {
		ids[i] = e.id
	}
	return ids
}

// errUnusual says that a batch has to take the long way.
var errUnusual = errors.New("sqlstore: an unusual batch")

// newBatch returns entries as a batch, and whether they can be one.
func newBatch(entries []*entry, o *Options) (*batch, bool) {
	now := o.Now()
	b := &batch{now: micros(now)}
	seen := make(map[identity]bool, len(entries))
	for _, e := range entries {
		if seen[e.id] {
			return nil, false
		}
		seen[e.id] = true
		if e.isLate(e.deleted) {
			return nil, false
		}
		if e.delete {
			b.deletes = append(b.deletes, e)
		} else {
			b.puts = append(b.puts, e)
		}
	}
	b.since = sinceOf(b.puts, micros(now.Add(-o.MarkTime)))
	return b, o.canHave(b.puts)
}

// canHave reports whether recipients who have nothing would have room for entries.
func (o *Options) canHave(entries []*entry) bool {
	boxes := make(map[string]box, len(entries))
	for _, e := range entries {
		b := boxes[e.identity.To]
		b.messages++
		b.bytes += e.size
		if b.messages > o.maxMessages() || b.bytes > o.maxBytes() {
			return false
		}
		boxes[e.identity.To] = b
	}
	return true
}

// usual writes entries as a batch, if they are one. Without an error all of it is
// committed. After one a part may be; to write that once more does nothing.
func (s *Store) usual(ctx context.Context, entries []*entry) error {
	b, ok := newBatch(entries, &s.options)
	if !ok {
		return errUnusual
	}
	if s.dialect == SQLite {
		return s.writeSQLite(ctx, b)
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
