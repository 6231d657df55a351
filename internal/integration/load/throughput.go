// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"slices"
	"time"
)

// A sample is what was measured in one round.
type sample struct {
	Rate  float64       `json:"messagesPerSecond"` // each with its receipt
	P50   time.Duration `json:"p50Nanoseconds"`    // from a message to its receipt, or its delivery
	P99   time.Duration `json:"p99Nanoseconds"`
	CPU   time.Duration `json:"cpuPerMessageNanoseconds"` // of the server, its receipt included
	RSS   int           `json:"rssBytes"`
	Tally tally         `json:"tally"`
}

// measure has pairs of clients write as fast as they can: one of each sends, the other
// answers. So many messages of each pair are under way at most. With a rate they write that many.
func (b *bench) measure(c contender) (s sample, err error) {
	server, err := c.start(b)
	if err != nil {
		return s, err
	}
	defer server.stop()
	t, err := logIn(server, 0, b.clients, 64<<10)
	if err != nil {
		return s, err
	}
	defer t.close()
	if b.rate > 0 {
		t.pace(b.rate, b.late)
	} else {
		t.flow(b.window)
	}
	time.Sleep(b.warmUp)
	takeWaits(t.all)
	before, err := server.usage()
	if err != nil {
		return s, err
	}
	start, answered := time.Now(), tallied(t.all).Answered
	time.Sleep(b.duration)
	took, n := time.Since(start), tallied(t.all).Answered-answered
	after, err := server.usage()
	if err != nil {
		return s, err
	}
	if n == 0 {
		return s, fmt.Errorf("no message was answered in %v: %w", took, t.failure())
	}
	s.Rate = float64(n) / took.Seconds()
	s.CPU, s.RSS = (after.cpu-before.cpu)/time.Duration(n), after.rss
	s.P50, s.P99 = percentiles(takeWaits(t.all))
	s.Tally = t.settle()
	if err := s.Tally.err(); err != nil {
		return s, fmt.Errorf("%w (%v)", err, t.failure())
	}
	return s, nil
}

// percentiles returns the median and the 99th percentile.
func percentiles(waits []time.Duration) (p50, p99 time.Duration) {
	if len(waits) == 0 {
		return 0, 0
	}
	slices.Sort(waits)
	return waits[len(waits)/2], waits[len(waits)*99/100]
}
