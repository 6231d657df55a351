// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strconv"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

const (
	listRows    = `SELECT ` + rowColumns + ` FROM untilack_rows WHERE recipient = #1 AND number > #2 ORDER BY number LIMIT #3`
	readNumbers = `SELECT ` + rowColumns + ` FROM untilack_rows WHERE number IN (@1)`
	readStands  = `SELECT identity FROM untilack_rows WHERE identity IN (@1)`
	readChanged = `SELECT number AS news, number, recipient FROM untilack_rows WHERE number > #1 ` +
		`UNION ALL SELECT changed AS news, number, recipient FROM untilack_rows WHERE changed > #1 ORDER BY news LIMIT #2`
)

// query runs a query and hands each of its rows over.
func (s *Store) query(ctx context.Context, pattern string, entries int, args []any, each func(*sql.Rows) error) error {
	rows, err := s.db.QueryContext(ctx, s.texts.text(pattern, entries), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// List returns rows of recipient; see actions.Store.
func (s *Store) List(ctx context.Context, recipient string, after uint64, limit int) ([]actions.Row, error) {
	if limit <= 0 {
		limit = actions.DefaultLimit
	}
	if int64(after) < 0 || !isText(recipient) {
		return nil, ctx.Err()
	}
	rows, err := s.rows(ctx, listRows, 1, []any{recipient, int64(after), limit})
	return rows, wrapped("list", err)
}

func (s *Store) rows(ctx context.Context, pattern string, entries int, args []any) (all []actions.Row, err error) {
	err = s.query(ctx, pattern, entries, args, func(rows *sql.Rows) error {
		r, err := scanRow(rows)
		all = append(all, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// readPart is how many rows are read by one statement that names each.
const readPart = 128

// Stands reports which of ids are there; see actions.Store.
func (s *Store) Stands(ctx context.Context, ids ...cache.Identity) ([]bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	hashes := make([]identity, len(ids))
	for i, id := range ids {
		hashes[i] = identityOf(id)
	}
	there, err := s.standing(ctx, hashes)
	if err != nil {
		return nil, wrapped("stands", err)
	}
	stands := make([]bool, len(ids))
	for i, id := range hashes {
		stands[i] = there[id]
	}
	return stands, nil
}

// standing returns which of ids are there.
func (s *Store) standing(ctx context.Context, ids []identity) (map[identity]bool, error) {
	there := make(map[identity]bool, len(ids))
	for part := range slices.Chunk(ids, readPart) {
		part := padded(arguments(part))
		err := s.query(ctx, readStands, len(part), part, func(rows *sql.Rows) error {
			var id []byte
			err := rows.Scan(&id)
			if err == nil {
				there[identity(id)] = true
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return there, nil
}

// arguments returns ids as arguments of a statement.
func arguments(ids []identity) []any {
	args := make([]any, len(ids))
	for i := range ids {
		args[i] = ids[i][:]
	}
	return args
}

// newsPage is how many changes are looked at by one statement.
const newsPage = 1024

// News returns what is new for recipients; see actions.Store. Its marks are numbers of the
// clock. Without news it costs one small query; else all that is new is looked at, also
// for other recipients.
func (s *Store) News(ctx context.Context, recipients []string, since string, limit int) ([]actions.Row, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, since, err
	}
	shown, err := s.readClock(ctx)
	if err != nil {
		return nil, since, wrapped("news", err)
	}
	clock := shown.messages
	after := clock
	if since != "" {
		if after, err = strconv.ParseInt(since, 10, 64); err != nil || after < 0 || after > clock {
			return nil, since, actions.ErrMark
		}
	}
	if limit <= 0 {
		limit = actions.DefaultLimit
	}
	numbers, mark, err := s.changed(ctx, recipients, after, clock, limit)
	if err != nil {
		return nil, since, wrapped("news", err)
	}
	rows, err := s.numbered(ctx, numbers)
	if err != nil {
		return nil, since, wrapped("news", err)
	}
	return rows, strconv.FormatInt(mark, 10), nil
}

// changed returns the numbers of recipients' rows that changed after a time on the clock,
// in order, and the time up to which it looked. What the clock said before is committed.
func (s *Store) changed(ctx context.Context, recipients []string, after, clock int64, limit int) (numbers []any, mark int64, err error) {
	wanted := make(map[string]bool, len(recipients))
	for _, recipient := range recipients {
		wanted[recipient] = true
	}
	for after < clock {
		seen := 0
		err := s.query(ctx, readChanged, 1, []any{after, newsPage}, func(rows *sql.Rows) error {
			var changed, number int64
			var recipient string
			if err := rows.Scan(&changed, &number, &recipient); err != nil || len(numbers) == limit {
				return err
			}
			seen++
			after = changed
			if wanted[recipient] {
				numbers = append(numbers, number)
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		if len(numbers) == limit {
			return numbers, after, nil
		}
		if seen < newsPage {
			return numbers, max(after, clock), nil
		}
	}
	return numbers, after, nil
}

// numbered returns rows by their numbers, in that order, without those that have gone.
func (s *Store) numbered(ctx context.Context, numbers []any) ([]actions.Row, error) {
	found := make(map[uint64]actions.Row, len(numbers))
	for part := range slices.Chunk(numbers, readPart) {
		part = padded(slices.Clone(part))
		rows, err := s.rows(ctx, readNumbers, len(part), part)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			found[r.Number] = r
		}
	}
	var all []actions.Row
	for _, number := range numbers {
		if r, ok := found[uint64(number.(int64))]; ok {
			all = append(all, r)
		}
	}
	return all, nil
}
