// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"context"
	"slices"
	"sync"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// An Op is a method of a Store.
type Op string

// The methods of a Store.
const (
	Put    Op = "Put"
	List   Op = "List"
	Delete Op = "Delete"
	Stands Op = "Stands"
	News   Op = "News"
)

// A Fault is what goes wrong with one call, or with all, of a FaultyStore.
type Fault struct {
	Op  Op  // which method; "" means any
	Nth int // which of its calls, from 1, or of all calls if Op is ""; 0 means each

	// Err is returned instead of doing the call; by Put for each row. If it is
	// nil, the call is done.
	Err error

	// Lie makes the call happen, and returns Err all the same: the commit went
	// through and its answer was lost.
	Lie bool

	// Wait is waited for before anything else, or until the context ends, whose
	// error is then returned. Default: nothing is.
	Wait <-chan struct{}

	// Deaf makes the wait go on beyond the context's end, and gives the store a
	// context without one: a call that was given up goes through later.
	Deaf bool
}

// A FaultyStore is a Store around another one, with faults. The first fault
// that fits a call happens to it. It is safe for concurrent use.
type FaultyStore struct {
	Store actions.Store

	mu     sync.Mutex
	faults []Fault
	calls  map[Op]int
}

var _ actions.Store = (*FaultyStore)(nil)

// NewFaultyStore returns a store around s to which the faults happen.
func NewFaultyStore(s actions.Store, faults ...Fault) *FaultyStore {
	return &FaultyStore{Store: s, faults: faults}
}

// Set replaces the faults. The calls are not counted anew.
func (s *FaultyStore) Set(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.Clone(faults)
}

// Calls returns how many calls of op there were, or of all methods if op is "".
func (s *FaultyStore) Calls(op Op) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

// Volatile reports whether the store inside is.
func (s *FaultyStore) Volatile() bool { return !actions.Lasting(s.Store) }

// fault counts a call and returns what happens to it.
func (s *FaultyStore) fault(op Op) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls = make(map[Op]int)
	}
	s.calls[op]++
	s.calls[""]++
	for _, f := range s.faults {
		if (f.Op == "" || f.Op == op) && (f.Nth == 0 || f.Nth == s.calls[f.Op]) {
			return f
		}
	}
	return Fault{}
}

// do makes a call happen, or not, and returns the error of it.
func (s *FaultyStore) do(ctx context.Context, op Op, call func(ctx context.Context) error) error {
	f := s.fault(op)
	if err := wait(ctx, f.Wait, f.Deaf); err != nil {
		return err
	}
	if f.Deaf {
		ctx = context.WithoutCancel(ctx)
	}
	if f.Err != nil && !f.Lie {
		return f.Err
	}
	if err := call(ctx); err != nil {
		return err
	}
	return f.Err
}

// Put puts rows, if no fault happens.
func (s *FaultyStore) Put(ctx context.Context, rows ...actions.Row) []error {
	var errs []error
	err := s.do(ctx, Put, func(ctx context.Context) error {
		errs = s.Store.Put(ctx, rows...)
		return nil
	})
	if err == nil {
		return errs
	}
	return slices.Repeat([]error{err}, len(rows))
}

// List lists rows, if no fault happens.
func (s *FaultyStore) List(ctx context.Context, recipient string, after uint64, limit int) (rows []actions.Row, err error) {
	err = s.do(ctx, List, func(ctx context.Context) (err error) {
		rows, err = s.Store.List(ctx, recipient, after, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// Delete deletes rows, if no fault happens.
func (s *FaultyStore) Delete(ctx context.Context, ids ...cache.Identity) error {
	return s.do(ctx, Delete, func(ctx context.Context) error {
		return s.Store.Delete(ctx, ids...)
	})
}

// Stands looks for rows, if no fault happens.
func (s *FaultyStore) Stands(ctx context.Context, ids ...cache.Identity) (stands []bool, err error) {
	err = s.do(ctx, Stands, func(ctx context.Context) (err error) {
		stands, err = s.Store.Stands(ctx, ids...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return stands, nil
}

// News returns what is new, if no fault happens.
func (s *FaultyStore) News(ctx context.Context, recipients []string, since string, limit int) (rows []actions.Row, mark string, err error) {
	err = s.do(ctx, News, func(ctx context.Context) (err error) {
		rows, mark, err = s.Store.News(ctx, recipients, since, limit)
		return err
	})
	if err != nil {
		return nil, since, err
	}
	return rows, mark, nil
}
