// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// A transaction is one commit in the making, of entries that may be of any kind: what the
// database has is read at its beginning, what is to become of it decided here, and written
// at the end.
type transaction struct {
	*sql.Tx
	ctx   context.Context
	store *Store
	now   int64
	clock int64 // the last number that was given

	packets  map[identity]*packet
	boxes    map[string]*amount // what recipients of rows have; see readBoxes
	order    []identity         // of packets
	prepared map[statement]*sql.Stmt
}

func (s *Store) newTransaction(ctx context.Context, tx *sql.Tx) *transaction {
	return &transaction{
		Tx: tx, ctx: ctx, store: s, now: micros(s.options.Now()),
		packets: make(map[identity]*packet), boxes: make(map[string]*amount), prepared: make(map[statement]*sql.Stmt),
	}
}

// A packet is what is known of one identity, and what is to become of it.
type packet struct {
	stood   bool // a row was there
	stands  bool
	custody bool
	attempt int64
	marks   int64
	size    int64
	deleted int64 // when; 0: not that one knows; see entry too
	insert  *entry
	number  int64 // of insert, or when it changed
	changed bool
	marked  bool // deleted is new
}

func (t *transaction) run(entries []*entry) error {
	// The clock first: from now on no other transaction of a Store is under way, and what
	// those before have written is seen.
	clock, err := t.lock(int64(len(entries) + 1)) // and a mark
	if err != nil {
		return err
	}
	t.store.quotas.see(clock)
	if err := t.read(entries); err != nil {
		return err
	}
	for _, e := range entries {
		e.err = nil // of another try
		t.decide(e)
	}
	return t.write()
}

// lock has no other transaction of a Store go on, and sets t.clock to the last number that was
// given. There have to be so many more. It returns what the clock shows.
func (t *transaction) lock(count int64) (before amount, err error) {
	err = t.query(lockClock, 1, []any{count}, func(scan scanner) error { return scan(&before.messages, &before.bytes) })
	before.messages -= count
	t.clock = before.messages
	return before, err
}

// statement returns a prepared statement, or nil if it is not.
func (t *transaction) statement(pattern string, entries int) *sql.Stmt {
	key := statement{pattern, entries}
	if stmt, ok := t.prepared[key]; ok {
		return stmt
	}
	stmt := t.store.prepared[key]
	if stmt != nil {
		stmt = t.StmtContext(t.ctx, stmt)
	}
	t.prepared[key] = stmt
	return stmt
}

type scanner func(into ...any) error

