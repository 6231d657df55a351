// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/internal/integration/postgres"
)

// newNodes returns stores that share a database and nothing else, as in several processes.
func (d *database) newNodes(t testing.TB, count int, o *sqlstore.Options) (nodes []*sqlstore.Store) {
	t.Helper()
	name, source := d.create(t)
	d.migrate(t, open(t, name, source))
	for range count {
		nodes = append(nodes, d.openStore(t, open(t, name, source), o))
	}
	return nodes
}

func TestMigrateTogether(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		name, source := d.create(t)
		var group sync.WaitGroup
		for range 8 {
			db := open(t, name, source)
			group.Go(func() {
				if err := sqlstore.Migrate(t.Context(), db, d.dialect); err != nil {
					t.Error(err)
				}
				if _, err := sqlstore.Open(t.Context(), db, d.dialect, nil); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	})
}

func TestWrongVersion(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		db := openNew(t, d)
		if _, err := sqlstore.Open(t.Context(), db, d.dialect, nil); !errors.Is(err, sqlstore.ErrVersion) {
			t.Errorf("Open without tables: %v, want ErrVersion", err)
		}
		d.migrate(t, db)
		if _, err := db.Exec(`INSERT INTO untilack_schema VALUES (1000)`); err != nil {
			t.Fatal(err)
		}
		if err := sqlstore.Migrate(t.Context(), db, d.dialect); !errors.Is(err, sqlstore.ErrVersion) {
			t.Errorf("Migrate of a later version: %v, want ErrVersion", err)
		}
		if _, err := sqlstore.Open(t.Context(), db, d.dialect, nil); !errors.Is(err, sqlstore.ErrVersion) {
			t.Errorf("Open of a later version: %v, want ErrVersion", err)
		}
		db.Close()
		if _, err := sqlstore.Open(t.Context(), db, d.dialect, nil); err == nil || errors.Is(err, sqlstore.ErrVersion) {
			t.Errorf("Open of a closed database: %v, want its error", err)
		}
		if _, err := sqlstore.Open(t.Context(), db, 0, nil); !errors.Is(err, sqlstore.ErrDialect) {
			t.Errorf("Open without a dialect: %v, want ErrDialect", err)
		}
	})
}

// text returns so many letters that nothing compresses.
func text(length int) string {
	b := make([]byte, length)
	for i := range b {
		b[i] = byte('!' + rand.Intn(90))
	}
	return strings.NewReplacer("/", "x").Replace(string(b))
}

func TestLimitsOfTexts(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		s := d.newStore(t, nil)
		long, longer, zero := packet(0), packet(1), packet(2)
		long.Key.To, long.Key.From, long.Key.ID, long.Resource = text(2047), text(10_000), text(10_000), text(1023)
		longer.Key.To = text(2048)
		zero.Key.ID = "a\x00b"
		errs := s.Put(t.Context(), rowsOf(long, longer, zero, packet(3))...)
		if len(errs) != 4 || errs[0] != nil || !actions.IsPermanent(errs[1]) || !actions.IsPermanent(errs[2]) || errs[3] != nil {
			t.Fatalf("Put: %v, want the second and the third to be refused for good", errs)
		}
		wantRows(t, s, long.Key.To, long)
		wantRows(t, s, packet(3).Key.To, packet(3))
		wantRows(t, s, "a\x00b")
		remove(t, s, long, longer, zero)
		wantRows(t, s, long.Key.To)
	})
}

// A packet that comes twice in one call keeps its place.
func TestRepeatedPacketKeepsItsPlace(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		s := d.newStore(t, nil)
		first, second := packet(0), packet(1)
		again := first
		again.Attempt, again.Marks = 3, cache.Delivered
		rows := []actions.Row{actions.NewRow(first, true), actions.NewRow(second, true), actions.NewRow(again, false)}
		if errs := s.Put(t.Context(), rows...); errs != nil {
			t.Fatal(errs)
		}
		wantRows(t, s, first.Key.To, first, second)
		got, err := s.List(t.Context(), first.Key.To, 0, 1)
		if err != nil || got[0].Custody || got[0].Packet.Attempt != 3 || got[0].Packet.Marks != cache.Delivered {
			t.Errorf("%+v, %v: want mail with what the second put brought", got, err)
		}
	})
}

