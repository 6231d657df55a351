// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Results are what was measured, round by round.
type results struct {
	plan
	measured map[cell][]values
	failures []string
}

// measure does all rounds. In each, all contenders take their turns, so that what
// else the machine does meets all of them.
func (p *plan) measure(progress io.Writer) *results {
	r := &results{plan: *p, measured: map[cell][]values{}}
	cells := p.cells()
	skipped := map[cell]bool{}
	for round := range p.rounds {
		for i, c := range cells {
			if skipped[c] {
				continue
			}
			fmt.Fprintf(progress, "round %d of %d, %d of %d: %s\n", round+1, p.rounds, i+1, len(cells), c)
			v, err := c.spawn()
			if err != nil {
				skipped[c] = true
				r.failures = append(r.failures, fmt.Sprintf("%s: %s", c, strings.TrimSpace(err.Error())))
				continue
			}
			r.measured[c] = append(r.measured[c], v)
		}
	}
	return r
}

// String returns what a cell is about.
func (c cell) String() string {
	if c.Kind != "pairs" {
		return strings.TrimSpace(c.Kind + " " + c.Contender)
	}
	owning := ""
	if c.Owning {
		owning = ", owning"
	}
	return fmt.Sprintf("%s, %s waiting, %s, %d at once%s", c.Contender, short(c.Waiting), c.Order, c.Goroutines, owning)
}

// short returns a round number as people write it who have seen many of them.
func short(n int) string {
	digits := fmt.Sprint(n)
	trimmed := strings.TrimRight(digits, "0")
	if len(trimmed) != 1 {
		return digits
	}
	return fmt.Sprintf("%se%d", trimmed, len(digits)-1)
}

// value returns the median of what was measured, and false if nothing was.
func (r *results) value(c cell, name string) (float64, bool) {
	var all []float64
	for _, v := range r.measured[c] {
		if value, ok := v[name]; ok {
			all = append(all, value)
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2, true
}

// net returns the time of a pair without the harness's part.
func (r *results) net(name string, w way, size int, measure string) (float64, bool) {
	e, known := entrantNamed(name)
	gross, ok := r.value(r.cell(name, w, size), measure)
	null, also := r.value(r.cell(e.null(w.owning), w, size), measure)
	return gross - null, known && ok && also
}
