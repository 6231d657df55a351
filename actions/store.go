// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions

import (
	"context"
	"iter"

	"github.com/untilack/untilack/cache"
)

// DefaultLimit is how many rows List and News give at most if they are asked
// for none or fewer.
const DefaultLimit = 256

// A Row is one packet in a Store.
//
// Of the packet a store keeps Key, Sum, Resource, Marks, Received, Expires,
// Attempt and Stanza. Seq and Copies belong to one cache; they come back as
// zero. Times come back as the same instant to the microsecond at least, and a
// zero time as a zero time.
type Row struct {
	Packet cache.Packet

	// Number is given by the store. For one recipient it grows in the order in
	// which rows were first put, and it is never given twice.
	Number uint64

	// Custody says that the row is a copy against a crash: it may go only where
	// the message itself may. Otherwise it is offline mail, for whoever logs in
	// next.
	Custody bool
}

// NewRow returns a row of p to be put, without what only the cache knows.
func NewRow(p cache.Packet, custody bool) Row {
	p.Seq, p.Copies = 0, nil
	p.Marks &^= cache.Stored | cache.Parked | cache.Held
	return Row{Packet: p, Custody: custody}
}

// A Putter takes rows. It is the part of a Store that Offline needs.
type Putter interface {
	// Put writes rows. It returns nil if all were accepted, or one error for each
	// row, in order, nil for those that were. See Store.
	Put(ctx context.Context, rows ...Row) []error
}

// A Store is where packets sleep. Rows leave it by Delete alone: a server sends
// first and deletes when the receipt came, so that a crash in between costs a
// duplicate and not a message.
//
// All methods must be safe for concurrent use, also by several processes if
// they share the store, and must honour ctx. What a method with an error did is
// unknown: it may have been done. All of them can be called again.
//
// A store that keeps rows in memory only says so by a method Volatile() bool;
// see Lasting. The package actionstest checks all of this.
type Store interface {
	// Put writes rows. It returns nil if all were accepted, or one error for each
	// row, in order, nil for those that were. What was accepted is as durable as
	// the store promises, and owns its bytes.
	//
	// A packet is put once: a second Put of the same identity keeps the row, its
	// number, its times and its stanza. It takes over the higher Attempt, adds its
	// Marks, and makes offline mail of a custody row; mail is never made custody
	// again. It needs no quota.
	//
	// A row is accepted and forgotten if its identity was deleted a short while
	// ago, and the packet was Received before that. So a Put that was overtaken by
	// a receipt, perhaps on another node, does not bring a settled message back,
	// and the same message sent once more afterwards is a new one. The price: a
	// second copy of the very same bytes that reached the server before the first
	// was deleted is taken for the first, and the recipient had that one.
	//
	// ErrQuota is returned for a row whose recipient has no quota left, both kinds
	// of rows counted, and ErrFull if the store has no room at all.
	Put(ctx context.Context, rows ...Row) []error

	// List returns the rows of recipient, a bare address, whose number is greater
	// than after, in order of number, at most limit of them. It never removes.
	// Rows of both kinds are listed, expired ones too. A reader who pages on from
	// the last number misses no row, however much is put meanwhile.
	List(ctx context.Context, recipient string, after uint64, limit int) ([]Row, error)

	// Delete removes rows. An absent one is no error: see Put for what is
	// remembered of it.
	Delete(ctx context.Context, ids ...cache.Identity) error

	// Stands reports for each of ids, in order, whether its row is there.
	Stands(ctx context.Context, ids ...cache.Identity) ([]bool, error)

	// News returns the rows of recipients that came after the mark since, or have
	// become offline mail after it, at most limit of them, in the order in which
	// that happened, and the mark to go on from. A row may be returned again, and
	// none is missed, however much is put meanwhile; deleted rows are not
	// returned. With limit rows there may be more at once.
	//
	// The mark "" stands for now: it gives no rows. A mark is opaque, and means the
	// same to every node that shares the store. One that the store can not read is
	// ErrMark.
	News(ctx context.Context, recipients []string, since string, limit int) (rows []Row, mark string, err error)
}

// Lasting reports whether what s keeps outlives the process. It does unless s
// has a method Volatile() bool that returns true.
func Lasting(s Putter) bool {
	v, ok := s.(interface{ Volatile() bool })
	return !ok || !v.Volatile()
}

// PutFunc makes a Putter of a function that writes one row, which is how a
// host's own offline storage is used with Offline.
type PutFunc func(ctx context.Context, r Row) error

// Put calls f for each row.
func (f PutFunc) Put(ctx context.Context, rows ...Row) []error {
	errs := make([]error, len(rows))
	for i, r := range rows {
		errs[i] = f(ctx, r)
	}
	return errs
}

// All returns all rows of recipient in order of number, read page by page.
// It stops after the first error. Rows may be deleted on the way.
func All(ctx context.Context, s Store, recipient string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var after uint64
		for {
			rows, err := s.List(ctx, recipient, after, DefaultLimit)
			if err != nil {
				yield(Row{}, err)
				return
			}
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
				after = r.Number
			}
			if len(rows) == 0 {
				return
			}
		}
	}
}

// Purge deletes all rows of recipient for which match returns true, or all of
// them if match is nil: for accounts that were closed and senders who were
// blocked. It returns how many it deleted.
func Purge(ctx context.Context, s Store, recipient string, match func(Row) bool) (int, error) {
	deleted := 0
	for r, err := range All(ctx, s, recipient) {
		if err != nil {
			return deleted, err
		}
		if match != nil && !match(r) {
			continue
		}
		if err := s.Delete(ctx, r.Packet.Identity()); err != nil {
			return deleted, err
		}
		deleted++
	}
	return deleted, nil
}

// putOne writes one row.
func putOne(ctx context.Context, s Putter, r Row) error {
	errs := s.Put(ctx, r)
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}
