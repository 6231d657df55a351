// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// A bar is what a figure has to clear, and what it might.
type bar struct {
	What     string   `json:"what"`
	Measured *float64 `json:"measured"` // nil if it was not
	Bar      float64  `json:"bar"`
	Stretch  float64  `json:"stretch"`
	atLeast  bool     // otherwise at most
	unit     string
}

// bars compares what was measured with what was promised.
func (r *results) bars() []bar {
	b := &barList{results: r, reference: r.reference()}
	b.structure()
	b.owning()
	b.erlang()
	b.scale()
	b.memory()
	b.deadlines()
	return b.bars
}

// A barList is bars in the making.
type barList struct {
	*results
	reference int
	bars      []bar
}

// add adds a bar; measured counts if ok.
func (b *barList) add(measured float64, ok bool, bar bar) {
	if ok {
		bar.Measured = &measured
	}
	b.bars = append(b.bars, bar)
}

// ratio adds a bar for the time of one contender divided by another's.
func (b *barList) ratio(a, to string, w way, size int, measure string, limit, stretch float64, what string) {
	one, ok := b.net(a, w, size, measure)
	other, also := b.net(to, w, size, measure)
	b.add(one/other, ok && also, bar{What: what, Bar: limit, Stretch: stretch})
}

func (b *barList) structure() {
	at := short(b.reference)
	b.ratio(untilackName, "map-afterfunc", ordered, b.reference, "wall ns", 0.45, 0.33, "in order, "+at+", time against map + AfterFunc")
	b.ratio(untilackName, "map-afterfunc", shuffled, b.reference, "wall ns", 0.70, 0.55, "random order, "+at+", against map + AfterFunc")
	b.ratio(untilackName, "bare-sharded", ordered, b.reference, "wall ns", 0.85, 0.65, "in order, "+at+", against a bare sharded map")
	for _, w := range []way{ordered, shuffled} {
		for _, size := range b.sizes {
			if w == ordered && size == b.reference {
				continue
			}
			limit := 1.1
			if size <= 10_000 {
				limit = 1.4
			}
			b.ratio(untilackName, "bare-sharded", w, size, "wall ns", limit, 0.9, fmt.Sprintf("%s, %s, against a bare sharded map", w.order, short(size)))
		}
	}
	b.ratio("untilack-batch", untilackName, ordered, b.reference, "wall ns", 0.80, 0.65, "in order, "+at+", batches of 16 against single calls")
}

func (b *barList) owning() {
	at := short(b.reference)
	b.ratio(untilackName, "map-afterfunc", ownedTwo, b.reference, "cpu ns", 0.35, 0.22, "owning, two goroutines, "+at+", CPU against map + AfterFunc")
	b.ratio(untilackName, "map-afterfunc", ownedTwo, large, "cpu ns", 0.35, 0.22, "owning, two goroutines, "+short(large)+", CPU against map + AfterFunc")
	b.ratio(untilackName, "otter", ownedTwo, b.reference, "wall ns", 0.60, 0.45, "owning, two goroutines, "+at+", against otter")
}

func (b *barList) erlang() {
	at, c := short(b.reference), b.plan.erlang()
	gross, ok := b.value(c, "wall ns")
	null, _ := b.value(c, "null ns")
	one, also := b.net(untilackName, owned, b.reference, "wall ns")
	b.add(one/(gross-null), ok && also, bar{What: "owning, " + at + ", against Erlang", Bar: 0.20, Stretch: 0.14})
	theirs, ok := b.value(c, "memory")
	ours, also := b.value(b.cell(untilackName, owned, b.reference), "memory")
	b.add(ours/theirs, ok && also, bar{What: "memory for each packet, " + at + ", against Erlang", Bar: 0.15, Stretch: 0.10})
}

