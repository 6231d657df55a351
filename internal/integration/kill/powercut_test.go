// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package kill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/untilack/untilack/internal/integration/crashtest"
	"github.com/untilack/untilack/internal/integration/kill/powercut"
)

// A machine runs a relay on SQLite, and loses its power.
type machine struct {
	*run
	folder      string // has all folders
	synchronous string
	life        int
}

// newMachine returns a machine with an empty database on its disk.
func newMachine(t testing.TB, synchronous string) *machine {
	m := &machine{run: newRun(t, crashtest.Job{}), folder: t.TempDir(), synchronous: synchronous}
	if err := os.Mkdir(m.path("disk"), 0o700); err != nil {
		t.Fatal(err)
	}
	db, _, err := sqliteIn(m.path("disk"), synchronous).OpenStore(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.boot(); err != nil {
		t.Fatal(err)
	}
	return m
}

// path returns the path of what belongs to this life.
func (m *machine) path(name string) string {
	return filepath.Join(m.folder, fmt.Sprint(name, "-", m.life))
}

// boot makes the job of the next relay: it works on a copy of the disk. It moves what is
// in the write-ahead log to the database often, so that the power fails in that, too.
func (m *machine) boot() error {
	m.job = sqliteIn(m.path("work"), m.synchronous)
	m.job.Source += "&_pragma=wal_autocheckpoint(50)&vfs=" + powercut.Name
	m.job.Log = m.path("log")
	return os.CopyFS(m.path("work"), os.DirFS(m.path("disk")))
}

// cut kills the relay under load, and leaves of what it wrote what the disk has.
func (m *machine) cut(round int) error {
	if err := m.crashUnderLoad(round); err != nil {
		return err
	}
	part := []float64{0, 0.5, 0.9, 1}[round%4]
	survives := func() bool { return m.random.Float64() < part }
	disk, work, log := m.path("disk"), m.path("work"), m.path("log")
	m.life++
	if err := powercut.Replay(disk, log, m.path("disk"), survives); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(disk), os.RemoveAll(work), os.Remove(log), m.boot())
}

// TestPowerCut takes the power away from a relay whose database syncs each commit.
func TestPowerCut(t *testing.T) {
	m := newMachine(t, "FULL")
	for i := range *rounds {
		if err := m.recover(); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if err := m.cut(i); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
	if err := m.recover(); err != nil {
		t.Fatal(err)
	}
	if err := m.empty(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rounds, %s", *rounds, m.ledger)
}

// TestPowerCutNotSynced checks that the test above notices what is lost: a database that
// does not sync each commit loses some of them. With NORMAL it is whole all the same.
func TestPowerCutNotSynced(t *testing.T) {
	for _, synchronous := range []string{"NORMAL", "OFF"} {
		t.Run(synchronous, func(t *testing.T) {
			m := newMachine(t, synchronous)
			m.mayBreak = synchronous == "OFF"
			m.mustLose(m.cut)
		})
	}
}
