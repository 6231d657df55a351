// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"database/sql"
	"strconv"
	"strings"
	"sync"
)

// A Dialect says which SQL the database speaks.
type Dialect uint8

const (
	_ Dialect = iota
	// SQLite 3.35 or later.
	SQLite
	// PostgreSQL 12 or later, and what speaks its dialect. The statements use
	// INSERT … ON CONFLICT, RETURNING, WITH (also MATERIALIZED), unnest WITH ORDINALITY,
	// generate_series, partial indexes and transactions.
	PostgreSQL
)

func (d Dialect) isKnown() bool { return d == SQLite || d == PostgreSQL }

// String returns the name of the dialect.
func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "SQLite"
	case PostgreSQL:
		return "PostgreSQL"
	}
	return "Dialect(" + strconv.Itoa(int(d)) + ")"
}

// parameter is what stands before the number of a parameter.
func (d Dialect) parameter() string {
	if d == SQLite {
		return "?"
	}
	return "$"
}

// isolation returns how transactions are begun. Each statement has to see what others have
// committed before it, whatever the database's default is; in SQLite it always does.
func (d Dialect) isolation() *sql.TxOptions {
	if d == SQLite {
		return nil
	}
	return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
}

// mostTuples is how many tuples one statement of a transaction has at most.
func (d Dialect) mostTuples() int {
	if d == SQLite {
		return 8
	}
	return 128
}

// texts are the texts of statements with lists of parameters, each made once. There are
// few of them, so that a driver can keep them prepared: see lengthFor.
type texts struct {
	dialect Dialect
	made    sync.Map // of statement to string
}

// A statement is a text with a list of so many entries.
type statement struct {
	pattern string
	entries int
}

// text returns the text of a statement. Its pattern has
//
//	#n  for the parameter n,
//	@n  for a list of the parameters from n on, "#n, #n+1, …"
//	{m} for a list of tuples of m parameters, "(#1, …, #m), (#m+1, …), …"
func (t *texts) text(pattern string, entries int) string {
	key := statement{pattern, entries}
	if text, ok := t.made.Load(key); ok {
		return text.(string)
	}
	text := t.make(pattern, entries)
	t.made.Store(key, text)
	return text
}

func (t *texts) make(pattern string, entries int) string {
	var b strings.Builder
	for pattern != "" {
		at := strings.IndexAny(pattern, "#@{")
		if at < 0 {
			b.WriteString(pattern)
			break
		}
		b.WriteString(pattern[:at])
		kind := pattern[at]
		pattern = pattern[at+1:]
		digits := strings.IndexFunc(pattern+" ", func(r rune) bool { return r < '0' || r > '9' })
		n, _ := strconv.Atoi(pattern[:digits])
		pattern = pattern[digits:]
		switch kind {
		case '#':
			t.list(&b, n, 1)
		case '@':
			t.list(&b, n, entries)
		case '{':
			for i := range entries {
				if i > 0 {
					b.WriteString(", ")
				}
				b.WriteByte('(')
				t.list(&b, i*n+1, n)
				b.WriteByte(')')
			}
			pattern = pattern[1:]
		}
	}
	return b.String()
}

// list writes so many parameters, from one on.
func (t *texts) list(b *strings.Builder, from, count int) {
	for i := range count {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(t.dialect.parameter())
		b.WriteString(strconv.Itoa(from + i))
	}
}

// lengthFor returns how many entries a list has that is for so many: a power of two, so
// that there are few texts.
func lengthFor(count int) int {
	length := 1
	for length < count {
		length *= 2
	}
	return length
}

// padded returns a list of arguments of a length that lengthFor gives; the last one is
// repeated, which means nothing to IN.
func padded(args []any) []any {
	for want := lengthFor(len(args)); len(args) < want; {
		args = append(args, args[len(args)-1])
	}
	return args
}
