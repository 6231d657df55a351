// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/cache"
)

// Each benchmark measures three things by turns, and reports what one message takes, in
// µs, as medians of the rounds:
//
//	store  a Store, with so many senders who wait for each message
//	bare   one goroutine that writes the same rows into the same table and indexes, in
//	       commits of so many, by the fastest plain statement: no quotas
//	disk   the same bytes appended to a file, with an fdatasync for so many
//
// The metric bare/store is the median of the rounds' ratios: 1 is as fast as the bare engine.

func BenchmarkStorePut(b *testing.B) { benchmarkStore(b, false) }

func BenchmarkStorePutDelete(b *testing.B) { benchmarkStore(b, true) }

func benchmarkStore(b *testing.B, remove bool) {
	for i := range databases {
		for _, senders := range []int{128, 1} {
			b.Run(fmt.Sprintf("%s/senders=%d", databases[i].name, senders), func(b *testing.B) {
				measure(b, &databases[i], senders, remove)
			})
		}
	}
}

const benchRecipients = 1000

// BenchmarkStoreSweep measures what it takes to forget a deletion, of those that 128 senders
// made.
func BenchmarkStoreSweep(b *testing.B) {
	for i := range databases {
		b.Run(databases[i].name, func(b *testing.B) {
			now, made := time.Now(), 0
			s := databases[i].newStore(b, &sqlstore.Options{Now: func() time.Time { return now }})
			var spent []float64
			for b.Loop() {
				packets := make([]cache.Packet, 128*100)
				for i := range packets {
					packets[i] = benchPacket(made)
					made++
				}
				deleteAll(b, s, packets, 128)
				now = now.Add(time.Hour)
				spent = append(spent, perMessage(len(packets), func() {
					if _, err := s.Sweep(b.Context(), now); err != nil {
						b.Fatal(err)
					}
				}))
			}
			b.ReportMetric(median(spent), "µs/mark")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func deleteAll(b *testing.B, s *sqlstore.Store, packets []cache.Packet, senders int) {
	var group sync.WaitGroup
	for part := range slices.Chunk(packets, len(packets)/senders) {
		group.Go(func() {
			for _, p := range part {
				if err := s.Delete(context.Background(), p.Identity()); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// BenchmarkStoreOld measures what it takes to put 128 packets that were received before a
// million deletions.
func BenchmarkStoreOld(b *testing.B) {
	for i := range databases {
		b.Run(databases[i].name, func(b *testing.B) {
			db, received, made := databases[i].newDB(b), time.Now().Add(-time.Minute), 0
			fillMarks(b, db, received.UnixMicro()+1)
			s := databases[i].openStore(b, db, nil)
			var spent []float64
			for b.Loop() {
				var rows []actions.Row
				for range 128 {
					p := benchPacket(made)
					p.Received = received
					rows = append(rows, actions.NewRow(p, false))
					made++
				}
				spent = append(spent, perMessage(1, func() {
					if errs := s.Put(b.Context(), rows...); errs != nil {
						b.Fatal(errs)
					}
				})/1000)
			}
			b.ReportMetric(median(spent), "ms/128")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkStoreFull measures what it takes to refuse a row for a recipient who has 10,000.
func BenchmarkStoreFull(b *testing.B) {
	for i := range databases {
		b.Run(databases[i].name, func(b *testing.B) {
			const messages = 10_000
			s := databases[i].newStore(b, &sqlstore.Options{MaxMessages: messages})
			var rows []actions.Row
			for _, p := range packets(messages + 1) {
				rows = append(rows, actions.NewRow(p, false))
			}
			if errs := s.Put(b.Context(), rows[:messages]...); errs != nil {
				b.Fatal(errs)
			}
			var spent []float64
			for b.Loop() {
				spent = append(spent, perMessage(1, func() {
					rows[messages].Packet.Received = time.Now()
					if errs := s.Put(b.Context(), rows[messages]); len(errs) != 1 || !errors.Is(errs[0], actions.ErrQuota) {
						b.Fatal(errs)
					}
				})/1000)
			}
			b.ReportMetric(median(spent), "ms/refusal")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// fillMarks writes a million deletions in commits of 100.
func fillMarks(b *testing.B, db *sql.DB, deleted int64) {
	tx, err := db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	const commits = 10_000
	for number := range commits {
		var identities []byte
		for i := range 100 {
			sum := sha256.Sum256(fmt.Append(nil, number, i))
			identities = append(identities, sum[:20]...)
		}
		if _, err := tx.Exec(`INSERT INTO untilack_marks (number, deleted, identities) VALUES ($1, $2, $3)`, number+1, deleted, identities); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := tx.Exec(`UPDATE untilack_clock SET value = $1`, commits); err != nil {
		b.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

// measure runs rounds of the three.
func measure(b *testing.B, d *database, senders int, remove bool) {
	store, disk := d.newStore(b, nil), newDisk(b)
	engine := newEngine(b, d, senders)
	messages := 40 * senders
	if senders == 1 {
		messages = 400
	}
	spent := make(map[string][]float64)
	made := 0
	for round := 0; b.Loop(); round++ {
		packets := make([]cache.Packet, messages)
		for i := range packets {
			packets[i] = benchPacket(made)
			made++
		}
		took := map[string]float64{
			"bare-µs":  perMessage(messages, func() { engine.write(packets, senders, remove) }),
			"store-µs": perMessage(messages, func() { putAll(b, store, packets, senders, remove) }),
			"disk-µs":  perMessage(messages, func() { disk.write(packets, senders) }),
		}
		took["bare/store"] = took["bare-µs"] / took["store-µs"]
		if round == 0 { // it prepares statements
			continue
		}
		for name, value := range took {
			spent[name] = append(spent[name], value)
		}
	}
	for name, values := range spent {
		b.ReportMetric(median(values), name)
	}
	b.ReportMetric(0, "ns/op")
}

func perMessage(messages int, do func()) float64 {
	start := time.Now()
	do()
	return float64(time.Since(start).Microseconds()) / float64(messages)
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// benchPacket returns a packet whose stanza has 400 bytes.
func benchPacket(number int) cache.Packet {
	id := fmt.Sprintf("id-%d", number)
	p := cache.Packet{
		Key: cache.Key{
			To:   fmt.Sprintf("user%d@capulet.example", number*7919%benchRecipients),
			From: fmt.Sprintf("user%d@montague.example/orchard", number%128),
			ID:   id,
		},
		Sum: uint64(number), Resource: "balcony", Received: time.Now(),
	}
	text := fmt.Sprintf(`<message to='%s/balcony' from='%s' id='%s' type='chat'><body>`, p.Key.To, p.Key.From, id)
	const end = `</body><request xmlns='urn:xmpp:receipts'/></message>`
	p.Stanza = []byte(text + strings.Repeat("o", max(0, 400-len(text)-len(end))) + end)
	return p
}

// putAll has senders put packets, each its part one after the other.
func putAll(b *testing.B, s *sqlstore.Store, packets []cache.Packet, senders int, remove bool) {
	var group sync.WaitGroup
	for part := range slices.Chunk(packets, len(packets)/senders) {
		group.Go(func() {
			for _, p := range part {
				p.Received = time.Now()
				if errs := s.Put(context.Background(), actions.NewRow(p, true)); errs != nil {
					b.Error(errs[0])
				}
				if !remove {
					continue
				}
				if err := s.Delete(context.Background(), p.Identity()); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// An engine is a database and nothing around it. Its statements are of many rows in
// PostgreSQL and of one in SQLite: that is the fastest in each.
type engine struct {
	b              *testing.B
	db             *sql.DB
	d              *database
	insert, delete *sql.Stmt
	number         int64
}

func newEngine(b *testing.B, d *database, many int) *engine {
	e := &engine{b: b, db: d.newDB(b), d: d}
	if d.dialect == sqlstore.SQLite {
		many = 1
	}
	e.insert = e.prepare(`INSERT INTO untilack_rows (number, identity, recipient, sender, message, sum, resource, marks, ` +
		`custody, received, expires, attempt, size, stanza) VALUES ` + tuples(many, 14))
	e.delete = e.prepare(`DELETE FROM untilack_rows WHERE identity IN ` + tuples(1, many))
	return e
}

// tuples returns so many tuples of parameters.
func tuples(count, columns int) string {
	var b strings.Builder
	for i := range count * columns {
		switch {
		case i == 0:
			b.WriteString("(")
		case i%columns == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", i+1)
	}
	return b.String() + ")"
}

func (e *engine) prepare(text string) *sql.Stmt {
	statement, err := e.db.Prepare(text)
	if err != nil {
		e.b.Fatal(err)
	}
	return statement
}

// write writes packets, so many in a commit, and removes them in another.
func (e *engine) write(packets []cache.Packet, many int, remove bool) {
	for part := range slices.Chunk(packets, many) {
		var rows, ids []any
		for i := range part {
			e.number++
			sum := sha256.Sum256(fmt.Append(nil, part[i].Identity()))
			id := sum[:20]
			rows, ids = append(rows, e.row(&part[i], id)...), append(ids, id)
		}
		e.commit(e.insert, rows, 14)
		if remove {
			e.commit(e.delete, ids, 1)
		}
	}
}

func (e *engine) row(p *cache.Packet, id []byte) []any {
	return []any{
		e.number, id, p.Key.To, p.Key.From, p.Key.ID, int64(p.Sum), p.Resource, int64(p.Marks),
		int64(1), p.Received.UnixMicro(), nil, int64(p.Attempt), int64(len(p.Stanza)), p.Stanza,
	}
}

// commit writes rows of so many columns in one transaction: a statement alone is one.
func (e *engine) commit(statement *sql.Stmt, args []any, columns int) {
	if e.d.dialect == sqlstore.PostgreSQL || len(args) == columns {
		e.exec(statement, args)
		return
	}
	tx, err := e.db.Begin()
	if err != nil {
		e.b.Fatal(err)
	}
	statement = tx.Stmt(statement)
	for args := range slices.Chunk(args, columns) {
		e.exec(statement, args)
	}
	if err := tx.Commit(); err != nil {
		e.b.Fatal(err)
	}
}

func (e *engine) exec(statement *sql.Stmt, args []any) {
	if _, err := statement.Exec(args...); err != nil {
		e.b.Fatal(err)
	}
}

// A disk is a file that grows.
type disk struct {
	b    *testing.B
	file *os.File
}

func newDisk(b *testing.B) *disk {
	file, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { file.Close() })
	return &disk{b, file}
}

func (d *disk) write(packets []cache.Packet, many int) {
	for part := range slices.Chunk(packets, many) {
		var all bytes.Buffer
		for i := range part {
			all.Write(part[i].Stanza)
		}
		if _, err := d.file.Write(all.Bytes()); err != nil {
			d.b.Fatal(err)
		}
		if err := datasync(d.file); err != nil {
			d.b.Fatal(err)
		}
	}
}
