// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/untilack/untilack/cache"
)

// MemStoreOptions set up a MemStore.
type MemStoreOptions struct {
	// MaxMessages is how many rows are kept for one recipient. Defaults to
	// 10,000; below zero: none.
	MaxMessages int

	// MaxBytes is how many bytes are kept for one recipient: stanzas, addresses
	// and an estimate of what keeping them takes. Defaults to 64 MiB; below zero:
	// none.
	MaxBytes int64

	// TotalBytes is how many bytes are kept in all. Defaults to 1 GiB; below zero:
	// none.
	TotalBytes int64

	// Retention is how long after its reception Sweep leaves a row alone.
	// Defaults to no end.
	Retention time.Duration

	// MarkTime is how long a deletion is remembered; see Store. At most 65,536 of
	// them are. Defaults to 15 minutes.
	MarkTime time.Duration

	// Now returns the time of a deletion. Defaults to time.Now.
	Now func() time.Time
}

// A MemStore is a Store that holds memory only: the reference for all others,
// and all that a single server needs that may lose mail when it stops.
//
// The zero MemStore is ready to use, with the default options. It is safe for
// concurrent use, and must not be copied after its first use.
type MemStore struct {
	options MemStoreOptions

	mu    sync.Mutex
	clock uint64 // counts first puts and upgrades
	total Usage
	boxes map[string]*mailbox // by recipient; none is empty
	marks marks
}

var _ Store = (*MemStore)(nil)

// NewMemStore returns an empty store. If o is nil, the defaults are used.
func NewMemStore(o *MemStoreOptions) *MemStore {
	s := new(MemStore)
	if o != nil {
		s.options = *o
	}
	return s
}

// Volatile returns true: nothing outlives the process.
func (s *MemStore) Volatile() bool { return true }

// Put writes rows; see Store.
func (s *MemStore) Put(ctx context.Context, rows ...Row) []error {
	errs := make([]error, len(rows))
	failed := false
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range rows {
		errs[i] = ctx.Err()
		if errs[i] == nil {
			errs[i] = s.put(&rows[i])
		}
		failed = failed || errs[i] != nil
	}
	if !failed {
		return nil
	}
	return errs
}

func (s *MemStore) put(r *Row) error {
	id := r.Packet.Identity()
	box := s.boxes[id.To]
	if known := box.get(id); known != nil {
		s.merge(known, r)
		return nil
	}
	if s.marks.covers(id, r.Packet.Received) {
		return nil
	}
	size := sizeOf(r.Packet)
	if err := s.room(box.used(), size); err != nil {
		return err
	}
	s.clock++
	if box == nil {
		box = newMailbox()
		if s.boxes == nil {
			s.boxes = make(map[string]*mailbox)
		}
		s.boxes[id.To] = box
	}
	box.add(newSlot(r, s.clock, size))
	s.total.add(size)
	return nil
}

// merge takes over what a second put of the same packet may change.
func (s *MemStore) merge(known *slot, r *Row) {
	p := &known.row.Packet
	p.Attempt = max(p.Attempt, r.Packet.Attempt)
	p.Marks |= r.Packet.Marks
	if known.row.Custody && !r.Custody {
		known.row.Custody = false
		s.clock++
		known.changed = s.clock
	}
}

// room reports whether one more row of the size fits beside what its recipient
// has.
func (s *MemStore) room(box Usage, size int64) error {
	o := &s.options
	if box.Messages >= or(o.MaxMessages, 10_000) || box.Bytes+size > or(o.MaxBytes, 64<<20) {
		return ErrQuota
	}
	if s.total.Bytes+size > or(o.TotalBytes, 1<<30) {
		return ErrFull
	}
	return nil
}

// or returns value, or its default if it is zero.
func or[T int | int64 | time.Duration](value, byDefault T) T {
	if value == 0 {
		return byDefault
	}
	return value
}

// List returns rows of recipient; see Store.
func (s *MemStore) List(ctx context.Context, recipient string, after uint64, limit int) ([]Row, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slots := s.boxes[recipient].after(after)
	if limit <= 0 {
		limit = DefaultLimit
	}
	return copies(slots[:min(limit, len(slots))]), nil
}

// Delete removes rows; see Store.
func (s *MemStore) Delete(ctx context.Context, ids ...cache.Identity) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now
	if s.options.Now != nil {
		now = s.options.Now
	}
	at := now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks.expire(at.Add(-or(s.options.MarkTime, 15*time.Minute)))
	for _, id := range ids {
		s.marks.add(id, at)
		s.remove(id)
	}
	return nil
}

func (s *MemStore) remove(id cache.Identity) {
	box := s.boxes[id.To]
	known := box.get(id)
	if known == nil {
		return
	}
	box.remove(known)
	s.total.sub(known.size)
	if box.usage.Messages == 0 {
		delete(s.boxes, id.To)
	}
}

// Stands reports which of ids are there; see Store.
func (s *MemStore) Stands(ctx context.Context, ids ...cache.Identity) ([]bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stands := make([]bool, len(ids))
	for i, id := range ids {
		stands[i] = s.boxes[id.To].get(id) != nil
	}
	return stands, nil
}

// News returns what is new for recipients; see Store.
func (s *MemStore) News(ctx context.Context, recipients []string, since string, limit int) ([]Row, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, since, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	after, err := s.read(since)
	if err != nil {
		return nil, since, err
	}
	if limit <= 0 {
		limit = DefaultLimit
	}
	slots := s.changed(recipients, after)
	if len(slots) <= limit {
		return copies(slots), strconv.FormatUint(s.clock, 10), nil
	}
	slots = slots[:limit]
	return copies(slots), strconv.FormatUint(slots[limit-1].changed, 10), nil
}

// read returns the time of a mark on the store's clock.
func (s *MemStore) read(mark string) (uint64, error) {
	if mark == "" {
		return s.clock, nil
	}
	after, err := strconv.ParseUint(mark, 10, 64)
	if err != nil || after > s.clock {
		return 0, ErrMark
	}
	return after, nil
}

// changed returns what happened to the recipients' rows after a time on the
// store's clock, in order.
func (s *MemStore) changed(recipients []string, after uint64) []*slot {
	var slots []*slot
	seen := make(map[string]bool, len(recipients))
	for _, recipient := range recipients {
		if seen[recipient] {
			continue
		}
		seen[recipient] = true
		slots = s.boxes[recipient].appendChanged(slots, after)
	}
	slices.SortFunc(slots, func(a, b *slot) int { return cmp.Compare(a.changed, b.changed) })
	return slots
}

// Sweep removes the rows that have expired, and those that are older than the
// retention. It returns how many it removed. Its time is that of now.
func (s *MemStore) Sweep(now time.Time) int {
	oldest := now.Add(-s.options.Retention)
	s.mu.Lock()
	defer s.mu.Unlock()
	swept := 0
	for _, box := range s.boxes {
		for _, known := range slices.Clone(box.slots) {
			p := &known.row.Packet
			expired := !p.Expires.IsZero() && !now.Before(p.Expires)
			aged := s.options.Retention > 0 && p.Received.Before(oldest)
			if expired || aged {
				s.remove(p.Identity())
				swept++
			}
		}
	}
	return swept
}

// Used returns what is kept for recipient.
func (s *MemStore) Used(recipient string) Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.boxes[recipient].used()
}

// Total returns what is kept in all.
func (s *MemStore) Total() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}
