// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package integration

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/cache"
)

var errFault = errors.New("connection reset by a test")

// newFaultyStore returns a store on a database with faults.
func (d *database) newFaultyStore(t *testing.T, o *sqlstore.Options) (*sqlstore.Store, *faults, *sql.DB) {
	t.Helper()
	db, f := d.newFaulty(t)
	return d.openStore(t, db, o), f, db
}

// commits reports whether a call makes something durable: the end of a transaction, or a
// statement that is one.
func (c call) commits() bool {
	return c.text == "commit" || strings.HasPrefix(c.text, "WITH ") || strings.HasPrefix(c.text, "INSERT INTO untilack_")
}

func packet(number int) cache.Packet {
	p := benchPacket(number)
	p.Key.To = "juliet@capulet.example"
	return p
}

func rowsOf(packets ...cache.Packet) (rows []actions.Row) {
	for _, p := range packets {
		rows = append(rows, actions.NewRow(p, false))
	}
	return rows
}

func packets(count int) (all []cache.Packet) {
	for i := range count {
		all = append(all, packet(i))
	}
	return all
}

func put(t *testing.T, s *sqlstore.Store, packets ...cache.Packet) {
	t.Helper()
	for _, err := range s.Put(t.Context(), rowsOf(packets...)...) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func remove(t *testing.T, s *sqlstore.Store, packets ...cache.Packet) {
	t.Helper()
	for _, p := range packets {
		if err := s.Delete(t.Context(), p.Identity()); err != nil {
			t.Fatal(err)
		}
	}
}

// wantRows compares what a recipient has with packets, in order, and with its box.
func wantRows(t *testing.T, s *sqlstore.Store, recipient string, want ...cache.Packet) {
	t.Helper()
	var got []actions.Row
	for r, err := range actions.All(t.Context(), s, recipient) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].Packet.Identity() != want[i].Identity() {
			t.Fatalf("row %d is %q, want %q", i, got[i].Packet.Key.ID, want[i].Key.ID)
		}
	}
	used, err := s.Used(t.Context(), recipient)
	if err != nil || used.Messages != len(want) {
		t.Fatalf("Used: %+v, %v, want %d messages", used, err, len(want))
	}
}

// A commit fails once, before it is done or after: the caller notices nothing, and nothing
// is written twice.
func TestCommitFailsOnce(t *testing.T) {
	for _, lost := range []bool{false, true} {
		eachDatabase(t, func(t *testing.T, d *database) {
			s, f, _ := d.newFaultyStore(t, nil)
			failOnce := func() {
				var failed atomic.Bool
				f.set(func(_ context.Context, c call) error {
					if c.commits() && c.done == lost && failed.CompareAndSwap(false, true) {
						return errFault
					}
					return nil
				})
			}
			all := packets(3)
			failOnce()
			put(t, s, all[0])
			failOnce()
			put(t, s, all[1:]...)
			wantRows(t, s, all[0].Key.To, all...)
			failOnce()
			remove(t, s, all[1])
			wantRows(t, s, all[0].Key.To, all[0], all[2])
		})
	}
}

// No commit succeeds, or no answer comes: an error, and the same again puts it right.
func TestCommitsFail(t *testing.T) {
	for _, lost := range []bool{false, true} {
		eachDatabase(t, func(t *testing.T, d *database) {
			s, f, _ := d.newFaultyStore(t, nil)
			fail := func(_ context.Context, c call) error {
				if c.commits() && c.done == lost {
					return errFault
				}
				return nil
			}
			all := packets(2)
			f.set(fail)
			if errs := s.Put(t.Context(), rowsOf(all...)...); len(errs) != 2 || !errors.Is(errs[0], errFault) || !errors.Is(errs[1], errFault) {
				t.Fatalf("Put: %v, want the fault twice", errs)
			}
			f.set(nil)
			put(t, s, all...)
			wantRows(t, s, all[0].Key.To, all...)
			f.set(fail)
			if err := s.Delete(t.Context(), all[0].Identity()); !errors.Is(err, errFault) {
				t.Fatalf("Delete: %v, want the fault", err)
			}
			f.set(nil)
			remove(t, s, all[0])
			put(t, s, all[0]) // too late: it was received before
			wantRows(t, s, all[0].Key.To, all[1])
		})
	}
}