// query runs a query and hands each of its rows over.
func (t *transaction) query(pattern string, entries int, args []any, each func(scanner) error) error {
	var rows *sql.Rows
	var err error
	if stmt := t.statement(pattern, entries); stmt != nil {
		rows, err = stmt.QueryContext(t.ctx, args...)
	} else {
		rows, err = t.QueryContext(t.ctx, t.store.texts.text(pattern, entries), args...)
	}
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

const readRows = `SELECT identity, custody, attempt, marks, size FROM untilack_rows WHERE identity IN (@1)`

// read reads what the database has of all entries.
func (t *transaction) read(entries []*entry) error {
	var puts []*entry
	for _, e := range entries {
		if t.packets[e.id] == nil {
			t.packets[e.id] = new(packet)
			t.order = append(t.order, e.id)
		}
		if !e.delete {
			puts = append(puts, e)
		}
	}
	if err := t.readKnown(); err != nil {
		return err
	}
	if err := t.readMarks(sinceOf(puts, t.now-t.store.options.MarkTime.Microseconds())); err != nil {
		return err
	}
	return t.readBoxes(puts)
}

// readBoxes finds out what recipients have who may get more. Who is known to have room for all
// of that is not counted, and takes it as if they had nothing. Nor is who is known to have no
// room for any row, and has no box.
func (t *transaction) readBoxes(puts []*entry) error {
	quotas, more := t.store.quotas, sizesOf(puts)
	for _, e := range puts {
		if !quotas.full.refusesPut(e) {
			t.boxes[e.identity.To] = new(amount)
		}
	}
	unknown := slices.DeleteFunc(quotas.unknown(more), func(recipient string) bool { return t.boxes[recipient] == nil })
	has, err := count(t.query, unknown)
	if err != nil {
		return err
	}
	for _, recipient := range unknown {
		*t.boxes[recipient] = has[recipient]
		quotas.learn(recipient, has[recipient], more[recipient])
	}
	return nil
}

func (t *transaction) readKnown() error {
	ids := make([]any, 0, len(t.order))
	for i := range t.order {
		ids = append(ids, t.order[i][:])
	}
	ids = padded(ids)
	var id []byte
	return t.query(readRows, len(ids), ids, func(scan scanner) error {
		var custody, attempt, marks, size int64
		if err := scan(&id, &custody, &attempt, &marks, &size); err != nil {
			return err
		}
		p := t.packets[identity(id)]
		p.stood, p.stands, p.custody = true, true, custody != 0
		p.attempt, p.marks, p.size = attempt, marks, size
		return nil
	})
}

// readMarks reads when packets were deleted.
func (t *transaction) readMarks(from since) error {
	return t.query(readMarks, 1, []any{from.deleted, from.number}, func(scan scanner) error {
		var deleted int64
		var identities sql.RawBytes
		err := scan(&deleted, &identities)
		eachIdentity(identities, func(id identity) {
			if p := t.packets[id]; p != nil {
				p.deleted = max(p.deleted, deleted)
			}
		})
		return err
	})
}

// decide says what becomes of an entry.
func (t *transaction) decide(e *entry) {
	p, b := t.packets[e.id], t.boxes[e.identity.To]
	switch {
	case e.delete:
		if p.stands && b != nil {
			*b = b.minus(amount{1, p.size})
		}
		p.stands, p.insert, p.changed = false, nil, false
		p.deleted, p.marked = t.now, true
	case p.stands:
		t.merge(p, &e.row)
	case e.isLate(max(p.deleted, e.deleted)):
		// It is settled already: see actions.Store.
	default:
		e.err = t.insert(p, b, e)
	}
}

// merge takes over what a second put of the same packet may change.
func (t *transaction) merge(p *packet, r *actions.Row) {
	attempt, marks := max(p.attempt, int64(r.Packet.Attempt)), p.marks|int64(r.Packet.Marks)
	upgraded := p.custody && !r.Custody
	if attempt == p.attempt && marks == p.marks && !upgraded {
		return
	}
	p.attempt, p.marks, p.custody = attempt, marks, p.custody && r.Custody
	if p.insert != nil { // it is news already, and keeps its place
		row := &p.insert.row
		row.Packet.Attempt, row.Packet.Marks, row.Custody = int(attempt), cache.Marks(marks), p.custody
		return
	}
	p.changed = true
	if upgraded {
		t.clock++
		p.number = t.clock
	}
}

func (t *transaction) insert(p *packet, b *amount, e *entry) error {
	if b == nil || !b.plus(e.amount()).within(t.store.options.most()) {
		return actions.ErrQuota
	}
	*b = b.plus(e.amount())
	r := &e.row
	t.clock++
	p.stands, p.insert, p.number, p.size = true, e, t.clock, e.size
	p.custody, p.attempt, p.marks = r.Custody, int64(r.Packet.Attempt), int64(r.Packet.Marks)
	return nil
}

// write writes what was decided.
func (t *transaction) write() error {
	var bytes int64
	var gone, inserts []any
	var marked []identity
	var changes [][]any
	for i := range t.order {
		p := t.packets[t.order[i]]
		id := t.order[i][:]
		if p.stood && (!p.stands || p.insert != nil) {
			gone = append(gone, id)
		}
		if p.marked {
			marked = append(marked, t.order[i])
		}
		switch {
		case p.insert != nil:
			bytes += p.size
			inserts = append(append(inserts, p.number), p.insert.values()...)
		case p.changed:
			changes = append(changes, []any{p.attempt, p.marks, asInt(p.custody), p.number, id})
		}
	}
	if len(gone) > 0 {
		gone = padded(gone)
		if err := t.exec(deleteRows, len(gone), gone); err != nil {
			return err
		}
	}
	for _, change := range changes {
		if err := t.change(change); err != nil {
			return err
		}
	}
	if len(marked) > 0 {
		t.clock++
		if err := t.exec(insertMark, 1, []any{t.clock, t.now, joined(marked)}); err != nil {
			return err
		}
	}
	if err := t.execAll(insertRows, columns, inserts); err != nil {
		return err
	}
	return t.exec(setClock, 1, []any{t.clock, bytes})
}

func (t *transaction) exec(pattern string, entries int, args []any) error {
	_, err := t.execCount(pattern, entries, args)
	return err
}

// execCount returns how many rows a statement has changed.
func (t *transaction) execCount(pattern string, entries int, args []any) (int64, error) {
	var result sql.Result
	var err error
	if stmt := t.statement(pattern, entries); stmt != nil {
		result, err = stmt.ExecContext(t.ctx, args...)
	} else {
		result, err = t.ExecContext(t.ctx, t.store.texts.text(pattern, entries), args...)
	}
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// change updates a row, which keeps the time of its last change if it did not become mail.
func (t *transaction) change(args []any) error {
	if number := args[3].(int64); number != 0 {
		return t.exec(updateRow, 1, args)
	}
	return t.exec(updateRowOnly, 1, append(args[:3:3], args[4]))
}

const updateRowOnly = `UPDATE untilack_rows SET attempt = #1, marks = #2, custody = #3 WHERE identity = #4`

// execAll runs a statement for tuples of so many columns, in statements of a few lengths.
func (t *transaction) execAll(pattern string, columns int, args []any) error {
	for len(args) > 0 {
		tuples := min(len(args)/columns, t.store.dialect.mostTuples())
		if lengthFor(tuples) != tuples {
			tuples = lengthFor(tuples) / 2
		}
		if err := t.exec(pattern, tuples, args[:tuples*columns]); err != nil {
			return err
		}
		args = args[tuples*columns:]
	}
	return nil
}
