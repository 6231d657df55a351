// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// A report is what was measured of throughput.
type report struct {
	Base    string              `json:"base"` // the contender that the others are compared with
	Clients int                 `json:"clients"`
	Window  int                 `json:"window"`
	Rate    int                 `json:"offeredPerSecond,omitempty"`
	Late    int                 `json:"oneReceiptLateIn,omitempty"`
	Pinned  bool                `json:"pinned"`
	Samples map[string][]sample `json:"samples"` // of each contender, by rounds
}

// ratio returns how a contender compares with the first one by a figure, 0 if that was not
// measured.
func (r report) ratio(name string, figure func(sample) float64) float64 {
	var ratios []float64
	for i, s := range r.Samples[name] {
		if i < len(r.Samples[r.Base]) {
			ratios = append(ratios, figure(s)/figure(r.Samples[r.Base][i]))
		}
	}
	return median(ratios)
}

func rate(s sample) float64 { return s.Rate }

// perCPU is how many messages a server manages in a second of its processor's time.
func perCPU(s sample) float64 { return float64(time.Second) / float64(max(1, s.CPU)) }

func cpu(s sample) float64 { return float64(max(1, s.CPU)) }
func p99(s sample) float64 { return float64(max(1, s.P99)) }

// of returns a figure of all samples.
func of(samples []sample, figure func(sample) float64) (values []float64) {
	for _, s := range samples {
		values = append(values, figure(s))
	}
	return values
}

// median returns the median, 0 of nothing.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	slices.Sort(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// print writes a table.
func (r report) print(out io.Writer) error {
	if r.Rate > 0 {
		fmt.Fprintf(out, "%d clients, %d messages/s offered, one receipt in %d is late (0: none), latencies of delivery\n", r.Clients, r.Rate, r.Late)
	} else {
		fmt.Fprintf(out, "%d clients, %d messages of each pair under way, each answered by a receipt\n", r.Clients, r.Window)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tmessages/s\tfrom\tto\tratio\tp50 ms\tp99 ms\tCPU µs\tby CPU\tRSS MB\t")
	for _, c := range contenders {
		s := r.Samples[c.name]
		if len(s) == 0 {
			continue
		}
		rates := of(s, rate)
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.1f\t%.1f\t%.1f\t%.2f\t%.0f\t\n",
			c.name, median(rates), slices.Min(rates), slices.Max(rates), r.ratio(c.name, rate),
			median(of(s, func(s sample) float64 { return milliseconds(s.P50) })),
			median(of(s, func(s sample) float64 { return milliseconds(s.P99) })),
			median(of(s, func(s sample) float64 { return float64(s.CPU) / float64(time.Microsecond) })), r.ratio(c.name, perCPU),
			median(of(s, func(s sample) float64 { return megabytes(s.RSS) })))
	}
	if err := w.Flush(); err != nil || r.Rate == 0 {
		return err
	}
	for _, c := range contenders {
		if len(r.Samples[c.name]) > 0 && c.name != r.Base {
			fmt.Fprintf(out, "%s to %s: processor time %.2f, p99 %.2f\n", c.name, r.Base, r.ratio(c.name, cpu), r.ratio(c.name, p99))
		}
	}
	return nil
}

// print writes a line.
func (m minute) print(out io.Writer) {
	fmt.Fprintf(out, "after %v: %.0f messages/s, p50 %.1f ms, p99 %.1f ms, %.0f %% of a core, %.0f MB, %d goroutines\n", m.After.Round(time.Second),
		m.Rate, milliseconds(m.P50), milliseconds(m.P99), 100*m.CPU, megabytes(m.RSS), m.Goroutines)
}

// print writes a table.
func (e *endurance) print(out io.Writer) error {
	fmt.Fprintf(out, "%s: %d idle clients and %d that send a message each %v, logged in after %v\n",
		e.Contender, e.Idle, e.Chatting, e.Every, e.LogIn.Round(time.Millisecond))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "after\tmessages/s\tp50 ms\tp99 ms\tcore %\tRSS MB\tgoroutines\t")
	state := func(when string, rss, goroutines int) {
		fmt.Fprintf(w, "%s\t\t\t\t\t%.0f\t%d\t\n", when, megabytes(rss), goroutines)
	}
	state("start", e.RSS.Before, e.Goroutines.Before)
	state("login", e.RSS.Full, e.Goroutines.Full)
	for _, m := range e.Minutes {
		fmt.Fprintf(w, "%v\t%.0f\t%.1f\t%.1f\t%.0f\t%.0f\t%d\t\n", m.After.Round(time.Second), m.Rate,
			milliseconds(m.P50), milliseconds(m.P99), 100*m.CPU, megabytes(m.RSS), m.Goroutines)
	}
	state("end", e.RSS.After, e.Goroutines.After)
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d sent, %d answered, %d lost, %d twice, %d refused\n", e.Tally.Sent, e.Tally.Answered, e.Tally.Lost, e.Tally.Twice, e.Tally.Refused)
	return err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func megabytes(n int) float64 { return float64(n) / (1 << 20) }