func TestNumbersEnd(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		db := d.newDB(t)
		s := d.openStore(t, db, nil)
		put(t, s, packet(0))
		if rows, err := s.List(t.Context(), packet(0).Key.To, math.MaxUint64, 0); err != nil || len(rows) != 0 {
			t.Errorf("List after the last number: %d rows, %v", len(rows), err)
		}
		for _, mark := range []string{"-1", "9223372036854775807", "9223372036854775808", "1e3", " 1"} {
			if _, _, err := s.News(t.Context(), nil, mark, 0); !errors.Is(err, actions.ErrMark) {
				t.Errorf("News since %q: %v, want ErrMark", mark, err)
			}
		}
		if _, err := db.Exec(`UPDATE untilack_clock SET value = 9223372036854775806`); err != nil {
			t.Fatal(err)
		}
		if errs := s.Put(t.Context(), rowsOf(packets(4)[1:]...)...); len(errs) != 3 || errs[0] == nil || errs[2] == nil {
			t.Errorf("Put when the numbers end: %v, want errors", errs)
		}
		wantRows(t, s, packet(0).Key.To, packet(0))
	})
}

// Two processes together keep to the quotas.
func TestQuotaOfSeveralProcesses(t *testing.T) {
	size := int64(0)
	for _, o := range []sqlstore.Options{{MaxMessages: 40}, {MaxMessages: -1, MaxBytes: 1}} {
		eachDatabase(t, func(t *testing.T, d *database) {
			if o.MaxBytes == 1 {
				o.MaxBytes = 40 * size
			}
			nodes := d.newNodes(t, 2, &o)
			var accepted, refused atomic.Int64
			var group sync.WaitGroup
			for i := range 100 {
				group.Go(func() {
					p := packet(100 + i)
					p.Key.From = packet(0).Key.From // all of one size
					switch errs := nodes[i%2].Put(t.Context(), rowsOf(p)...); {
					case errs == nil:
						accepted.Add(1)
					case errors.Is(errs[0], actions.ErrQuota):
						refused.Add(1)
					default:
						t.Error(errs[0])
					}
				})
			}
			group.Wait()
			used, err := nodes[0].Used(t.Context(), packet(0).Key.To)
			if err != nil || used.Messages != 40 || accepted.Load() != 40 || refused.Load() != 60 {
				t.Errorf("%d accepted, %d refused, %+v used, %v; want 40 of 100", accepted.Load(), refused.Load(), used, err)
			}
			size = used.Bytes / 40
		})
	}
}

// What another node has put since this one has counted is within the quota, too, whether rows
// come alone or together; and what it has deleted makes room.
func TestQuotaAfterOthersPut(t *testing.T) {
	const messages = 6
	size := int64(400 + 384 + len("juliet@capulet.example"+"user0@montague.example/orchard"+"id-0"+"balcony"))
	for i, o := range []sqlstore.Options{{MaxMessages: messages}, {MaxMessages: -1, MaxBytes: messages * size}, {MaxMessages: messages}, {MaxMessages: -1, MaxBytes: messages * size}} {
		together := 1 + i/2*2
		eachDatabase(t, func(t *testing.T, d *database) {
			var later atomic.Int64
			o.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
			nodes := d.newNodes(t, 2, &o)
			all := packets(messages + together)
			put(t, nodes[0], all[0])
			put(t, nodes[1], all[1])
			put(t, nodes[0], all[2])
			for _, p := range all[3:messages] {
				put(t, nodes[1], p)
			}
			rest := all[messages:]
			for range 2 {
				for _, err := range nodes[0].Put(t.Context(), rowsOf(rest...)...) {
					if !errors.Is(err, actions.ErrQuota) {
						t.Fatalf("Put beyond the quota: %v, want ErrQuota", err)
					}
				}
			}
			wantRows(t, nodes[0], all[0].Key.To, all[:messages]...)
			remove(t, nodes[1], all[:together]...)
			later.Store(int64(time.Second)) // for it to be noticed
			put(t, nodes[0], rest...)
			wantRows(t, nodes[0], all[0].Key.To, all[together:]...)
		})
	}
}