// One row that the database refuses costs nobody else anything.
func TestPoisonedRow(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		s, f, _ := d.newFaultyStore(t, nil)
		f.set(func(_ context.Context, c call) error {
			for _, arg := range c.args {
				if b, ok := arg.Value.([]byte); ok && bytes.Contains(b, []byte("POISON")) {
					return errFault
				}
			}
			return nil
		})
		const count = 64
		var group sync.WaitGroup
		errs := make([]error, count)
		for i := range count {
			group.Go(func() {
				p := packet(i)
				if i == 7 {
					p.Stanza = []byte("POISON")
				}
				if got := s.Put(t.Context(), rowsOf(p)...); got != nil {
					errs[i] = got[0]
				}
			})
		}
		group.Wait()
		for i, err := range errs {
			if (i == 7) != errors.Is(err, errFault) {
				t.Errorf("row %d: %v", i, err)
			}
		}
		if used, _ := s.Used(t.Context(), packet(0).Key.To); used.Messages != count-1 {
			t.Errorf("%d rows, want %d", used.Messages, count-1)
		}
	})
}

// A database that hangs holds up nobody longer than his context or the store's limit, and
// when it goes on so does the store.
func TestDatabaseHangs(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		s, f, _ := d.newFaultyStore(t, &sqlstore.Options{Timeout: 300 * time.Millisecond})
		f.set(func(ctx context.Context, c call) error {
			<-ctx.Done()
			return ctx.Err()
		})
		impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		start := time.Now()
		if errs := s.Put(impatient, rowsOf(packet(0))...); len(errs) != 1 || !errors.Is(errs[0], context.DeadlineExceeded) {
			t.Errorf("Put: %v, want the end of its context", errs)
		}
		if waited := time.Since(start); waited > 250*time.Millisecond {
			t.Errorf("Put returned after %v", waited)
		}
		if err := s.Delete(t.Context(), packet(1).Identity()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Delete: %v, want the end of the store's time", err)
		}
		f.set(nil)
		put(t, s, packet(2))
		if stands, err := s.Stands(t.Context(), packet(2).Identity()); err != nil || !stands[0] {
			t.Errorf("Stands: %v, %v", stands, err)
		}
	})
}

// Whoever gives up while he waits is not written, and his buffers are his again.
func TestGivenUpIsNotWritten(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		s, f, _ := d.newFaultyStore(t, nil)
		begun, goOn := make(chan struct{}), make(chan struct{})
		var once sync.Once
		f.set(func(context.Context, call) error {
			once.Do(func() {
				close(begun)
				<-goOn
			})
			return nil
		})
		var group sync.WaitGroup
		group.Go(func() { put(t, s, packet(0)) })
		<-begun
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		gone := packet(1)
		if errs := s.Put(ctx, rowsOf(gone)...); !errors.Is(errs[0], context.Canceled) {
			t.Errorf("Put: %v", errs)
		}
		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if errs := s.Put(short, rowsOf(gone)...); !errors.Is(errs[0], context.DeadlineExceeded) {
			t.Errorf("Put: %v", errs)
		}
		clear(gone.Stanza)
		close(goOn)
		group.Wait()
		put(t, s, packet(2))
		wantRows(t, s, packet(0).Key.To, packet(0), packet(2))
	})
}

// More callers than the queue has room for all get through.
func TestMoreCallersThanRoom(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		s := d.newStore(t, nil)
		const callers = 1500
		var group sync.WaitGroup
		for i := range callers {
			group.Go(func() {
				if errs := s.Put(t.Context(), rowsOf(packet(i))...); errs != nil {
					t.Error(errs[0])
				}
			})
		}
		group.Wait()
		if used, err := s.Used(t.Context(), packet(0).Key.To); err != nil || used.Messages != callers {
			t.Errorf("Used: %+v, %v", used, err)
		}
	})
}

