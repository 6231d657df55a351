// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
)

// In PostgreSQL a batch is one statement: a round trip costs as much as a row.
//
// All parts of a statement see what was committed when it began, also if it waits for the
// clock meanwhile. So the clock must still show what it showed then. If another process
// was faster nothing is written, and the batch takes the long way. So it does if recipients may
// have no room by now.
const (
	movedClock = `clock AS (
	UPDATE untilack_clock SET value = value + #1::bigint, bytes = bytes + #2::bigint
	WHERE one = 1 AND value = (SELECT value FROM untilack_clock WHERE one = 1) AND value <= #3::bigint AND bytes <= #4::bigint
	RETURNING value, bytes
)`

	// Stanzas come in one piece: as an array they would be sent in hexadecimal.
	//
	// That each identity has its length makes PostgreSQL take them for few, and use the index. It
	// keeps the plan while the table grows. Marks are read in one piece: they may be kept in several.
	writeMany = `WITH ` + movedClock + `, input AS (
	SELECT place, identity, recipient, sender, message, sum, resource, marks, custody, received, expires, attempt, size,
		substring(#10::bytea FROM start FOR length) AS stanza
	FROM unnest(#11::bytea[], #12::text[], #13::text[], #14::text[], #15::bigint[], #16::text[], #17::bigint[], #18::smallint[],
		#19::bigint[], #20::bigint[], #21::bigint[], #22::bigint[], #23::int[], #24::int[]) WITH ORDINALITY
		AS input (identity, recipient, sender, message, sum, resource, marks, custody, received, expires, attempt, size, start, length, place)
), gone AS (
	DELETE FROM untilack_rows WHERE EXISTS (SELECT 1 FROM clock)
	AND identity IN (SELECT identity FROM unnest(#9::bytea[]) AS less (identity) WHERE length(identity) = 20)
), marked AS (
	INSERT INTO untilack_marks (number, deleted, identities) SELECT value, #7::bigint, #8::bytea FROM clock WHERE length(#8::bytea) > 0
), recent AS MATERIALIZED (
	SELECT identities || ''::bytea AS identities FROM untilack_marks
	WHERE deleted BETWEEN #5::bigint AND 9223372036854775807 OR number BETWEEN #6::bigint AND 9223372036854775807
), late AS (
	SELECT substring(identities FROM start FOR 20) AS identity FROM recent CROSS JOIN generate_series(1, length(identities), 20) AS start
), fresh AS (
	SELECT input.*, value - #1::bigint + place AS number FROM clock CROSS JOIN input
	WHERE (SELECT 1 FROM untilack_rows WHERE untilack_rows.identity = input.identity) IS NULL
	AND NOT EXISTS (SELECT 1 FROM late WHERE late.identity = input.identity)
), written AS (
	INSERT INTO untilack_rows (` + insertColumns + `) SELECT ` + insertColumns + ` FROM fresh RETURNING 1
)
SELECT value, bytes, (SELECT COUNT(*) FROM written) FROM clock`

	// One row, or one deletion, takes half the time without arrays. What is looked for in the
	// marks may be found where two identities meet: then the long way looks closer.
	putOne = `WITH ` + movedClock + `, recent AS MATERIALIZED (
	SELECT identities FROM untilack_marks
	WHERE deleted BETWEEN #5::bigint AND 9223372036854775807 OR number BETWEEN #6::bigint AND 9223372036854775807
)
INSERT INTO untilack_rows (` + insertColumns + `)
SELECT value, #7::bytea, #8::text, #9::text, #10::text, #11::bigint, #12::text, #13::bigint, #14::smallint, #15::bigint, #16::bigint,
	#17::bigint, #18::bigint, #19::bytea FROM clock
WHERE NOT EXISTS (SELECT 1 FROM untilack_rows WHERE identity = #7::bytea)
AND NOT EXISTS (SELECT 1 FROM recent WHERE position(#7::bytea IN identities) > 0)
RETURNING number, (SELECT bytes FROM clock), 1`

	deleteOne = `WITH ` + movedClock + `, gone AS (
	DELETE FROM untilack_rows WHERE EXISTS (SELECT 1 FROM clock) AND identity = #6::bytea
)
INSERT INTO untilack_marks (number, deleted, identities) SELECT value, #5::bigint, #6::bytea FROM clock
RETURNING number, (SELECT bytes FROM clock), 0`
)