// What recipients have is counted once, and again when what may have come since, and not what
// is known to have come for others, could have used up the quota.
func TestCountedOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		name, source := d.create(t)
		plain := open(t, name, source)
		d.migrate(t, plain)
		other := d.openStore(t, plain, nil)
		db, f := newFaults(t, plain, source)
		s := d.openStore(t, db, &sqlstore.Options{MaxMessages: 10})
		counts := 0
		f.set(func(_ context.Context, c call) error {
			if !c.done && strings.Contains(c.text, "SUM(size)") {
				counts++
			}
			return nil
		})
		want := func(want int, after string) {
			t.Helper()
			if counts != want {
				t.Errorf("counted %d times after %s, want %d", counts, after, want)
			}
			counts = 0
		}
		put(t, s, packet(0))
		want(1, "the first row")
		for i := range 30 {
			p := packet(100 + i)
			p.Key.To = fmt.Sprintf("user%d@capulet.example", i)
			put(t, s, p)
			remove(t, s, p)
		}
		want(30, "rows for others")
		put(t, s, packets(9)[1:]...)
		want(0, "more rows")
		remove(t, s, packets(9)...)
		put(t, s, packet(10))
		want(0, "as many as have room")
		put(t, s, packet(11))
		want(1, "one more, for all that is known")
		put(t, s, packet(12))
		want(0, "another")
		for i := range 10 {
			p := packet(200 + i)
			p.Key.To = "nurse@capulet.example"
			put(t, other, p)
		}
		put(t, s, packet(13))
		want(1, "rows that another store has put")
		put(t, s, packet(14))
		want(0, "it was counted")
	})
}

// refused wants all packets to be beyond the quota.
func refused(t *testing.T, s *sqlstore.Store, packets ...cache.Packet) {
	t.Helper()
	errs := s.Put(t.Context(), rowsOf(packets...)...)
	if len(errs) != len(packets) {
		t.Fatalf("Put: %d errors, want ErrQuota for each of %d", len(errs), len(packets))
	}
	for _, err := range errs {
		if !errors.Is(err, actions.ErrQuota) {
			t.Errorf("Put: %v, want ErrQuota", err)
		}
	}
}

// Who has no room is counted once a second, or when this Store has deleted something, and
// meanwhile nothing is locked. What stands or is settled needs no room.
func TestFullIsCountedOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		name, source := d.create(t)
		plain := open(t, name, source)
		d.migrate(t, plain)
		other := d.openStore(t, plain, nil)
		db, f := newFaults(t, plain, source)
		start := time.Now()
		later := time.Duration(0)
		s := d.openStore(t, db, &sqlstore.Options{MaxMessages: 5, Now: func() time.Time { return start.Add(later) }})
		counts, writes := 0, 0
		f.set(func(_ context.Context, c call) error {
			if !c.done && strings.Contains(c.text, "SUM(size)") {
				counts++
			}
			if !c.done && (c.text == "begin" || c.commits()) {
				writes++
			}
			return nil
		})
		want := func(want int, after string) {
			t.Helper()
			if counts != want {
				t.Errorf("counted %d times after %s, want %d", counts, after, want)
			}
			counts, writes = 0, 0
		}
		all := packets(12)
		put(t, other, all[:5]...)
		refused(t, s, all[5])
		want(1, "the first refusal")
		writes = 0
		refused(t, s, all[6])
		refused(t, s, all[5:9]...)
		if writes > 0 {
			t.Errorf("%d transactions to refuse more, want none", writes)
		}
		want(0, "more refusals")
		put(t, s, all[0])
		put(t, s, all[:5]...)
		if errs := s.Put(t.Context(), rowsOf(all[5], all[1])...); len(errs) != 2 || !errors.Is(errs[0], actions.ErrQuota) || errs[1] != nil {
			t.Errorf("Put of a row and one that stands: %v, want ErrQuota for the first", errs)
		}
		want(0, "puts of what stands")
		remove(t, other, all[0])
		put(t, s, all[0])
		want(0, "a put of what was deleted")
		refused(t, s, all[5])
		later += time.Second
		put(t, s, all[5])
		refused(t, s, all[6])
		want(2, "a second") // for each
		remove(t, s, all[1])
		put(t, s, all[6])
		refused(t, s, all[7])
		want(2, "a deletion")
		wantRows(t, s, all[0].Key.To, all[2:7]...)
	})
}

