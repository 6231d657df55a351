// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"time"

	"github.com/maypok86/otter/v2"
)

var otterEntrants = []entrant{{name: "otter", main: true, clock: realClock, build: newOtterCache}}

// An otterCache is a cache whose entries expire, each in its own time.
type otterCache struct {
	setting
	packets *otter.Cache[string, lasting]
}

// A lasting packet is one that waits, and how long.
type lasting struct {
	stanza []byte
	wait   time.Duration
}

func newOtterCache(s setting) contender {
	return &otterCache{s, otter.Must(&otter.Options[string, lasting]{
		ExpiryCalculator: otter.ExpiryCreatingFunc(func(e otter.Entry[string, lasting]) time.Duration {
			return e.Value.wait
		}),
		OnAtomicDeletion: func(e otter.DeletionEvent[string, lasting]) {
			if e.Cause == otter.CauseExpiration {
				s.expired(e.Value.stanza)
			}
		},
	})}
}

func (o *otterCache) put(_ time.Time, m *message, wait time.Duration) {
	kept := o.keep(m)
	o.packets.Set(kept.key, lasting{kept.stanza, wait})
}

func (o *otterCache) settle(_ time.Time, m *message) bool {
	_, ok := o.packets.Invalidate(m.key)
	return ok
}

// waiting counts one by one, for the cache itself only estimates.
func (o *otterCache) waiting() (count int) {
	for range o.packets.Keys() {
		count++
	}
	return count
}

func (o *otterCache) tick(time.Time) {}
func (o *otterCache) close()         { o.packets.StopAllGoroutines() }