// writePostgreSQL writes a batch.
func (s *Store) writePostgreSQL(ctx context.Context, b *batch, _ *group) (moved amount, err error) {
	if err := s.countFor(ctx, b); err != nil {
		return moved, err
	}
	moved = b.moves()
	limit := s.quotas.limit(b.more)
	pattern, args := b.statement([]any{moved.messages, moved.bytes, limit.messages, limit.bytes})
	var clock amount
	var written int
	err = s.db.QueryRowContext(ctx, s.texts.text(pattern, 1), args...).Scan(&clock.messages, &clock.bytes, &written)
	if errors.Is(err, sql.ErrNoRows) || err == nil && written != len(b.puts) {
		return moved, errUnusual
	}
	if err == nil {
		s.quotas.see(clock.minus(moved))
	}
	return moved, err
}

// countFor counts what recipients have who are not known.
func (s *Store) countFor(ctx context.Context, b *batch) error {
	unknown := s.quotas.unknown(b.more)
	if len(unknown) == 0 {
		return nil
	}
	clock, err := s.readClock(ctx) // first: what is put meanwhile is counted twice
	if err != nil {
		return err
	}
	s.quotas.see(clock)
	return s.quotas.count(b, unknown, func(pattern string, entries int, args []any, each func(scanner) error) error {
		return s.query(ctx, pattern, entries, args, func(rows *sql.Rows) error { return each(rows.Scan) })
	})
}

// statement returns what writes the batch, after the arguments that concern the clock.
func (b *batch) statement(args []any) (pattern string, _ []any) {
	now, from := micros(b.options.Now()), b.since()
	switch {
	case len(b.puts)+len(b.deletes) > 1:
		var ids array
		for _, e := range b.deletes {
			ids.add(e.id[:])
		}
		args = append(args, from.deleted, from.number, now, joined(idsOf(b.deletes)), ids.text())
		return writeMany, appendArrays(args, b.puts)
	case len(b.puts) == 1:
		return putOne, append(append(args, from.deleted, from.number), b.puts[0].values()...)
	}
	return deleteOne, append(args, now, b.deletes[0].id[:])
}

// appendArrays appends the arguments of writeMany from the stanzas on.
func appendArrays(args []any, puts []*entry) []any {
	stanzas := []byte{} // not NULL
	columns := make([]array, stanzaColumn+2)
	for _, e := range puts {
		values := e.values()
		for i := range stanzaColumn {
			columns[i].add(values[i])
		}
		stanza := values[stanzaColumn].([]byte)
		columns[stanzaColumn].add(int64(len(stanzas) + 1)) // counted from one
		columns[stanzaColumn+1].add(int64(len(stanza)))
		stanzas = append(stanzas, stanza...)
	}
	args = append(args, stanzas)
	for i := range columns {
		args = append(args, columns[i].text())
	}
	return args
}

// An array is a text that PostgreSQL reads as one. Every driver can send that.
type array []byte

func (a *array) add(value any) {
	*a = append(*a, ',')
	switch v := value.(type) {
	case nil:
		*a = append(*a, "NULL"...)
	case int64:
		*a = strconv.AppendInt(*a, v, 10)
	case []byte:
		*a = append(*a, `"\\x`...)
		*a = append(hex.AppendEncode(*a, v), '"')
	case string:
		a.quote(v)
	}
}

func (a *array) quote(text string) {
	*a = append(*a, '"')
	for i := range len(text) {
		if text[i] == '"' || text[i] == '\\' {
			*a = append(*a, '\\')
		}
		*a = append(*a, text[i])
	}
	*a = append(*a, '"')
}

func (a array) text() string { return "{" + strings.TrimPrefix(string(a), ",") + "}" }