// Somebody who has no room for a large row may have room for a small one.
func TestFullForLargeRows(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		s := d.newStore(t, &sqlstore.Options{MaxBytes: 8000})
		large := packets(3)
		for i := range large {
			large[i].Stanza = []byte(text(5000))
		}
		put(t, s, large[0])
		refused(t, s, large[1:]...)
		refused(t, s, large[1])
		small := packet(10)
		put(t, s, small)
		refused(t, s, large[2])
		wantRows(t, s, small.Key.To, large[0], small)
	})
}

// A count that fails says nothing.
func TestCountFails(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		name, source := d.create(t)
		plain := open(t, name, source)
		d.migrate(t, plain)
		all := packets(7)
		put(t, d.openStore(t, plain, nil), all[:6]...)
		db, f := newFaults(t, plain, source)
		s := d.openStore(t, db, &sqlstore.Options{MaxMessages: 6})
		f.set(func(_ context.Context, c call) error {
			if strings.Contains(c.text, "SUM(size)") {
				return errors.New("no count")
			}
			return nil
		})
		if errs := s.Put(t.Context(), rowsOf(all[6])...); len(errs) != 1 || errs[0] == nil || errors.Is(errs[0], actions.ErrQuota) {
			t.Errorf("Put: %v, want the error of the count", errs)
		}
		f.set(nil)
		refused(t, s, all[6])
	})
}

// A Delete on another node comes at the last moment before a Put is written, of packets
// that were received now or long ago, alone or with others.
func TestDeleteBeforePutIsWritten(t *testing.T) {
	for _, age := range []time.Duration{0, time.Minute} {
		for _, count := range []int{1, 3} {
			eachDatabase(t, func(t *testing.T, d *database) {
				name, source := d.create(t)
				db := open(t, name, source)
				d.migrate(t, db)
				other := d.openStore(t, db, nil)
				faulty, f := newFaults(t, db, source)
				s := d.openStore(t, faulty, nil)
				all := packets(count)
				for i := range all {
					all[i].Received = all[i].Received.Add(-age)
				}
				var once sync.Once
				f.set(func(_ context.Context, c call) error {
					if !c.done && (c.text == "begin" || c.commits()) {
						once.Do(func() { remove(t, other, all[0]) })
					}
					return nil
				})
				put(t, s, all...)
				wantRows(t, s, all[0].Key.To, all[1:]...)
			})
		}
	}
}

// What was received long ago is compared with all deletions since, in pages, and with none
// that are to be forgotten.
func TestOldPacketsAreRecalled(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		now := time.Now()
		s := d.newStore(t, &sqlstore.Options{MarkTime: time.Hour, Now: func() time.Time { return now }})
		all := packets(3000)
		for i := range all {
			all[i].Received = now.Add(-10 * time.Minute)
		}
		now = now.Add(-2 * time.Hour)
		remove(t, s, all[0]) // forgotten by now
		now = now.Add(2*time.Hour - 11*time.Minute)
		remove(t, s, all[1]) // before it was received
		now = now.Add(2 * time.Minute)
		var group sync.WaitGroup
		for lane := range 8 {
			group.Go(func() {
				for i := 2 + lane; i < 2500; i += 8 {
					remove(t, s, all[i])
				}
			})
		}
		group.Wait()
		now = now.Add(9 * time.Minute)
		put(t, s, all...)
		want := append([]cache.Packet{all[0], all[1]}, all[2500:]...)
		wantRows(t, s, all[0].Key.To, want...)
		put(t, s, all...) // some stand and some do not
		wantRows(t, s, all[0].Key.To, want...)
	})
}

// A Put and the Delete of the same packet meet, on two nodes, under load: either the
// Delete finds the row or the Put finds the mark.
func TestLatePutMeetsDelete(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		nodes := d.newNodes(t, 2, nil)
		var group sync.WaitGroup
		for lane := range 8 {
			group.Go(func() {
				for i := range 30 {
					p := packet(lane*1000 + i)
					var pair sync.WaitGroup
					pair.Go(func() { put(t, nodes[lane%2], p) })
					pair.Go(func() { remove(t, nodes[1-lane%2], p) })
					pair.Wait()
				}
			})
		}
		group.Wait()
		wantRows(t, nodes[0], packet(0).Key.To)
	})
}

// skewed returns options whose clock is ahead by so much.
func skewed(by time.Duration) *sqlstore.Options {
	return &sqlstore.Options{Now: func() time.Time { return time.Now().Add(by) }}
}

