// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package integration

import (
	"flag"
	"path/filepath"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/untilacktest"
)

var worlds = flag.Int("worlds", 40, "how many Worlds are simulated over SQLite")

// The simulated Worlds hold over a real database too: one node, and two that know each
// other by the store alone. Nothing is synced, for no power is taken away.
func TestWorldsOverSQLite(t *testing.T) {
	for name, o := range map[string]untilacktest.Options{
		"one node":  {},
		"two nodes": {Nodes: 2, Apart: true, Config: untilack.Config{PollEvery: time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			untilacktest.Explore(t, *worlds, func() *untilacktest.Options {
				o := o
				o.OpenStore = func(now func() time.Time) actions.Store {
					db := open(t, "sqlite", sqliteSource(filepath.Join(t.TempDir(), "mail.db"), "OFF"))
					if err := sqlstore.Migrate(t.Context(), db, sqlstore.SQLite); err != nil {
						t.Fatal(err)
					}
					s, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite, &sqlstore.Options{Now: now})
					if err != nil {
						t.Fatal(err)
					}
					return s
				}
				return &o
			})
		})
	}
}
