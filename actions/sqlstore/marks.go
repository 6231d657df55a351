// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"database/sql"
	"math"
	"time"

	"github.com/untilack/untilack/actions"
)

// A mark is what is remembered of the deletions of one commit: their time, and the
// identities one after the other. Marks are written in the order of the clock and found by
// their time: an index by identity would cost each deletion more than all the rest.
//
// A mark means something to a packet that was received before it. To most that are put there
// are a few such marks, or none, and they are read with the clock locked. To a packet that
// was received long ago there may be many: they are read before, and what came meanwhile
// then. See recall.

// recent is how long ago a packet may have been received that is not recalled.
const recent = time.Second

const (
	// "BETWEEN" has PostgreSQL use the indexes: it takes such a range for a small one.
	sinceMarks = ` FROM untilack_marks WHERE deleted BETWEEN #1 AND 9223372036854775807 OR number BETWEEN #2 AND 9223372036854775807`
	readMarks  = `SELECT deleted, identities` + sinceMarks
	listMarks  = `SELECT deleted, number, identities FROM untilack_marks WHERE (deleted, number) > (#1, #2) ORDER BY deleted, number LIMIT #3`
	insertMark = `INSERT INTO untilack_marks (number, deleted, identities) VALUES (#1, #2, #3)`
)

// marksPage is how many marks are read by one statement.
const marksPage = 1024

// A since says from where on marks mean something: from a time or from a number of the
// clock.
type since struct{ deleted, number int64 }

// sinceOf returns from where on marks mean something to one of puts, if forgotten is
// the time up to which they do not.
func sinceOf(puts []*entry, forgotten int64) since {
	from := since{math.MaxInt64, math.MaxInt64}
	for _, e := range puts {
		if e.recalled {
			from.number = min(from.number, e.clock+1)
		} else {
			from.deleted = min(from.deleted, max(e.received(), forgotten)+1)
		}
	}
	return from
}

// joined returns identities as a mark has them.
func joined(deleted []identity) []byte {
	all := make([]byte, 0, len(deleted)*len(identity{}))
	for i := range deleted {
		all = append(all, deleted[i][:]...)
	}
	return all
}

// eachIdentity calls do for each identity of a mark.
func eachIdentity(identities []byte, do func(identity)) {
	for ; len(identities) >= len(identity{}); identities = identities[len(identity{}):] {
		do(identity(identities))
	}
}

// areOld reports whether a packet was received so long ago that entries are to be recalled.
func (s *Store) areOld(entries []*entry) bool {
	before := micros(s.options.Now().Add(-recent))
	for _, e := range entries {
		if !e.delete && e.received() < before {
			return true
		}
	}
	return false
}

// recall reads what is remembered of packets, for all requests at once and without a lock.
// It is not cheap if there were many deletions since, and not needed for what stands: what
// was deleted before, and put again, stands.
//
// A row that does not stand, is not settled, and has no room, is refused: nobody waits for that.
func (s *Store) recall(g *group) {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.Timeout)
	defer cancel()
	err := s.recallEntries(ctx, g.all())
	for _, r := range g.requests {
		r.fail(err)
	}
}

func (s *Store) recallEntries(ctx context.Context, entries []*entry) error {
	clock, err := s.readClock(ctx)
	if err != nil {
		return err
	}
	ids := make([]identity, len(entries))
	for i, e := range entries {
		ids[i] = e.id
	}
	stands, err := s.standing(ctx, ids)
	if err != nil {
		return err
	}
	deleted := make(map[identity]int64) // of those that do not stand
	oldest := int64(math.MaxInt64)
	for _, e := range entries {
		if !stands[e.id] {
			deleted[e.id] = 0
			oldest = min(oldest, e.received())
		}
	}
	if len(deleted) > 0 {
		oldest = max(oldest, micros(s.options.Now().Add(-s.options.MarkTime)))
		err = s.eachMark(ctx, oldest, func(when int64, identities []byte) {
			eachIdentity(identities, func(id identity) {
				if _, ok := deleted[id]; ok {
					deleted[id] = when // in order of time
				}
			})
		})
	}
	for _, e := range entries {
		e.recalled, e.clock, e.deleted = true, clock.messages, deleted[e.id]
		if !stands[e.id] && !e.isLate(e.deleted) && s.quotas.full.refusesPut(e) {
			e.err = actions.ErrQuota
		}
	}
	return err
}

// eachMark calls do for each mark after a time, in order of time.
func (s *Store) eachMark(ctx context.Context, after int64, do func(deleted int64, identities []byte)) error {
	number := int64(math.MaxInt64)
	for seen := marksPage; seen == marksPage; {
		seen = 0
		err := s.query(ctx, listMarks, 1, []any{after, number, marksPage}, func(rows *sql.Rows) error {
			var identities sql.RawBytes
			err := rows.Scan(&after, &number, &identities)
			do(after, identities)
			seen++
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
