// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
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
	size     int64       // of row
	err      error

	// What recall has found out: when the packet was deleted, or 0, as of a time on the
	// clock.
	recalled       bool
	deleted, clock int64
}

// amount is what a row adds to what its recipient has.
func (e *entry) amount() amount { return amount{1, e.size} }

func (e *entry) received() int64 { return micros(e.row.Packet.Received) }

// isLate reports whether a deletion at a time, or never if that is 0, settles the packet.
func (e *entry) isLate(deleted int64) bool { return deleted != 0 && deleted > e.received() }

// A request has at most so many entries, and stanzas of so many bytes unless it is one. A
// long call is several.
const (
	partSize  = 128
	partBytes = 4 << 20
)

// Put writes rows; see actions.Store. It returns when they are committed.
//
// A recipient without room may be refused for up to a second after another Store has made
// some. Room that this one makes is there at once.
//
// A text that is not UTF-8, or has a NUL, is a permanent error, and so is a recipient of
// more than 2,047 bytes.
func (s *Store) Put(ctx context.Context, rows ...actions.Row) []error {
	errs := make([]error, len(rows))
	entries := make([]*entry, 0, len(rows))
	places := make([]int, 0, len(rows)) // of entries, in rows
	for i := range rows {
		if errs[i] = check(&rows[i].Packet); errs[i] == nil {
			entries = append(entries, newPut(&rows[i]))
			places = append(places, i)
		}
	}
	written, err := s.do(ctx, entries)
	for i, place := range places {
		if errs[place] = err; i < written {
			errs[place] = wrapped("put", entries[i].err)
		}
	}
	for _, err := range errs {
		if err != nil {
			return errs
		}
	}
	return nil
}

// newPut returns an entry with a stanza of its own: a caller that gives up leaves the
// entry behind, and may use its stanza again.
func newPut(r *actions.Row) *entry {
	id := r.Packet.Identity()
	e := &entry{id: identityOf(id), identity: id, row: *r, size: sizeOf(&r.Packet)}
	e.row.Packet.Stanza = append([]byte{}, r.Packet.Stanza...)
	return e
}

// Delete removes rows; see actions.Store. It returns when that is committed.
func (s *Store) Delete(ctx context.Context, ids ...cache.Identity) error {
	entries := make([]*entry, len(ids))
	for i, id := range ids {
		entries[i] = &entry{id: identityOf(id), identity: id, delete: true}
	}
	if _, err := s.do(ctx, entries); err != nil {
		return err
	}
	for _, e := range entries {
		if e.err != nil {
			return wrapped("delete", e.err)
		}
	}
	return nil
}

// do has entries written, one part after the other. It returns how many were written, or
// have an error of their own, before an error; of the others that is not known. After an
// error no part is tried: its rows would get lower numbers than those that are put again.
func (s *Store) do(ctx context.Context, entries []*entry) (written int, err error) {
	if len(entries) == 0 {
		return 0, wrapped("write", ctx.Err())
	}
	if s.areOld(entries) || slices.ContainsFunc(entries, s.quotas.full.refusesPut) {
		if err := doAll(ctx, s.old, entries); err != nil {
			return 0, wrapped("write", err)
		}
	}
	for written < len(entries) {
		part := firstPart(entries[written:])
		if err := doAll(ctx, s.queue, accepted(part)); err != nil {
			return written, wrapped("write", err)
		}
		written += len(part)
	}
	return written, nil
}

// accepted returns those of a part that recall has not refused.
func accepted(part []*entry) []*entry {
	refused := func(e *entry) bool { return e.err != nil }
	if !slices.ContainsFunc(part, refused) {
		return part
	}
	return slices.DeleteFunc(slices.Clone(part), refused)
}

// doAll has a queue do all entries, if there are any, as one request.
func doAll(ctx context.Context, q *queue, entries []*entry) error {
	if len(entries) == 0 {
		return nil
	}
	if err := q.do(ctx, newRequest(entries)); err != nil {
		return err
	}
	return failure(entries)
}

// failure returns the error that all entries of a part have, if they do.
func failure(part []*entry) error {
	for _, e := range part {
		if e.err == nil || errors.Is(e.err, actions.ErrQuota) {
			return nil
		}
	}
	return part[0].err
}

// firstPart returns as many entries from the first on as a request has.
func firstPart(entries []*entry) []*entry {
	bytes := int64(0)
	for i, e := range entries {
		if bytes += e.size; i == partSize || i > 0 && bytes > partBytes {
			return entries[:i]
		}
	}
	return entries
}

// write writes a group in one transaction. If that fails, and not because the database is
// out of reach, each request is tried alone, so that none fails because of another.
func (s *Store) write(g *group) {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.Timeout)
	defer cancel()
	defer s.quotas.full.forget(g)
	if s.usual(ctx, g) == nil {
		return
	}
	err := s.commit(ctx, g.all())
	if err != nil && len(g.requests) > 1 && s.answers(ctx) {
		for _, r := range g.requests {
			r.fail(s.commit(ctx, r.entries))
		}
		return
	}
	for _, r := range g.requests {
		r.fail(err)
	}
}

// answers reports whether the database does.
func (s *Store) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := s.readClock(ctx)
	return err == nil
}

// fail gives all entries of a request an error, if it is one.
func (r *request) fail(err error) {
	if err == nil {
		return
	}
	for _, e := range r.entries {
		e.err = classified(err)
	}
}

const (
	readClock  = `SELECT value, bytes FROM untilack_clock WHERE one = 1`
	lockClock  = `UPDATE untilack_clock SET value = value + #1 WHERE one = 1 RETURNING value, bytes`
	setClock   = `UPDATE untilack_clock SET value = #1, bytes = bytes + #2 WHERE one = 1`
	deleteRows = `DELETE FROM untilack_rows WHERE identity IN (@1)`
	updateRow  = `UPDATE untilack_rows SET attempt = #1, marks = #2, custody = #3, changed = #4 WHERE identity = #5`
)

// readClock returns what the clock shows.
func (s *Store) readClock(ctx context.Context) (clock amount, err error) {
	err = s.db.QueryRowContext(ctx, readClock).Scan(&clock.messages, &clock.bytes)
	return clock, err
}

// commit writes entries of any kind in one transaction.
func (s *Store) commit(ctx context.Context, entries []*entry) error {
	return s.inTransaction(ctx, func(tx *sql.Tx) error {
		return s.newTransaction(ctx, tx).run(entries)
	})
}
