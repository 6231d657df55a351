// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package integration

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/cache"
)

// A row is put, outlives the store, and is deleted when its receipt came.
func Example_sqlite() {
	dir, err := os.MkdirTemp("", "mail")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	p := cache.Packet{
		Key:      cache.Key{To: "juliet@capulet.example", From: "romeo@montague.example/orchard", ID: "1"},
		Received: time.Now(),
		Stanza:   []byte("<message>…</message>"),
	}
	ctx := context.Background()
	source := sqliteSource(filepath.Join(dir, "mail.db"), "FULL")

	withStore(ctx, source, func(s *sqlstore.Store) error {
		if errs := s.Put(ctx, actions.NewRow(p, false)); errs != nil {
			return errs[0]
		}
		return nil
	})
	withStore(ctx, source, func(s *sqlstore.Store) error {
		for r, err := range actions.All(ctx, s, p.Key.To) {
			if err != nil {
				return err
			}
			fmt.Println(r.Packet.Key.From, "wrote", r.Packet.Key.ID)
		}
		if err := s.Delete(ctx, p.Identity()); err != nil {
			return err
		}
		used, err := s.Used(ctx, p.Key.To)
		fmt.Println("left:", used.Messages)
		return err
	})
	// Output:
	// romeo@montague.example/orchard wrote 1
	// left: 0
}

// withStore opens a store, does something with it, and closes its database.
func withStore(ctx context.Context, source string, do func(*sqlstore.Store) error) {
	db, err := sql.Open("sqlite", source)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite); err != nil {
		fmt.Println(err)
		return
	}
	s, err := sqlstore.Open(ctx, db, sqlstore.SQLite, nil)
	if err == nil {
		err = do(s)
	}
	if err != nil {
		fmt.Println(err)
	}
}
