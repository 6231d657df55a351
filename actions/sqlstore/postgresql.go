// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"encoding/hex"
	"strconv"
)

// In PostgreSQL a batch is one statement: a round trip costs as much as a row.
//
// All parts of a statement see what was committed when it began, also if it waits for the
// clock meanwhile. So the clock must still show what it showed then. If another process
// was faster nothing is written, and the batch takes the long way.
const (
	movedClock = `clock AS (
	UPDATE untilack_clock SET value = value + #1::bigint
	WHERE one = 1 AND value = (SELECT value FROM untilack_clock WHERE one = 1)
	RETURNING value - #1::bigint AS before
)`

	// Marks are read in one piece: they may be kept in several.
	//
	// "IS TRUE" makes PostgreSQL look the recipients up in a hash; it takes them for one, and
	// would go through all of them for each row.
	putBatch = `, ` + movedClock + `, recent AS MATERIALIZED (
	SELECT identities || ''::bytea AS identities FROM untilack_marks
	WHERE deleted BETWEEN #2::bigint AND 9223372036854775807 OR number BETWEEN #3::bigint AND 9223372036854775807
), late AS (
	SELECT substring(identities FROM start FOR 20) AS identity FROM recent CROSS JOIN generate_series(1, length(identities), 20) AS start
), fresh AS (
	SELECT input.*, before + place AS number FROM clock CROSS JOIN input
	WHERE (SELECT 1 FROM untilack_rows WHERE untilack_rows.identity = input.identity) IS NULL
	AND NOT EXISTS (SELECT 1 FROM late WHERE late.identity = input.identity)
), boxed AS (
	INSERT INTO untilack_boxes (recipient, messages, bytes)
	SELECT recipient, COUNT(*), SUM(size)::bigint FROM fresh GROUP BY recipient
	ON CONFLICT (recipient) DO UPDATE
	SET messages = untilack_boxes.messages + excluded.messages, bytes = untilack_boxes.bytes + excluded.bytes
	WHERE untilack_boxes.messages + excluded.messages <= #4::bigint AND untilack_boxes.bytes + excluded.bytes <= #5::bigint
	RETURNING recipient
)
INSERT INTO untilack_rows (` + insertColumns + `)
SELECT ` + insertColumns + ` FROM fresh WHERE (recipient IN (SELECT recipient FROM boxed)) IS TRUE`

	// Stanzas come in one piece: as an array they would be sent in hexadecimal.
	putMany = `WITH input AS (
	SELECT place, identity, recipient, sender, message, sum, resource, marks, custody, received, expires, attempt, size,
		substring(#6::bytea FROM start FOR length) AS stanza
	FROM unnest(#7::bytea[], #8::text[], #9::text[], #10::text[], #11::bigint[], #12::text[], #13::bigint[], #14::smallint[],
		#15::bigint[], #16::bigint[], #17::bigint[], #18::bigint[], #19::int[], #20::int[]) WITH ORDINALITY
		AS input (identity, recipient, sender, message, sum, resource, marks, custody, received, expires, attempt, size, start, length, place)
)` + putBatch

	// For one row arrays would take twice the time; so it is with deletions.
	putOne = `WITH input AS (
	SELECT 1::bigint AS place, #6::bytea AS identity, #7::text AS recipient, #8::text AS sender, #9::text AS message, #10::bigint AS sum,
		#11::text AS resource, #12::bigint AS marks, #13::smallint AS custody, #14::bigint AS received, #15::bigint AS expires,
		#16::bigint AS attempt, #17::bigint AS size, #18::bytea AS stanza
)` + putBatch

	deletedRows = `WITH ` + movedClock + `, gone AS (
	DELETE FROM untilack_rows WHERE EXISTS (SELECT 1 FROM clock) AND identity = `
	deletedBoxes = ` RETURNING recipient, size
), boxed AS (
	UPDATE untilack_boxes SET messages = untilack_boxes.messages - less.messages, bytes = untilack_boxes.bytes - less.bytes
	FROM (SELECT recipient, COUNT(*) AS messages, SUM(size)::bigint AS bytes FROM gone GROUP BY recipient) AS less
	WHERE untilack_boxes.recipient = less.recipient
)
INSERT INTO untilack_marks (number, deleted, identities) SELECT before + 1, #2::bigint, #3::bytea FROM clock`

	deleteMany = deletedRows + `ANY (#4::bytea[])` + deletedBoxes
	deleteOne  = deletedRows + `#3::bytea` + deletedBoxes
)

func (s *Store) putPostgreSQL(ctx context.Context, b *batch) error {
	pattern, from := putMany, b.since()
	args := []any{int64(len(b.puts)), from.deleted, from.number, s.options.maxMessages(), s.options.maxBytes()}
	if len(b.puts) == 1 {
		pattern, args = putOne, append(args, b.puts[0].values()...)
	} else {
		args = appendArrays(args, b.puts)
	}
	result, err := s.db.ExecContext(ctx, s.texts.text(pattern, 1), args...)
	return affects(len(b.puts), result, err)
}

func (s *Store) deletePostgreSQL(ctx context.Context, b *batch) error {
	pattern, args := deleteOne, []any{int64(1), micros(s.options.Now()), joined(idsOf(b.deletes))}
	if len(b.deletes) > 1 {
		var ids array
		for _, e := range b.deletes {
			ids.add(e.id[:])
		}
		pattern, args = deleteMany, append(args, ids.text())
	}
	result, err := s.db.ExecContext(ctx, s.texts.text(pattern, 1), args...)
	return affects(1, result, err)
}

// appendArrays appends the arguments of putMany from the stanzas on.
func appendArrays(args []any, puts []*entry) []any {
	var stanzas []byte
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

// text returns the array, which is not empty.
func (a array) text() string { return "{" + string(a[1:]) + "}" }
