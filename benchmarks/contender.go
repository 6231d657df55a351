// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"slices"
	"strings"
	"time"
)

// A contender is one way to keep packets that wait for a receipt.
type contender interface {
	// put keeps a packet that is due after wait.
	put(now time.Time, m *message, wait time.Duration)
	// settle ends the wait of a packet, and reports whether it waited.
	settle(now time.Time, m *message) bool
	// tick ends the wait of all packets that are due, if the contender leaves time
	// to its caller.
	tick(now time.Time)
	// waiting returns how many packets wait.
	waiting() int
	// close stops what goes on behind the scenes.
	close()
}

// A batcher is a contender that can be handed several packets and receipts at once.
type batcher interface {
	contender
	// exchange puts packets, then settles others, and returns how many of those
	// waited.
	exchange(now time.Time, puts []message, wait time.Duration, settles []message) int
}

// A setting is what a contender is told of its work.
type setting struct {
	// owning is set if the stanza that is put belongs to the caller, so that one
	// who keeps it has to copy it.
	owning bool
	// expired is told of each packet that was not settled in time.
	expired func(stanza []byte)
}

// A clock says whose time a contender goes by.
type clock int

const (
	noClock     clock = iota // it has no timers at all
	callerClock              // its caller's: tick
	realClock                // the machine's
)

// An entrant is a contender and what is known of it.
type entrant struct {
	name   string
	clock  clock
	main   bool // it is measured in every way, not only in one
	copies bool // it never keeps the stanza that it is handed
	batch  bool // it is handed packets in batches
	most   int  // how many packets it can be asked to hold, 0: any number
	build  func(setting) contender
}

// entrants are all contenders, in the order in which they run.
var entrants = slices.Concat(
	nullEntrants, bareEntrants, afterFuncEntrants, heapEntrants, timingWheelEntrants,
	otterEntrants, ttlCacheEntrants, untilackEntrants,
)

// exists reports whether there is a way yet to do what the contender is to do.
func (e *entrant) exists() bool { return !e.batch || batch != nil }

// null returns the name of the harness that a contender's time is net of.
func (e *entrant) null(owning bool) string {
	switch {
	case e.batch:
		return "null-batch"
	case e.copies || owning:
		return "null"
	}
	return "null-kept"
}

// isNull reports whether the contender is the harness alone.
func (e *entrant) isNull() bool { return strings.HasPrefix(e.name, "null") }

// entrantNamed returns the contender of that name.
func entrantNamed(name string) (entrant, bool) {
	i := slices.IndexFunc(entrants, func(e entrant) bool { return e.name == name })
	if i < 0 {
		return entrant{}, false
	}
	return entrants[i], true
}

// keep returns the message as one may keep it who keeps references.
func (s *setting) keep(m *message) message {
	if s.owning {
		return m.clone()
	}
	return *m
}
