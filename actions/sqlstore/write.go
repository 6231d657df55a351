// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// An entry is one row to be put, or one deletion.
type entry struct {
	id       identity
	delete   bool
	identity cache.Identity
	row      actions.Row // to be put
	err      error
}

// partSize is how many entries a request has at most. A long call is several.
const partSize = 128

// Put writes rows; see actions.Store. It returns when they are committed.
//
// A text that is not UTF-8, or has a NUL, is a permanent error.
func (s *Store) Put(ctx context.Context, rows ...actions.Row) []error {
	entries := make([]entry, len(rows))
	for i := range rows {
		id := rows[i].Packet.Identity()
		entries[i] = entry{id: identityOf(id), identity: id, row: rows[i], err: checkTexts(&rows[i].Packet)}
	}
	err := s.do(ctx, entries)
	errs, failed := make([]error, len(rows)), false
	for i := range entries {
		if errs[i] = err; err == nil {
			errs[i] = wrapped("put", entries[i].err)
		}
		failed = failed || errs[i] != nil
	}
	if !failed {
		return nil
	}
	return errs
}

// Delete removes rows; see actions.Store. It returns when that is committed.
func (s *Store) Delete(ctx context.Context, ids ...cache.Identity) error {
	entries := make([]entry, len(ids))
	for i, id := range ids {
		entries[i] = entry{id: identityOf(id), identity: id, delete: true}
	}
	if err := s.do(ctx, entries); err != nil {
		return err
	}
	for i := range entries {
		if err := entries[i].err; err != nil {
			return wrapped("delete", err)
		}
	}
	return nil
}

// do has entries written, one part after the other. After an error it is not known which.
func (s *Store) do(ctx context.Context, entries []entry) error {
	if len(entries) == 0 {
		return ctx.Err()
	}
	// A caller that gives up leaves the request behind, and takes its stanzas away.
	owned := ownEntries(entries)
	for from := 0; from < len(entries); from += partSize {
		part := owned[from:min(from+partSize, len(owned))]
		if err := s.queue.do(ctx, &request{entries: part, done: make(chan struct{})}); err != nil {
			return wrapped("write", err)
		}
		copy(entries[from:], part)
	}
	return nil
}

// ownEntries returns a copy whose stanzas nobody else changes.
func ownEntries(entries []entry) []entry {
	owned := append([]entry(nil), entries...)
	for i := range owned {
		if p := &owned[i].row.Packet; len(p.Stanza) > 0 {
			p.Stanza = append([]byte(nil), p.Stanza...)
		}
	}
	return owned
}

// write writes requests in one transaction. If that fails, and not because the database is
// out of reach, each is tried alone, so that none fails because of another.
func (s *Store) write(requests []*request) {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.Timeout)
	defer cancel()
	err := s.commit(ctx, requests)
	if err != nil && s.answers(ctx) {
		for _, r := range requests {
			fail(r, s.commit(ctx, []*request{r}))
		}
		return
	}
	for _, r := range requests {
		fail(r, err)
	}
}

// answers reports whether the database does.
func (s *Store) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var value int64
	return s.db.QueryRowContext(ctx, readClock).Scan(&value) == nil
}

// fail gives all entries of a request an error, if it is one.
func fail(r *request, err error) {
	for i := range r.entries {
		if e := &r.entries[i]; err != nil {
			e.err = err
		}
	}
}

const (
	readClock   = `SELECT value FROM untilack_clock WHERE one = 1`
	lockClock   = `UPDATE untilack_clock SET value = value + #1 WHERE one = 1 RETURNING value`
	deleteRows  = `DELETE FROM untilack_rows WHERE identity IN ([1])`
	upsertMarks = `INSERT INTO untilack_marks (identity, deleted) VALUES {2} ON CONFLICT (identity) DO UPDATE SET deleted = excluded.deleted`
	upsertBoxes = `INSERT INTO untilack_boxes (recipient, messages, bytes) VALUES {3} ON CONFLICT (recipient) DO UPDATE SET messages = untilack_boxes.messages + excluded.messages, bytes = untilack_boxes.bytes + excluded.bytes`
	updateRow   = `UPDATE untilack_rows SET attempt = #1, marks = #2, custody = #3, changed = #4 WHERE identity = #5`
)

// commit writes requests in one transaction.
func (s *Store) commit(ctx context.Context, requests []*request) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	t := &transaction{Tx: tx, ctx: ctx, store: s, now: micros(s.options.Now())}
	count := 0
	for _, r := range requests {
		count += len(r.entries)
	}
	// The clock first: from now on no other transaction of a Store is under way, and what
	// those before have written is seen.
	if err := t.query(lockClock, 1, []any{count}, func(scan scanner) error { return scan(&t.clock) }); err != nil {
		return err
	}
	t.clock -= int64(count)
	if err := t.read(requests); err != nil {
		return err
	}
	for _, r := range requests {
		for i := range r.entries {
			t.decide(&r.entries[i])
		}
	}
	if err := t.write(); err != nil {
		return err
	}
	return tx.Commit()
}
