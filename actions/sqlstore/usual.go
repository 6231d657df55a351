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
// for recipients who have room, and deletions, no packet twice. It
// is written without being read first. If anything turns out to be otherwise the group
// takes the long way: see transaction.
type batch struct {
	options *Options
	puts    []*entry
	deletes []*entry
	seen    map[identity]bool
	more    map[string]amount // that recipients get
	written int               // of puts, so many in a transaction that is under way
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
		b.more[e.identity.To] = b.more[e.identity.To].plus(e.amount())
	}
	return true
}

// moves returns by how much the batch moves the clock: it gives numbers to rows and a mark.
func (b *batch) moves() (by amount) {
	for _, m := range b.more {
		by = by.plus(m)
	}
	if len(b.deletes) > 0 {
		by.messages++
	}
	return by
}

// since returns from where on marks mean something to puts.
func (b *batch) since() since {
	return sinceOf(b.puts, micros(b.options.Now().Add(-b.options.MarkTime)))
}

// usual writes a group as a batch, if it is one. Without an error all of it is
// committed. After one a part may be; to write that once more does nothing.
func (s *Store) usual(ctx context.Context, g *group) error {
	b := &batch{options: &s.options, seen: make(map[identity]bool, g.entries), more: make(map[string]amount, g.entries)}
	if !b.add(g.all()) {
		return errUnusual
	}
	write := s.writePostgreSQL
	if s.dialect == SQLite {
		write = s.writeSQLite
	}
	moved, err := write(ctx, b, g)
	if err != nil {
		return err // what may be committed counts as what others have put
	}
	s.quotas.put(b.more, moved)
	return nil
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
