// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package powercut

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

func always() bool { return true }
func never() bool  { return false }

// TestRecord cuts the power of two databases: of one that syncs each commit nothing is
// lost, and of one that never syncs everything, unless it has reached the disk by chance.
func TestRecord(t *testing.T) {
	before, work, log := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "log")
	for _, mode := range []string{"FULL", "OFF"} {
		db := openDB(t, before, mode, "")
		exec(t, db, "CREATE TABLE t (n)")
		db.Close()
	}
	if err := os.CopyFS(work, os.DirFS(before)); err != nil {
		t.Fatal(err)
	}
	if err := Record(log); err != nil {
		t.Fatal(err)
	}
	if err := Record(log); err == nil {
		t.Error("a second record was begun")
	}
	const rows = 300 // with checkpoints among them
	for _, mode := range []string{"FULL", "OFF"} {
		db := openDB(t, work, mode, "&vfs="+Name)
		for i := range rows {
			exec(t, db, fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
		}
	}
	for _, test := range []struct {
		name      string
		survives  func() bool
		full, off int
	}{
		{"nothing survives", never, rows, 0},
		{"all survives", always, rows, rows},
	} {
		t.Run(test.name, func(t *testing.T) {
			after := t.TempDir()
			if err := Replay(before, log, after, test.survives); err != nil {
				t.Fatal(err)
			}
			for mode, want := range map[string]int{"FULL": test.full, "OFF": test.off} {
				var got int
				if err := openDB(t, after, mode, "").QueryRow("SELECT COUNT(*) FROM t").Scan(&got); err != nil || got != want {
					t.Errorf("%s: %d rows, want %d: %v", mode, got, want, err)
				}
			}
		})
	}
}

func openDB(t *testing.T, folder, mode, more string) *sql.DB {
	t.Helper()
	path := filepath.Join(folder, mode+".db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=wal_autocheckpoint(20)&_pragma=synchronous("+mode+")"+more)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// TestReplay checks what is left of two sectors.
func TestReplay(t *testing.T) {
	a, b := string(make([]byte, sector)), "b"
	for _, test := range []struct {
		name     string
		log      []record
		survives []bool // what is asked about, in order
		want     string // "-": no file
	}{
		{"synced", []record{{Op: write, Data: []byte("x")}, {Op: synced, Before: 1}}, nil, "x"},
		{"not synced", []record{{Op: write, Data: []byte("x")}}, []bool{false}, "-"},
		{"written behind a sync", []record{{Op: synced}, {Op: write, Data: []byte("x")}}, []bool{false}, ""},
		{"written while it was synced", []record{{Op: write, Data: []byte("x")}, {Op: synced, Before: 0}}, []bool{false}, ""},
		{"first sector", []record{{Op: write, Data: []byte(a + b)}}, []bool{true, false}, a},
		{"second sector", []record{{Op: write, Data: []byte(a + b)}}, []bool{false, true}, a + b},
		{"across a border", []record{{Op: write, Offset: sector - 1, Data: []byte("xy")}}, []bool{true, false}, a[1:] + "x"},
		{"cut", []record{{Op: write, Data: []byte("xy")}, {Op: synced, Before: 1}, {Op: truncate, Offset: 1}}, []bool{true}, "x"},
		{"not cut", []record{{Op: write, Data: []byte("xy")}, {Op: synced, Before: 1}, {Op: truncate, Offset: 1}}, []bool{false}, "xy"},
		{"removed", []record{{Op: write, Data: []byte("x")}, {Op: synced, Before: 1}, {Op: remove}}, []bool{true}, "-"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := replay(t, test.log, test.survives); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func replay(t *testing.T, records []record, survives []bool) string {
	t.Helper()
	log, after := filepath.Join(t.TempDir(), "log"), t.TempDir()
	file, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	j := journal{file: file}
	for _, r := range records {
		r.File = "f"
		if err := j.add(r); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprint(file, `{"Op":"write","File":"f","Data":`) // the process was killed here
	file.Close()
	err = Replay(t.TempDir(), log, after, func() bool {
		answer := survives[0]
		survives = survives[1:]
		return answer
	})
	if err != nil || len(survives) > 0 {
		t.Fatalf("%d not asked: %v", len(survives), err)
	}
	content, err := os.ReadFile(filepath.Join(after, "f"))
	if err != nil {
		return "-"
	}
	return string(content)
}
