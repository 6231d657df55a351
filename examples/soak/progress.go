// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"fmt"
	"time"
)

// A Progress is the state of a run.
type Progress struct {
	Took       time.Duration
	Counts     counts
	Waiting    int // in the Keeper
	Stored     int // in its store
	Tombstones int // finished messages that the Keeper remembers
	Remembered int // messages in our own books
	Usage      usage
}

// tell tells of the run's progress until ctx ends.
func (s *soak) tell(ctx context.Context) {
	for s.config.Progress != nil && sleep(ctx, s.config.Interval) {
		p := Progress{
			Took:       time.Since(s.start),
			Remembered: s.ledger.remembered(),
			Usage:      measure(),
		}
		p.Counts, _ = s.ledger.now()
		p.Waiting, p.Stored = s.delivery.left()
		p.Tombstones = s.delivery.Keeper.Stats().Tombstones
		s.config.Progress(p)
	}
}

// String returns the state as one line.
func (p Progress) String() string {
	c := p.Counts
	return fmt.Sprintf("%8s  sent %d  on the way %d  extra %d (of %d in flight)  disorder %d  forged %d  reconnects %d  waiting %d  stored %d  "+
		"tombstones %d  books %d  heap %s  resident %s  goroutines %d",
		p.Took.Round(time.Second), c.Sent, c.Sent-c.Delivered, c.Extra, c.InFlight, c.OutOfOrder, c.Forged, c.Reconnects, p.Waiting, p.Stored,
		p.Tombstones, p.Remembered, mebibytes(p.Usage.Heap), mebibytes(p.Usage.RSS), p.Usage.Goroutines)
}

// mebibytes returns a number of bytes for people.
func mebibytes(n uint64) string {
	if n == 0 {
		return "?"
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