// Clocks that disagree cost a duplicate, never an error.
func TestClocksDisagree(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		name, source := d.create(t)
		d.migrate(t, open(t, name, source))
		behind, ahead := d.openStore(t, open(t, name, source), skewed(-time.Hour)), d.openStore(t, open(t, name, source), skewed(time.Hour))
		remove(t, ahead, packet(0))
		put(t, behind, packet(0)) // covered
		remove(t, behind, packet(1))
		put(t, ahead, packet(1)) // not remembered
		wantRows(t, behind, packet(0).Key.To, packet(1))
	})
}

func TestSweep(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		now := time.Now()
		db := d.newDB(t)
		s := d.openStore(t, db, &sqlstore.Options{Retention: time.Hour, MarkTime: time.Minute, Now: func() time.Time { return now }})
		var old, expired, kept []cache.Packet
		for i := range 400 {
			o, e, k := packet(i), packet(1000+i), packet(2000+i)
			o.Received, e.Expires, k.Expires = now.Add(-2*time.Hour), now.Add(-time.Second), now.Add(time.Hour)
			old, expired, kept = append(old, o), append(expired, e), append(kept, k)
		}
		put(t, s, old...)
		put(t, s, expired...)
		put(t, s, kept...)
		other := packet(5000)
		other.Key.To = "nurse@capulet.example"
		put(t, s, other)
		remove(t, s, other)
		if swept, err := s.Sweep(t.Context(), now); err != nil || swept != 800 {
			t.Errorf("Sweep: %d, %v, want 800", swept, err)
		}
		wantRows(t, s, kept[0].Key.To, kept...)
		if left := remembered(t, db); left != 801 {
			t.Errorf("%d deletions are remembered, want 801", left)
		}
		if swept, err := s.Sweep(t.Context(), now.Add(2*time.Minute)); err != nil || swept != 0 {
			t.Errorf("Sweep: %d, %v, want 0", swept, err)
		}
		if left := remembered(t, db); left != 0 {
			t.Errorf("%d deletions are remembered, want 0", left)
		}
	})
}

// remembered returns how many deletions are.
func remembered(t *testing.T, db *sql.DB) int {
	t.Helper()
	var deletions int
	if err := db.QueryRow(`SELECT COALESCE(SUM(LENGTH(identities)), 0) / 20 FROM untilack_marks`).Scan(&deletions); err != nil {
		t.Fatal(err)
	}
	return deletions
}

func TestUsage(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		s := d.newStore(t, nil)
		var bytes int64
		for i := range 30 {
			p := packet(i)
			p.Key.To = fmt.Sprintf("user%02d@capulet.example", i/3)
			put(t, s, p)
			if i >= 27 {
				remove(t, s, p)
			}
		}
		var names []string
		for after := ""; ; after = names[len(names)-1] {
			boxes, err := s.Boxes(t.Context(), after, 4)
			if err != nil || len(boxes) > 4 {
				t.Fatal(boxes, err)
			}
			if len(boxes) == 0 {
				break
			}
			for _, b := range boxes {
				names, bytes = append(names, b.Recipient), bytes+b.Bytes
				if b.Messages != 3 {
					t.Errorf("%+v: want 3 messages", b)
				}
			}
		}
		if len(names) != 9 || !slices.IsSorted(names) {
			t.Errorf("boxes %q: want 9 in order", names)
		}
		if total, err := s.Total(t.Context()); err != nil || total.Messages != 27 || total.Bytes != bytes || bytes < 27*400 {
			t.Errorf("Total: %+v, %v; boxes have %d bytes", total, err, bytes)
		}
	})
}

// A node that asks for news in pages, for many recipients, while two others put, misses
// nothing, nor what becomes mail.
func TestNewsUnderLoad(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d *database) {
		nodes := d.newNodes(t, 3, nil)
		const each = 300
		_, mark, err := nodes[2].News(t.Context(), nil, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		var recipients []string
		for i := range benchRecipients / 2 {
			recipients = append(recipients, benchPacket(i).Key.To)
		}
		for n := range 2 {
			group.Go(func() { putNews(t, nodes[n], n*each, each) })
		}
		done := make(chan struct{})
		go func() { group.Wait(); close(done) }()
		want := make(map[cache.Identity]bool)
		for i := range 2 * each {
			if p := benchPacket(i); slices.Contains(recipients, p.Key.To) {
				want[p.Identity()] = true
			}
		}
		for last := false; ; {
			rows, next, err := nodes[2].News(t.Context(), recipients, mark, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				if !r.Custody {
					delete(want, r.Packet.Identity())
				}
			}
			if mark = next; len(rows) > 0 {
				continue
			}
			if last {
				break
			}
			select {
			case <-done:
				last = true
			default:
			}
		}
		if len(want) > 0 {
			t.Errorf("%d rows were missed", len(want))
		}
	})
}

