// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// ErrStoreDown is the error of a call of the store that was not made, because those
// before it have failed.
var ErrStoreDown = errors.New("untilack: store is down")

// breakAfter is after how many failures in a row the store counts as down. One that takes
// too long does so at once.
const breakAfter = 3

// A breaker keeps calls away from a store that is down, so that nobody waits for one after
// the other: but for one every RetryWait, which tries whether it is back.
type breaker struct {
	mu       sync.Mutex
	failures int       // in a row
	next     time.Time // when the next call is a trial, if the store is down
	trying   bool
	down     atomic.Bool // the same as failures, to be read without the lock
}

// A breakerState says what becomes of a call.
type breakerState uint8

const (
	breakerClosed   breakerState = iota // it is made
	breakerHalfOpen                     // it is made, and shows whether the store is back
	breakerOpen                         // it is not
)

func (b *breaker) enter(now time.Time) breakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failures < breakAfter:
		return breakerClosed
	case b.trying || now.Before(b.next):
		return breakerOpen
	}
	b.trying = true
	return breakerHalfOpen
}

// leave takes note of what came of a call that was made, and reports whether the store is
// down now and was not before, or the other way about. That a caller has gone says nothing.
func (b *breaker) leave(now time.Time, wait time.Duration, err, gone error) (down, back bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
	wasDown := b.failures >= breakAfter
	if gone != nil {
		return false, false
	}
	defer func() { b.down.Store(b.failures >= breakAfter) }()
	if !isTrouble(err) {
		b.failures = 0
		return false, wasDown
	}
	b.failures++
	if errors.Is(err, ErrOverran) || errors.Is(err, context.DeadlineExceeded) {
		b.failures = max(b.failures, breakAfter)
	}
	b.next = now.Add(wait)
	return b.failures >= breakAfter && !wasDown, false
}

// isTrouble reports whether an error says that the store does not work. That it has no
// room for a recipient does not.
func isTrouble(err error) bool {
	return err != nil && !errors.Is(err, actions.ErrQuota) && !errors.Is(err, actions.ErrMark) &&
		!actions.IsPermanent(err)
}

// callStore makes a call of the store within its time limit, unless that is down.
func (k *Keeper) callStore(ctx context.Context, c callee, call func(context.Context) Result) Result {
	if k.breaker.enter(time.Now()) == breakerOpen {
		return Result{Err: ErrStoreDown}
	}
	r := k.limited(ctx, c, k.config.ActionTimeout, call)
	k.called(ctx, r)
	return r
}

// putNow puts rows while a session waits for it, unless the store is down: no session waits
// to try that.
func (k *Keeper) putNow(ctx context.Context, c callee, rows []actions.Row) Result {
	if k.breaker.down.Load() {
		return Result{Err: ErrStoreDown}
	}
	r := k.limited(ctx, c, k.config.ActionTimeout, func(ctx context.Context) Result {
		return Result{Errs: k.config.Store.Put(ctx, rows...)}
	})
	k.called(ctx, r)
	return r
}

// called takes note of what came of a call of the store. When that is back, what waits in
// memory alone is put into it.
func (k *Keeper) called(ctx context.Context, r Result) {
	err := r.Err
	for _, e := range r.Errs {
		if err == nil && isTrouble(e) {
			err = e
		}
	}
	gone := ctx.Err()
	if context.Cause(ctx) == ErrOverran { // it is our limit that is over
		gone = nil
	}
	down, back := k.breaker.leave(time.Now(), k.config.RetryWait, err, gone)
	switch {
	case down:
		k.tryStore()
	case back:
		k.saveAll()
	}
}

// tookMail takes note that the store works if an action has put mail into it.
func (k *Keeper) tookMail(ctx context.Context, r Result) {
	if r.Outcome.IsStored() && r.Err == nil {
		k.called(ctx, r)
	}
}

// tryStore has the store called, again and again, until it is back, for there may be no
// other reason to: a row is deleted that nobody has put.
func (k *Keeper) tryStore() {
	a := k.enter(nobody)
	defer k.leave(a)
	row := cache.Identity{Key: cache.Key{To: k.config.Domain, From: k.config.Domain, ID: "untilack"}}
	if a.deleting[row] == 0 {
		a.deleting[row]++
		k.enqueue(a, &Effect{Kind: DeleteRows, Identities: []cache.Identity{row}})
	}
}

// saveAll has all packets put into the store that wait in memory alone, if they should
// stand there.
func (k *Keeper) saveAll() {
	recipients := make(map[string]bool)
	for p := range k.cache.All() {
		if k.persistsFirst(p) && p.Marks&(cache.Stored|cache.Held) == 0 {
			recipients[p.Key.To] = true
		}
	}
	for recipient := range recipients {
		a := k.enter(recipient)
		if _, refs := k.unsaved(a, math.MaxInt); len(refs) > 0 { // the last one brings all before it
			k.enqueue(a, &Effect{Kind: StoreRows, Reason: Persisted, ref: refs[len(refs)-1]})
		}
		k.leave(a)
	}
}
