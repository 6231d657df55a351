// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package integration

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/sqlstore"
)

// toVersion1 makes tables of version 1 of those that there are, with what is in them.
var toVersion1 = []string{
	`DROP INDEX untilack_rows_box`,
	`CREATE INDEX untilack_rows_recipient ON untilack_rows (recipient, number)`,
	`CREATE TABLE untilack_boxes (recipient TEXT PRIMARY KEY, messages BIGINT NOT NULL, bytes BIGINT NOT NULL)`,
	`INSERT INTO untilack_boxes SELECT recipient, COUNT(*), SUM(size) FROM untilack_rows GROUP BY recipient`,
	`ALTER TABLE untilack_clock DROP COLUMN bytes`,
	`DELETE FROM untilack_schema WHERE version > 1`,
}

// toVersion1SQLite makes the views and triggers, as far as it matters.
var toVersion1SQLite = []string{
	`DROP VIEW untilack_put`,
	`DROP VIEW untilack_delete`,
	`CREATE VIEW untilack_put AS SELECT identity, recipient, size FROM untilack_rows`,
	`CREATE TRIGGER untilack_put_row INSTEAD OF INSERT ON untilack_put BEGIN
		INSERT INTO untilack_boxes (recipient, messages, bytes) VALUES (NEW.recipient, 1, NEW.size);
		UPDATE untilack_clock SET value = value + 1 WHERE one = 1;
	END`,
	`CREATE VIEW untilack_delete AS SELECT identity, 0 AS deleted FROM untilack_rows`,
	`CREATE TRIGGER untilack_delete_row INSTEAD OF INSERT ON untilack_delete BEGIN
		UPDATE untilack_boxes SET messages = messages - 1;
	END`,
}

// What the tables of version 1 had is there after Migrate: rows, marks, numbers, and how
// much a recipient has.
func TestMigrateFromVersion1(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		db := d.newDB(t)
		old := d.openStore(t, db, nil)
		all := packets(5)
		put(t, old, all[:4]...)
		remove(t, old, all[1])
		_, mark, err := old.News(t.Context(), nil, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		down := toVersion1
		if d.dialect == sqlstore.SQLite {
			down = slices.Concat(toVersion1SQLite, toVersion1)
		}
		for _, text := range down {
			if _, err := db.Exec(text); err != nil {
				t.Fatal(text, err)
			}
		}
		if _, err := sqlstore.Open(t.Context(), db, d.dialect, nil); !errors.Is(err, sqlstore.ErrVersion) {
			t.Fatalf("Open of version 1: %v, want ErrVersion", err)
		}
		d.migrate(t, db)
		d.migrate(t, db) // does nothing
		s := d.openStore(t, db, &sqlstore.Options{MaxMessages: 4})
		put(t, s, all[1]) // was deleted
		wantRows(t, s, all[0].Key.To, all[0], all[2], all[3])
		all[4].Received = time.Now()
		put(t, s, all[4])
		if errs := s.Put(t.Context(), rowsOf(packet(5))...); len(errs) != 1 || !errors.Is(errs[0], actions.ErrQuota) {
			t.Errorf("Put beyond the quota: %v, want ErrQuota", errs)
		}
		remove(t, s, all[0])
		wantRows(t, s, all[0].Key.To, all[2], all[3], all[4])
		news, _, err := s.News(t.Context(), []string{all[0].Key.To}, mark, 0)
		if err != nil || len(news) != 1 || news[0].Packet.Identity() != all[4].Identity() {
			t.Errorf("News since before: %v, %v, want what was put since", news, err)
		}
	})
}
