// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// A Box is how much is kept for one recipient.
type Box struct {
	Recipient string
	actions.Usage
}

const (
	usage     = `COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM untilack_rows`
	readTotal = `SELECT ` + usage
	readBoxes = `SELECT recipient, ` + usage + ` WHERE recipient IN (@1) GROUP BY recipient`
	listBoxes = `SELECT recipient, ` + usage + ` WHERE recipient > #1 GROUP BY recipient ORDER BY recipient LIMIT #2`
	oldRows   = `SELECT recipient, sender, message, sum, received FROM untilack_rows ORDER BY number LIMIT #1`
	endedRows = `SELECT recipient, sender, message, sum, received FROM untilack_rows WHERE expires IS NOT NULL AND expires <= #1 ORDER BY expires LIMIT #2`
	oldMarks  = `DELETE FROM untilack_marks WHERE deleted BETWEEN -9223372036854775807 AND ` +
		`(SELECT MAX(deleted) FROM (SELECT deleted FROM untilack_marks WHERE deleted < #1 ORDER BY deleted LIMIT #2) AS oldest)`
)

// Used returns what is kept for recipient. It counts it.
func (s *Store) Used(ctx context.Context, recipient string) (actions.Usage, error) {
	if !isText(recipient) {
		return actions.Usage{}, ctx.Err()
	}
	boxes, err := s.boxes(ctx, readBoxes, recipient)
	if err != nil || len(boxes) == 0 {
		return actions.Usage{}, wrapped("used", err)
	}
	return boxes[0].Usage, nil
}

// Total returns what is kept in all. It counts it: see docs/STORES.md for what that takes.
func (s *Store) Total(ctx context.Context) (total actions.Usage, err error) {
	err = s.query(ctx, readTotal, 1, nil, func(rows *sql.Rows) error { return rows.Scan(&total.Messages, &total.Bytes) })
	return total, wrapped("total", err)
}

// Boxes returns the recipients for whom something is kept, in order, those after one: at
// most limit of them, or actions.DefaultLimit if that is not positive.
func (s *Store) Boxes(ctx context.Context, after string, limit int) ([]Box, error) {
	if limit <= 0 {
		limit = actions.DefaultLimit
	}
	boxes, err := s.boxes(ctx, listBoxes, after, limit)
	return boxes, wrapped("boxes", err)
}

func (s *Store) boxes(ctx context.Context, pattern string, args ...any) (boxes []Box, err error) {
	err = s.query(ctx, pattern, 1, args, func(rows *sql.Rows) error {
		var b Box
		err := rows.Scan(&b.Recipient, &b.Messages, &b.Bytes)
		boxes = append(boxes, b)
		return err
	})
	return boxes, err
}

// sweepPart is how many rows one transaction of Sweep removes at most.
const sweepPart = 256

// Sweep removes the rows that have expired, and those that are older than the retention,
// and what is remembered of deletions longer ago than Options.MarkTime. It returns how
// many rows it removed. It is to be called now and then, by one process: others may go on
// meanwhile.
func (s *Store) Sweep(ctx context.Context, now time.Time) (swept int, err error) {
	ended := func(int64) bool { return true }
	swept, err = s.sweep(ctx, ended, endedRows, micros(now), sweepPart)
	if err == nil && s.options.Retention > 0 {
		oldest := micros(now.Add(-s.options.Retention))
		var aged int
		aged, err = s.sweep(ctx, func(received int64) bool { return received < oldest }, oldRows, sweepPart)
		swept += aged
	}
	if err == nil {
		err = s.forget(ctx, now)
	}
	return swept, wrapped("sweep", err)
}

// sweep removes the rows that a query gives and that match, until none does.
func (s *Store) sweep(ctx context.Context, match func(received int64) bool, pattern string, args ...any) (swept int, err error) {
	for {
		var ids []cache.Identity
		err := s.query(ctx, pattern, 1, args, func(rows *sql.Rows) error {
			var id cache.Identity
			var sum, received int64
			err := rows.Scan(&id.To, &id.From, &id.ID, &sum, &received)
			if id.Sum = uint64(sum); match(received) {
				ids = append(ids, id)
			}
			return err
		})
		if err != nil || len(ids) == 0 {
			return swept, err
		}
		if err := s.Delete(ctx, ids...); err != nil {
			return swept, err
		}
		swept += len(ids)
	}
}

// forget removes what is remembered of deletions long ago.
func (s *Store) forget(ctx context.Context, now time.Time) error {
	before := micros(now.Add(-s.options.MarkTime))
	for forgotten := int64(marksPage); forgotten >= marksPage; {
		err := s.inTransaction(ctx, func(tx *sql.Tx) (err error) {
			t := s.newTransaction(ctx, tx)
			if _, err = t.lock(1); err == nil {
				forgotten, err = t.execCount(oldMarks, 1, []any{before, marksPage})
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
