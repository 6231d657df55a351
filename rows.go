// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"errors"
	"slices"
	"time"

	"github.com/untilack/untilack/cache"
)

// takeRow takes a packet that stands in the store into memory, unless it is there or is
// left where it is.
func (k *Keeper) takeRow(a *account, now time.Time, p cache.Packet) {
	if a.deleting[p.Identity()] > 0 || k.sleeps(a, p) {
		return
	}
	p.Marks |= cache.Stored | cache.Restored
	ref, err := k.cache.Restore(now, p, 0)
	switch {
	case err == nil && k.isShelved(a, ref):
		k.cache.Drop(now, ref)
	case err == nil:
		a.restored = append(a.restored, ref)
		a.push(item{ref: ref, received: p.Received})
	case errors.Is(err, cache.ErrFinished):
		k.withdraw(a, p) // it was settled while the rows were read
	}
}

// isShelved reports whether a packet that was read from the store is one whose copy
// on a live stream was read: its row is to wait for the next stream.
func (k *Keeper) isShelved(a *account, ref cache.Ref) bool {
	p, ok := k.cache.Get(ref)
	return ok && a.liveCopies(p, nil)
}

// sleeps reports whether a packet that stands in the store is left there, and not
// kept in memory: it is for a stream that is paused, or is not known to be alive, which
// may take long, or none is available.
func (k *Keeper) sleeps(a *account, p cache.Packet) bool {
	s, ok := k.choose(a, item{}, p)
	switch {
	case !ok, p.Taken:
		return false
	case s == nil:
		return a.best() == nil
	case !s.rests(p), p.Marks.Has(cache.Read):
		return false
	}
	s.left = true
	return true
}

// allRead takes note that all rows were read: none is left for streams that go on.
func (a *account) allRead() {
	for _, s := range a.streams {
		s.left = s.left && (s.paused || s.life != answers)
	}
}

// behindRows reports whether older packets of the store come before p.
func (k *Keeper) behindRows(a *account, s *Stream, p cache.Packet) bool {
	best := a.best()
	if a.rows.failed || best == nil || s != best && !s.left {
		return false
	}
	return (a.rows.more || a.rows.reading) && p.Received.After(a.rows.horizon)
}

// readRows has the next of the recipient's stored packets read, if there is a
// stream to take them and those read before are on their way.
func (k *Keeper) readRows(a *account, now time.Time) {
	if !a.rows.more || a.rows.reading || a.rows.failed {
		return
	}
	s := k.reader(a)
	if s == nil {
		return
	}
	if !s.hasRoom(k.config.Window) {
		k.askForRoom(a, s, k.config.Window)
		return
	}
	if it, ok := a.firstFor(s); ok && !it.received.After(a.rows.horizon) {
		return
	}
	if k.manyRestored(a, now) {
		return // until some of them are settled, or parked in the store again
	}
	a.rows.reading = true
	k.enqueue(a, &Effect{Kind: ListRows, After: a.rows.after, Limit: k.config.Window})
}

// maxRestored is how many windows of packets may be in memory that came out of the
// store: no limit of the cache is asked about them.
const maxRestored = 16

// manyRestored reports whether there are that many. Those that can sleep in the store
// are left to it again.
func (k *Keeper) manyRestored(a *account, now time.Time) bool {
	if len(a.restored) < maxRestored*k.config.Window {
		return false
	}
	a.restored = slices.DeleteFunc(a.restored, func(ref cache.Ref) bool {
		p, waits := k.cache.Get(ref)
		if waits && k.sleeps(a, p) {
			k.cache.Drop(now, ref)
			a.forget(ref)
			waits = false
		}
		return !waits
	})
	return len(a.restored) >= maxRestored*k.config.Window
}

func (k *Keeper) beginList(a *account, e *Effect) bool {
	if !k.reads(a) {
		a.rows.reading = false
		return false
	}
	a.rows.again, a.rows.grown = false, false
	e.After = a.rows.after
	return true
}

// firstFor returns the oldest packet of the backlog that waits for s, or may.
func (a *account) firstFor(s *Stream) (item, bool) {
	for _, it := range a.backlog {
		if it.turn == unknown || it.turn == inLine && it.target == s {
			return it, true
		}
	}
	return item{}, false
}

// finishList takes rows into memory, where they wait for their turn. No limit of
// the cache is asked about them: maxRestored bounds them.
func (k *Keeper) finishList(a *account, now time.Time, e *Effect, r Result) {
	a.rows.reading = false
	if r.Err != nil {
		k.stored(a, now, nil, cache.Packet{}, r.Err)
		a.rows.failed = true
		k.timers.add(timer{at: now.Add(k.retryWait(&a.failures)), account: a.bare, kind: rowsTimer})
		return
	}
	a.rows.failed, a.failures = false, 0
	if e.After != a.rows.after || !k.reads(a) {
		return // a stream opened or closed meanwhile: read again from its start
	}
	if a.rows.again {
		defer a.reread()
	}
	a.rows.more = len(r.Rows) == e.Limit || a.rows.again || a.rows.grown
	a.spilling = a.spilling && a.rows.more
	if !a.rows.more {
		a.allRead()
	}
	if len(r.Rows) == 0 {
		return
	}
	for _, stored := range r.Rows {
		k.takeRow(a, now, stored.Packet)
	}
	lastRow := r.Rows[len(r.Rows)-1]
	a.rows.after, a.rows.horizon = lastRow.Number, lastRow.Packet.Received
}
