// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
	"github.com/untilack/untilack/actions/sqlstore"
)

// A file that may not grow stands for a disk that is full: rows are refused with an error
// that says so, those that were accepted are there, and when there is room it goes on.
func TestWhatAFullDiskHasStays(t *testing.T) {
	db := databases[0].newDB(t)
	db.SetMaxOpenConns(1) // the limit is one of the connection
	limit := func(pages int) {
		t.Helper()
		if _, err := db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(100)
	store, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite, nil)
	if err != nil {
		t.Fatal(err)
	}
	var accepted []actions.Row
	var refusal error
	put := func(n int) error {
		p := actionstest.NewPacket("juliet@capulet.example", "romeo@montague.example/orchard", fmt.Sprint("m", n))
		p.Stanza = []byte(strings.Repeat("x", 1000))
		row := actions.NewRow(p, false)
		if errs := store.Put(t.Context(), row); errs != nil {
			return errs[0]
		}
		accepted = append(accepted, row)
		return nil
	}
	for n := 0; refusal == nil && n < 1000; n++ {
		refusal = put(n)
	}
	if refusal == nil || !errors.Is(refusal, actions.ErrFull) || actions.IsPermanent(refusal) {
		t.Fatalf("a store without room says %v after %d rows", refusal, len(accepted))
	}
	check := func() {
		t.Helper()
		var integrity string
		if err := db.QueryRow("PRAGMA integrity_check").Scan(&integrity); err != nil || integrity != "ok" {
			t.Errorf("integrity: %q, %v", integrity, err)
		}
		rows, err := store.List(t.Context(), "juliet@capulet.example", 0, 2000)
		if err != nil || len(rows) != len(accepted) {
			t.Errorf("%d rows are there (%v), %d were accepted", len(rows), err, len(accepted))
		}
		if used, err := store.Used(t.Context(), "juliet@capulet.example"); err != nil || used.Messages != len(accepted) {
			t.Errorf("used: %+v, %v", used, err)
		}
	}
	check()
	limit(10_000)
	for n := range 50 {
		if err := put(2000 + n); err != nil {
			t.Fatalf("there is room again: %v", err)
		}
	}
	check()
}
