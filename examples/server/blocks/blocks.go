// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package blocks keeps whom an account wants to hear nothing of (XEP-0191): in the database,
// and in memory, for it is asked about each message. Servers that share the database learn
// of each other's changes when a client of the account asks for its list.
package blocks

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/untilack/untilack/examples/internal/stores"
)

// MaxItems is how many addresses an account blocks at most.
const MaxItems = 1000

// ErrFull is returned when there is no room for another address.
var ErrFull = errors.New("blocks: too many addresses")

// A List is whom each account blocks. It is safe for concurrent use by multiple goroutines.
type List struct {
	store *stores.Store
	db    *sql.DB // the store's

	changes sync.Mutex // held for a change, from the database to memory
	mutex   sync.RWMutex
	blocked map[string][]string // by account, in order
}

const table = `CREATE TABLE IF NOT EXISTS server_blocks (
	account TEXT NOT NULL,
	blocked TEXT NOT NULL,
	PRIMARY KEY (account, blocked)
)`

// Open makes the table if there is none, and reads it.
func Open(ctx context.Context, store *stores.Store) (*List, error) {
	db, _ := store.Database()
	if err := store.Make(ctx, table); err != nil {
		return nil, fmt.Errorf("blocks: %w", err)
	}
	l := &List{store: store, db: db}
	var err error
	l.blocked, err = l.query(ctx, `SELECT account, blocked FROM server_blocks ORDER BY account, blocked`)
	return l, err
}

// query returns what is in the rows that a statement gives.
func (l *List) query(ctx context.Context, statement string, arguments ...any) (map[string][]string, error) {
	rows, err := l.db.QueryContext(ctx, l.store.In(statement), arguments...)
	if err != nil {
		return nil, fmt.Errorf("blocks: %w", err)
	}
	defer rows.Close()
	found := make(map[string][]string)
	for rows.Next() {
		var account, blocked string
		if err := rows.Scan(&account, &blocked); err != nil {
			return nil, fmt.Errorf("blocks: %w", err)
		}
		found[account] = append(found[account], blocked)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("blocks: %w", err)
	}
	return found, nil
}

// Read reads anew whom an account blocks, and returns it. What was known stays known until
// that is read, and if it can not be.
func (l *List) Read(ctx context.Context, account string) ([]string, error) {
	l.changes.Lock()
	defer l.changes.Unlock()
	found, err := l.query(ctx, `SELECT account, blocked FROM server_blocks WHERE account = #1 ORDER BY blocked`, account)
	if err != nil {
		return nil, err
	}
	l.put(account, found[account])
	return found[account], nil
}

// put has an account block these addresses, which are in order, and no others.
func (l *List) put(account string, blocked []string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.blocked[account] = blocked; len(blocked) == 0 {
		delete(l.blocked, account)
	}
}

// of returns whom an account blocks.
func (l *List) of(account string) []string {
	l.mutex.RLock()
	defer l.mutex.RUnlock()
	return l.blocked[account]
}

// Has reports whether an account blocks an address: that one itself, its bare address, or its
// domain (XEP-0191 §3.1).
func (l *List) Has(account, address string) bool {
	blocked := l.of(account)
	if len(blocked) == 0 {
		return false
	}
	bare, _, _ := strings.Cut(address, "/")
	_, domain, found := strings.Cut(bare, "@")
	if !found {
		domain = bare
	}
	for _, one := range []string{address, bare, domain} {
		if _, found := slices.BinarySearch(blocked, one); found {
			return true
		}
	}
	return false
}

// Add has an account block addresses.
func (l *List) Add(ctx context.Context, account string, addresses []string) error {
	return l.change(ctx, account, addresses, `INSERT INTO server_blocks (account, blocked) VALUES (#1, #2) ON CONFLICT DO NOTHING`, func(blocked []string) []string {
		return append(blocked, addresses...)
	})
}

// Remove has an account block addresses no longer.
func (l *List) Remove(ctx context.Context, account string, addresses []string) error {
	return l.change(ctx, account, addresses, `DELETE FROM server_blocks WHERE account = #1 AND blocked = #2`, func(blocked []string) []string {
		return slices.DeleteFunc(blocked, func(one string) bool { return slices.Contains(addresses, one) })
	})
}

// change changes whom an account blocks, in the database and then in memory.
func (l *List) change(ctx context.Context, account string, addresses []string, statement string, change func([]string) []string) error {
	l.changes.Lock()
	defer l.changes.Unlock()
	is := change(slices.Clone(l.of(account)))
	slices.Sort(is)
	is = slices.Compact(is)
	if len(is) > MaxItems {
		return ErrFull
	}
	if err := l.write(ctx, account, addresses, l.store.In(statement)); err != nil {
		return fmt.Errorf("blocks: %w", err)
	}
	l.put(account, is)
	return nil
}

// write runs a statement for each address, all or none.
func (l *List) write(ctx context.Context, account string, addresses []string, statement string) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	for _, address := range addresses {
		if _, err := tx.ExecContext(ctx, statement, account, address); err != nil {
			return err
		}
	}
	return tx.Commit()
}
