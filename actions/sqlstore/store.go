// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/untilack/untilack/actions"
)

// Options are the settings of a Store. The zero value is a sensible choice.
type Options struct {
	// MaxMessages is how many rows are kept for one recipient. Below zero: no limit.
	// Default: 10,000.
	MaxMessages int

	// MaxBytes is how many bytes are kept for one recipient: stanzas, addresses and an
	// estimate of what keeping them takes. Below zero: no limit. Default: 64 MiB.
	MaxBytes int64

	// Retention is how long after its reception Sweep leaves a row alone.
	// Default: no end.
	Retention time.Duration

	// MarkTime is how long a deletion is remembered; see actions.Store. The clocks of
	// all processes should agree to within it. Default: 15 minutes.
	MarkTime time.Duration

	// Timeout limits one transaction. Default: 10 seconds.
	Timeout time.Duration

	// Now returns the time of a deletion, or of a count. Default: time.Now.
	Now func() time.Time
}

func (o *Options) withDefaults() Options {
	var options Options
	if o != nil {
		options = *o
	}
	setDefault(&options.MaxMessages, 10_000)
	setDefault(&options.MaxBytes, 64<<20)
	setDefault(&options.MarkTime, 15*time.Minute)
	setDefault(&options.Timeout, 10*time.Second)
	if options.Now == nil {
		options.Now = time.Now
	}
	return options
}

// most returns the quotas as numbers to compare with.
func (o *Options) most() amount { return amount{quota(int64(o.MaxMessages)), quota(o.MaxBytes)} }

// noQuota is more than anybody has, and leaves room for sums.
const noQuota = math.MaxInt64 / 2

func quota(limit int64) int64 {
	if limit < 0 {
		return noQuota
	}
	return limit
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// A Store is an actions.Store in a SQL database. It is safe for concurrent use, and so are
// several of them, in one process or in many, on one database. It has a goroutine
// only while something is written, and nothing to be closed.
type Store struct {
	db      *sql.DB
	dialect Dialect
	options Options
	texts   texts

	prepared map[statement]*sql.Stmt // for SQLite only
	quotas   *quotas
	queue    *queue
	old      *queue // of what is recalled
}

var _ actions.Store = (*Store)(nil)

// Errors of Open and Migrate.
var (
	// ErrVersion is returned, wrapped, when the tables are those of another version of
	// this package, or when there are none.
	ErrVersion = errors.New("sqlstore: wrong version of the tables")
	// ErrDialect is returned for a Dialect that is none of those of this package.
	ErrDialect = errors.New("sqlstore: unknown dialect")
)

// Open returns a store over db, in which Migrate has made the tables. A nil pointer means
// the default options. The database stays the caller's, and is to be closed after the last
// call of the Store has returned.
func Open(ctx context.Context, db *sql.DB, d Dialect, o *Options) (*Store, error) {
	if !d.isKnown() {
		return nil, ErrDialect
	}
	if err := db.PingContext(ctx); err != nil {
		return nil, wrapped("open", err)
	}
	version, err := readVersion(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("%w: none found, see Migrate: %w", ErrVersion, err)
	}
	if version != len(migrations) {
		return nil, fmt.Errorf("%w: it is %d, and this package needs %d, see Migrate", ErrVersion, version, len(migrations))
	}
	s := &Store{db: db, dialect: d, options: o.withDefaults(), texts: texts{dialect: d}}
	s.quotas = newQuotas(&s.options)
	if d == SQLite {
		if err := s.prepare(ctx); err != nil {
			return nil, wrapped("open", err)
		}
	}
	// Who has the clock's row finishes first: perhaps the last commit of a process that
	// was killed, and whose rows are to be seen from now on.
	err = s.inTransaction(ctx, func(tx *sql.Tx) error {
		_, err := s.newTransaction(ctx, tx).lock(1)
		return err
	})
	if err != nil {
		return nil, wrapped("open", err)
	}
	s.queue, s.old = newQueue(s.write, maxEntries), newQueue(s.recall, maxRecalled)
	s.queue.grows = d == SQLite // in PostgreSQL it is one statement
	return s, nil
}

// classified returns err as actions.ErrFull too if it says that the disk is full: drivers
// have methods for that, and no common error.
func classified(err error) error {
	var sqlite interface{ Code() int }
	var postgres interface{ SQLState() string }
	full := errors.As(err, &sqlite) && sqlite.Code()&0xFF == sqliteFull ||
		errors.As(err, &postgres) && postgres.SQLState() == postgresFull
	if full {
		return fmt.Errorf("%w: %w", actions.ErrFull, err)
	}
	return err
}

const (
	sqliteFull   = 13      // SQLITE_FULL
	postgresFull = "53100" // disk_full
)

// wrapped returns err with the package's name, or nil.
func wrapped(doing string, err error) error {
	if err == nil || strings.HasPrefix(err.Error(), "sqlstore: ") {
		return err
	}
	return fmt.Errorf("sqlstore: %s: %w", doing, err)
}
