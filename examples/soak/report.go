// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/untilack/untilack"
)

// A Report is what came of a run.
type Report struct {
	Config      Config            `json:"config"`
	Seconds     float64           `json:"seconds"`
	Counts      counts            `json:"counts"`
	Connections int               `json:"connections"` // also those that came to nothing
	Faults      map[string]int    `json:"faults"`
	Keeper      map[string]uint64 `json:"keeper"` // its events, by reason
	Waiting     int               `json:"left_waiting"`
	Stored      int               `json:"left_stored"`
	Recover     quantiles         `json:"recover_seconds"` // from a client's return until it has all
	Deliver     quantiles         `json:"deliver_seconds"` // from sending to arrival
	Peak        usage             `json:"peak"`

	GoroutinesBefore int `json:"goroutines_before"`
	GoroutinesAfter  int `json:"goroutines_after"`

	CPUSeconds     float64 `json:"cpu_seconds"`
	CPUPerThousand float64 `json:"cpu_seconds_per_thousand_messages"`

	Details []string `json:"details,omitempty"` // of what is missing
	Trouble []string `json:"trouble,omitempty"` // what went before the first failures
}

// quantiles sum up a histogram, in seconds.
type quantiles struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

func summary(h *histogram) quantiles {
	return quantiles{h.count, h.quantile(0.5).Seconds(), h.quantile(0.99).Seconds(), h.most.Seconds()}
}

// String returns the quantiles for people.
func (q quantiles) String() string {
	return fmt.Sprintf("p50 %.2f s, p99 %.2f s, at most %.2f s, of %d", q.P50, q.P99, q.Max, q.Count)
}

// report sums up the run while everybody is still there.
func (s *soak) report(cpu time.Duration) *Report {
	r := &Report{
		Config: s.config, Seconds: time.Since(s.start).Seconds(),
		Keeper: make(map[string]uint64), Details: s.ledger.lines(20),
		CPUSeconds: cpu.Seconds(), Peak: s.meter.peak(),
	}
	r.Counts, _ = s.ledger.now()
	r.Counts.Lost, r.Counts.Unconfirmed = s.ledger.missing()
	for _, p := range s.proxies {
		r.Connections += p.count()
	}
	s.struck.mutex.Lock()
	r.Faults = maps.Clone(s.struck.counts)
	s.struck.mutex.Unlock()
	for _, reason := range untilack.Reasons() {
		if n := s.delivery.Keeper.Count(reason); n > 0 {
			r.Keeper[reason.String()] = n
		}
	}
	r.Waiting, r.Stored = s.delivery.left()
	s.ledger.mutex.Lock()
	r.Trouble = slices.Clone(s.ledger.trouble)
	r.Recover, r.Deliver = summary(&s.ledger.recover), summary(&s.ledger.deliver)
	s.ledger.mutex.Unlock()
	if r.Counts.Sent > 0 {
		r.CPUPerThousand = r.CPUSeconds * 1000 / float64(r.Counts.Sent)
	}
	return r
}

// Failures returns what must not be.
func (r *Report) Failures() []string {
	var failures []string
	fail := func(count int, what string) {
		if count > 0 {
			failures = append(failures, fmt.Sprintf("%d %s", count, what))
		}
	}
	c := r.Counts
	fail(c.Lost, "lost")
	fail(c.Unconfirmed, "not confirmed to their sender")
	fail(c.OutOfOrder, "out of order")
	fail(c.Forged, "forged receipts")
	fail(c.TooMany, "copies too many")
	fail(c.Extra-c.InFlight, "more duplicates than were in flight")
	fail(c.Unknown, "messages that nobody sent")
	fail(c.Altered, "altered")
	fail(c.Bounced, "errors to senders")
	fail(r.Waiting, "left waiting")
	fail(r.Stored, "left in the store")
	fail(r.GoroutinesAfter-r.GoroutinesBefore, "goroutines left")
	if limit := uint64(r.Config.Memory); limit > 0 && r.Peak.RSS > limit {
		failures = append(failures, fmt.Sprintf("%s resident, of %s", mebibytes(r.Peak.RSS), mebibytes(limit)))
	}
	return failures
}

// Struck reports whether anything has failed at all, and somebody had to come back.
func (r *Report) Struck() bool { return len(r.Faults) > 0 && r.Counts.Reconnects > 0 }

// WriteTable writes the report for people.
func (r *Report) WriteTable(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(title, format string, values ...any) {
		fmt.Fprintf(table, "%s\t"+format+"\n", append([]any{title}, values...)...)
	}
	c := r.Counts
	row("took", "%s", time.Duration(r.Seconds*float64(time.Second)).Round(time.Second))
	row("sent", "%d", c.Sent)
	row("delivered", "%d", c.Delivered)
	row("lost", "%d", c.Lost)
	row("duplicates", "%d copies of %d messages; %d copies were in flight at the breaks; without reason %d", c.Extra, c.Duplicated, c.InFlight, c.TooMany)
	row("out of order", "%d", c.OutOfOrder)
	row("forged receipts", "%d", c.Forged)
	row("altered, unknown, bounced", "%d, %d, %d", c.Altered, c.Unknown, c.Bounced)
	row("confirmed to the sender", "%d, and %d not although the client answers", c.Confirmed, c.Unconfirmed)
	row("reconnects", "%d; %d logins, %d failed ones, %d connections", c.Reconnects, c.Logins, c.FailedLogins, r.Connections)
	row("faults", "%s", list(r.Faults))
	row("probes", "%d, answered %d", r.Keeper[untilack.Probed.String()], r.Keeper[untilack.Answered.String()])
	row("time to recover", "%s", r.Recover)
	row("time to deliver", "%s", r.Deliver)
	row("left", "%d waiting, %d in the store", r.Waiting, r.Stored)
	row("peak", "heap %s, Go %s, resident %s, %d goroutines", mebibytes(r.Peak.Heap), mebibytes(r.Peak.Runtime), mebibytes(r.Peak.RSS), r.Peak.Goroutines)
	row("goroutines", "%d before, %d after", r.GoroutinesBefore, r.GoroutinesAfter)
	row("processor time", "%.1f s, %.2f s for 1,000 messages", r.CPUSeconds, r.CPUPerThousand)
	row("the Keeper's events", "%s", list(r.Keeper))
	for _, detail := range r.Details {
		row("missing", "%s", detail)
	}
	return table.Flush()
}

// list writes counts for people, by name.
func list[N int | uint64](counts map[string]N) string {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s %d", name, counts[name])
	}
	return text
}