// The usual Put and Delete take one statement and no transaction: if the short way fails
// without anybody noticing, this notices.
func TestUsualIsOneStatement(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		s, f, _ := d.newFaultyStore(t, nil)
		put(t, s, packet(1000)) // the first has what the recipient has counted
		var texts []string
		f.set(func(_ context.Context, c call) error {
			if !c.done {
				texts = append(texts, c.text)
			}
			return nil
		})
		put(t, s, packet(0))
		remove(t, s, packet(0))
		if len(texts) != 2 {
			t.Errorf("put and deleted by\n%s", strings.Join(texts, "\n\n"))
		}
		if texts = nil; d.dialect == sqlstore.PostgreSQL {
			put(t, s, packets(100)[1:]...)
			if len(texts) != 1 {
				t.Errorf("99 rows put by\n%s", strings.Join(texts, "\n\n"))
			}
		}
	})
}

// A full disk is actions.ErrFull, and no more than that once there is room.
func TestDiskFull(t *testing.T) {
	db := databases[0].newDB(t)
	db.SetMaxOpenConns(1) // the limit is a connection's
	s := databases[0].openStore(t, db, nil)
	put(t, s, packet(0))
	if _, err := db.Exec(`PRAGMA max_page_count = 1`); err != nil { // no more than there are
		t.Fatal(err)
	}
	large := packet(1)
	large.Stanza = bytes.Repeat([]byte("x"), 1<<20)
	if errs := s.Put(t.Context(), rowsOf(large)...); !errors.Is(errs[0], actions.ErrFull) {
		t.Fatalf("Put on a full disk: %v, want ErrFull", errs)
	}
	if _, err := db.Exec(`PRAGMA max_page_count = 1000000`); err != nil {
		t.Fatal(err)
	}
	put(t, s, large)
	wantRows(t, s, large.Key.To, packet(0), large)
}

type diskFull struct{}

func (diskFull) Error() string    { return "could not extend file" }
func (diskFull) SQLState() string { return "53100" }

func TestDiskFullPostgreSQL(t *testing.T) {
	s, f, _ := databases[1].newFaultyStore(t, nil)
	f.set(func(_ context.Context, c call) error {
		if c.text != "begin" && !c.done {
			return fmt.Errorf("wrapped: %w", diskFull{})
		}
		return nil
	})
	if errs := s.Put(t.Context(), rowsOf(packet(0))...); !errors.Is(errs[0], actions.ErrFull) {
		t.Fatalf("Put on a full disk: %v, want ErrFull", errs)
	}
}

// Another process has SQLite's lock for longer than the store may wait.
func TestSQLiteLocked(t *testing.T) {
	d := &databases[0]
	name, source := d.create(t)
	source = strings.Replace(source, "busy_timeout(10000)", "busy_timeout(50)", 1)
	db := open(t, name, source)
	d.migrate(t, db)
	s := d.openStore(t, db, nil)
	other := open(t, name, source+"&_txlock=immediate")
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if errs := s.Put(t.Context(), rowsOf(packet(0))...); errs == nil || actions.IsPermanent(errs[0]) {
		t.Errorf("Put: %v, want a temporary error", errs)
	}
	if rows, err := s.List(t.Context(), packet(0).Key.To, 0, 0); err != nil || len(rows) != 0 {
		t.Errorf("List: %d rows, %v; a reader does not wait", len(rows), err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	put(t, s, packet(0))
	wantRows(t, s, packet(0).Key.To, packet(0))
}

// A Store is used in a bubble of testing/synctest, also one that was used before, and leaves
// nothing there.
func TestAStoreInABubble(t *testing.T) {
	d := &databases[0]
	old, _, _ := d.newFaultyStore(t, nil)
	put(t, old, packet(0))
	synctest.Test(t, func(t *testing.T) {
		store, faults, _ := d.newFaultyStore(t, nil)
		faults.set(func(_ context.Context, c call) error {
			if c.commits() && !c.done {
				time.Sleep(time.Second)
			}
			return nil
		})
		var group sync.WaitGroup
		for i := range 4 {
			group.Go(func() {
				for _, s := range []*sqlstore.Store{old, store} {
					if errs := s.Put(t.Context(), actions.NewRow(packet(i+1), false)); errs != nil {
						t.Error(errs)
					}
				}
			})
		}
		group.Wait()
	})
}
