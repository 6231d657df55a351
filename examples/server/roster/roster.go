// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package roster keeps who is in whose contact list, and who may see whose presence (RFC
// 6121 §2 and §3), in the database in which the mail is.
package roster

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/untilack/untilack/examples/internal/stores"
)

// MaxItems is how many contacts an account has at most.
const MaxItems = 1000

// ErrFull is returned when there is no room for another contact.
var ErrFull = errors.New("roster: too many contacts")

// An Item is what an account has noted of a contact.
type Item struct {
	Contact string // bare address
	Name    string
	Groups  []string

	To   bool // the account sees the contact's presence
	From bool // the contact sees the account's
	Ask  bool // the account has asked to see the contact's, and has no answer yet

	// Asked says that the contact waits for an answer. An item that has nothing else
	// is not shown to clients (RFC 6121 §3.1.3).
	Asked bool
	Shown bool

	// Request is the presence by which the contact has asked, whole, while Asked is set.
	Request string `json:",omitempty"`
}

// Subscription returns it in the word of RFC 6121 §2.1.2.5.
func (i *Item) Subscription() string {
	switch {
	case i.To && i.From:
		return "both"
	case i.To:
		return "to"
	case i.From:
		return "from"
	}
	return "none"
}

// isNothing reports whether the item can go.
func (i *Item) isNothing() bool { return !i.Shown && !i.Asked && !i.To && !i.From && !i.Ask }

// A Store keeps the rosters of all accounts. It is safe for concurrent use by multiple
// goroutines. Several servers may share its database; of what two of them do to the same item
// at the same time, one may be undone.
type Store struct {
	store   *stores.Store
	db      *sql.DB // the store's
	changes sync.Mutex
}

const table = `CREATE TABLE IF NOT EXISTS server_roster (
	account TEXT NOT NULL,
	contact TEXT NOT NULL,
	item TEXT NOT NULL,
	PRIMARY KEY (account, contact)
)`

// Open makes the table if there is none.
func Open(ctx context.Context, store *stores.Store) (*Store, error) {
	db, _ := store.Database()
	if err := store.Make(ctx, table); err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	return &Store{store: store, db: db}, nil
}

// List returns an account's items in order of contact, those not shown too.
func (s *Store) List(ctx context.Context, account string) (items []Item, err error) {
	rows, err := s.db.QueryContext(ctx, s.store.In(`SELECT item FROM server_roster WHERE account = #1 ORDER BY contact`), account)
	if err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	return items, nil
}

// scan reads one item.
func scan(row interface{ Scan(...any) error }) (item Item, err error) {
	var text string
	if err = row.Scan(&text); err == nil {
		err = json.Unmarshal([]byte(text), &item)
	}
	if err != nil {
		return item, fmt.Errorf("roster: %w", err)
	}
	return item, nil
}

// Get returns an account's item for a contact, one that says nothing if there is none.
func (s *Store) Get(ctx context.Context, account, contact string) (Item, error) {
	item, err := scan(s.db.QueryRowContext(ctx, s.store.In(`SELECT item FROM server_roster WHERE account = #1 AND contact = #2`), account, contact))
	if errors.Is(err, sql.ErrNoRows) {
		return Item{Contact: contact}, nil
	}
	return item, err
}

// Change changes an account's item for a contact, and returns it as it was and as it is. If
// nothing is left in it, it goes.
func (s *Store) Change(ctx context.Context, account, contact string, change func(*Item)) (was, is Item, err error) {
	s.changes.Lock()
	defer s.changes.Unlock()
	if was, err = s.Get(ctx, account, contact); err != nil {
		return was, was, err
	}
	is = was
	change(&is)
	if !is.Asked {
		is.Request = ""
	}
	if is.isNothing() {
		_, err = s.db.ExecContext(ctx, s.store.In(`DELETE FROM server_roster WHERE account = #1 AND contact = #2`), account, contact)
	} else {
		err = s.put(ctx, account, was, is)
	}
	if err != nil {
		return was, was, fmt.Errorf("roster: %w", err)
	}
	return was, is, nil
}

// put writes an item.
func (s *Store) put(ctx context.Context, account string, was, is Item) error {
	if was.isNothing() {
		var count int
		err := s.db.QueryRowContext(ctx, s.store.In(`SELECT COUNT(*) FROM server_roster WHERE account = #1`), account).Scan(&count)
		if err != nil {
			return err
		}
		if count >= MaxItems {
			return ErrFull
		}
	}
	text, err := json.Marshal(is)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx, s.store.In(`INSERT INTO server_roster (account, contact, item) VALUES (#1, #2, #3)
		ON CONFLICT (account, contact) DO UPDATE SET item = excluded.item`), account, is.Contact, string(text))
	return err
}
