// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
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

	packets map[identity]*packet
	boxes   map[string]*box
	order   []identity // of packets
}

// A packet is what is known of one identity, and what is to become of it.
type packet struct {
	stood   bool // a row was there
	stands  bool
	custody bool
	attempt int64
	marks   int64
	size    int64
	deleted int64 // when; 0: not that one knows
	insert  *entry
	number  int64 // of insert, or when it changed
	changed bool
	marked  bool // deleted is new
}

// A box is what a recipient has, and how that changes.
type box struct{ messages, bytes, moreMessages, moreBytes int64 }

func (b *box) add(size int64) {
	b.moreMessages++
	b.moreBytes += size
}

func (b *box) remove(size int64) {
	b.moreMessages--
	b.moreBytes -= size
}

func (t *transaction) run(entries []*entry) error {
	// The clock first: from now on no other transaction of a Store is under way, and what
	// those before have written is seen.
	count := int64(len(entries))
	if err := t.query(lockClock, 1, []any{count}, func(scan scanner) error { return scan(&t.clock) }); err != nil {
		return err
	}
	t.clock -= count
	if err := t.read(entries); err != nil {
		return err
	}
	for _, e := range entries {
		e.err = nil // of another try
		t.decide(e)
	}
	return t.write()
}

type scanner func(into ...any) error

// query runs a query and hands each of its rows over.
func (t *transaction) query(pattern string, entries int, args []any, each func(scanner) error) error {
	rows, err := t.QueryContext(t.ctx, t.store.texts.text(pattern, entries), args...)
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

const (
	readRows  = `SELECT identity, custody, attempt, marks, size FROM untilack_rows WHERE identity IN (@1)`
	readMarks = `SELECT identity, deleted FROM untilack_marks WHERE identity IN (@1)`
	readBoxes = `SELECT recipient, messages, bytes FROM untilack_boxes WHERE recipient IN (@1)`
)

// read reads what the database has of all entries.
func (t *transaction) read(entries []*entry) error {
	t.packets, t.boxes = make(map[identity]*packet), make(map[string]*box)
	for _, e := range entries {
		if t.packets[e.id] == nil {
			t.packets[e.id] = new(packet)
			t.order = append(t.order, e.id)
		}
		t.boxes[e.identity.To] = new(box)
	}
	if err := t.readKnown(); err != nil {
		return err
	}
	recipients := make([]any, 0, len(t.boxes))
	for recipient := range t.boxes {
		if isText(recipient) {
			recipients = append(recipients, recipient)
		}
	}
	if len(recipients) == 0 {
		return nil
	}
	recipients = padded(recipients)
	return t.query(readBoxes, len(recipients), recipients, func(scan scanner) error {
		var recipient string
		var messages, bytes int64
		if err := scan(&recipient, &messages, &bytes); err != nil {
			return err
		}
		*t.boxes[recipient] = box{messages: messages, bytes: bytes}
		return nil
	})
}

func (t *transaction) readKnown() error {
	ids := make([]any, 0, len(t.order))
	for i := range t.order {
		ids = append(ids, t.order[i][:])
	}
	ids = padded(ids)
	var id []byte
	err := t.query(readRows, len(ids), ids, func(scan scanner) error {
		var custody, attempt, marks, size int64
		if err := scan(&id, &custody, &attempt, &marks, &size); err != nil {
			return err
		}
		p := t.packets[identity(id)]
		p.stood, p.stands, p.custody = true, true, custody != 0
		p.attempt, p.marks, p.size = attempt, marks, size
		return nil
	})
	if err != nil {
		return err
	}
	return t.query(readMarks, len(ids), ids, func(scan scanner) error {
		var deleted int64
		if err := scan(&id, &deleted); err != nil {
			return err
		}
		if deleted > t.now-t.store.options.MarkTime.Microseconds() {
			t.packets[identity(id)].deleted = deleted
		}
		return nil
	})
}

// decide says what becomes of an entry.
func (t *transaction) decide(e *entry) {
	p, b := t.packets[e.id], t.boxes[e.identity.To]
	switch {
	case e.delete:
		if p.stands {
			b.remove(p.size)
		}
		p.stands, p.insert, p.changed = false, nil, false
		p.deleted, p.marked = t.now, true
	case p.stands:
		t.merge(p, &e.row)
	case p.deleted != 0 && micros(e.row.Packet.Received) < p.deleted:
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

func (t *transaction) insert(p *packet, b *box, e *entry) error {
	r, o := &e.row, &t.store.options
	if b.messages+b.moreMessages >= o.maxMessages() || b.bytes+b.moreBytes+e.size > o.maxBytes() {
		return actions.ErrQuota
	}
	b.add(e.size)
	t.clock++
	p.stands, p.insert, p.number, p.size = true, e, t.clock, e.size
	p.custody, p.attempt, p.marks = r.Custody, int64(r.Packet.Attempt), int64(r.Packet.Marks)
	return nil
}

// write writes what was decided.
func (t *transaction) write() error {
	var gone, marks, inserts []any
	var changes [][]any
	for i := range t.order {
		p := t.packets[t.order[i]]
		id := t.order[i][:]
		if p.stood && (!p.stands || p.insert != nil) {
			gone = append(gone, id)
		}
		if p.marked {
			marks = append(marks, id, p.deleted)
		}
		switch {
		case p.insert != nil:
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
	if err := t.execAll(upsertMarks, 2, marks); err != nil {
		return err
	}
	if err := t.execAll(insertRows, columns, inserts); err != nil {
		return err
	}
	return t.writeBoxes()
}

func (t *transaction) exec(pattern string, entries int, args []any) error {
	_, err := t.ExecContext(t.ctx, t.store.texts.text(pattern, entries), args...)
	return err
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

// writeBoxes writes how much each recipient has, always in the same order.
func (t *transaction) writeBoxes() error {
	var args []any
	for _, recipient := range slices.SortedFunc(maps.Keys(t.boxes), cmp.Compare[string]) {
		if b := t.boxes[recipient]; b.moreMessages != 0 || b.moreBytes != 0 {
			args = append(args, recipient, b.moreMessages, b.moreBytes)
		}
	}
	return t.execAll(upsertBoxes, 3, args)
}