// putNews puts packets by several callers, some as custody first.
func putNews(t *testing.T, s *sqlstore.Store, from, count int) {
	var group sync.WaitGroup
	const lanes = 10
	for lane := range lanes {
		group.Go(func() {
			for i := from + lane; i < from+count; i += lanes {
				if i%5 == 0 {
					if errs := s.Put(t.Context(), actions.NewRow(benchPacket(i), true)); errs != nil {
						t.Error(errs[0])
					}
				}
				if errs := s.Put(t.Context(), actions.NewRow(benchPacket(i), false)); errs != nil {
					t.Error(errs[0])
				}
			}
		})
	}
	group.Wait()
}

// The suite once more, by many at once on one database.
func TestStoreTogether(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	eachDatabase(t, func(t *testing.T, d *database) {
		var group sync.WaitGroup
		nodes := d.newNodes(t, 4, nil)
		for g := range 16 {
			group.Go(func() {
				s := nodes[g%len(nodes)]
				for i := range 25 {
					p := benchPacket(i)
					p.Key.To = fmt.Sprintf("user%d@capulet.example", g)
					other := p
					other.Key.ID += "b"
					put(t, s, p, other)
					put(t, nodes[(g+1)%len(nodes)], p)
					remove(t, nodes[(g+2)%len(nodes)], other)
					if stands, err := s.Stands(t.Context(), p.Identity(), other.Identity()); err != nil || !stands[0] || stands[1] {
						t.Errorf("Stands: %v, %v", stands, err)
					}
				}
				var want []cache.Packet
				for i := range 25 {
					p := benchPacket(i)
					p.Key.To = fmt.Sprintf("user%d@capulet.example", g)
					want = append(want, p)
				}
				wantRows(t, s, want[0].Key.To, want...)
			})
		}
		group.Wait()
	})
}

// underTrouble puts packets one by one, each as often as it takes, while trouble is made,
// and wants each to be there once, in order.
func underTrouble(t *testing.T, s *sqlstore.Store, trouble func()) {
	t.Helper()
	const lanes = 8
	var troubled atomic.Bool
	var group sync.WaitGroup
	put := make([][]cache.Packet, lanes)
	for lane := range lanes {
		group.Go(func() {
			for i := 0; i < 20 || !troubled.Load(); i++ {
				p := benchPacket(lane*100_000 + i)
				p.Key.To = fmt.Sprintf("user%d@capulet.example", lane)
				for s.Put(t.Context(), actions.NewRow(p, true)) != nil && t.Context().Err() == nil {
				}
				put[lane] = append(put[lane], p)
			}
		})
	}
	trouble()
	troubled.Store(true)
	group.Wait()
	for lane := range lanes {
		wantRows(t, s, put[lane][0].Key.To, put[lane]...)
	}
}

func TestBackendsAreTerminated(t *testing.T) {
	postgres.Need(t)
	d := &databases[1]
	db := d.newDB(t)
	s := d.openStore(t, db, nil)
	underTrouble(t, s, func() {
		for range 20 {
			var others int
			err := db.QueryRow(`SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()`).Scan(&others)
			if err == nil && others == 0 {
				put(t, s, packet(0))
			}
			time.Sleep(10 * time.Millisecond) // for commits to be under way
		}
	})
}

func TestPostgreSQLIsKilled(t *testing.T) {
	postgres.Need(t)
	own, err := postgres.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Stop()
	db := open(t, "pgx", own.DSN("public"))
	d := &databases[1]
	d.migrate(t, db)
	s := d.openStore(t, db, nil)
	underTrouble(t, s, func() {
		for range 2 {
			time.Sleep(50 * time.Millisecond) // for commits to be under way
			own.Kill()
			if err := own.Run(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
}