func (b *barList) scale() {
	one, ok := b.net(untilackName, ordered, b.reference, "wall ns")
	two, also := b.net(untilackName, twofold, b.reference, "wall ns")
	b.add(one/two, ok && also, bar{What: "two goroutines against one, " + short(b.reference) + ", throughput", Bar: 1.4, Stretch: 1.65, atLeast: true})
	huge, ok := b.net(untilackName, ordered, large, "wall ns")
	small, also := b.net(untilackName, ordered, 10_000, "wall ns")
	b.add(huge/small, ok && also, bar{What: "time of a pair, 5e6 against 1e4", Bar: 3, Stretch: 2})
	allocs, ok := b.value(b.cell(untilackName, ordered, b.reference), "allocs")
	b.add(allocs, ok, bar{What: "allocations for each pair, expiry included", Bar: 0.005, Stretch: 0.005})
}

func (b *barList) memory() {
	for _, size := range b.sizes {
		limit, stretch := 110.0, 75.0
		if size < 10_000 {
			continue
		} else if size < 100_000 {
			limit, stretch = 200, 120
		}
		bytes, ok := b.value(b.cell(untilackName, ordered, size), "memory")
		b.add(bytes, ok, bar{What: "memory for each of " + short(size) + " packets", Bar: limit, Stretch: stretch, unit: "B"})
	}
	bytes, ok := b.value(b.empty(), "bytes")
	b.add(bytes/1024, ok, bar{What: "memory of an empty cache", Bar: 64, Stretch: 16, unit: "KiB"})
	pause, ok := b.value(b.cell(untilackName, ordered, large), "gc ms")
	b.add(pause, ok, bar{What: "one garbage collection with 5e6", Bar: 30, Stretch: 10, unit: "ms"})
	percent, ok := b.value(b.kept(), "percent")
	b.add(percent, ok, bar{What: "heap kept a minute after all was settled", Bar: 10, Stretch: 3, unit: "%"})
}

func (b *barList) deadlines() {
	lateness := b.lateness(untilackName)
	early, ok := b.value(lateness, "early")
	b.add(early, ok, bar{What: "early of " + short(lateness.Waiting) + " deadlines", Bar: 0, Stretch: 0})
	late, ok := b.value(lateness, "p99 ms")
	b.add(late, ok, bar{What: "lateness, p99", Bar: 11, Stretch: 11, unit: "ms"})
	cpu, ok := b.value(b.burst(), "drop cpu ns")
	b.add(cpu/1000, ok, bar{What: "CPU for each packet of a burst", Bar: 0.5, Stretch: 0.2, unit: "µs"})
	longest, ok := b.value(b.burst(), "longest wait ms")
	b.add(longest, ok, bar{What: "longest wait of another goroutine meanwhile", Bar: 5, Stretch: 1, unit: "ms"})
}

// clears reports whether the measured figure is as good as another.
func (b *bar) clears(limit float64) bool {
	if b.atLeast {
		return *b.Measured >= limit
	}
	return *b.Measured <= limit
}

// verdict says how a figure did.
func (b *bar) verdict() string {
	switch {
	case b.Measured == nil:
		return "not measured"
	case b.clears(b.Stretch):
		return "stretch"
	case b.clears(b.Bar):
		return "cleared"
	}
	return "MISSED"
}

// writeBars writes the comparison for people.
func (r *results) writeBars(out io.Writer) error {
	fmt.Fprintln(out, "\nbars")
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "%-62s\tmeasured\tbar\tstretch\t\t\n", "")
	for _, b := range r.bars() {
		sign, measured := "≤", "–"
		if b.atLeast {
			sign = "≥"
		}
		if b.Measured != nil {
			measured = strings.TrimSpace(figure(*b.Measured) + " " + b.unit)
		}
		fmt.Fprintf(table, "%-62s\t%s\t%s %v\t%v\t%s\t\n", b.What, measured, sign, b.Bar, b.Stretch, b.verdict())
	}
	return table.Flush()
}

// figure returns a number with no more digits than it deserves.
func figure(x float64) string {
	switch {
	case math.Abs(x) >= 100:
		return fmt.Sprintf("%.0f", x)
	case math.Abs(x) >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
