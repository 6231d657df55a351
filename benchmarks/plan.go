// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import "slices"

// The names of what is measured besides the contenders.
const (
	untilackName = "untilack"
	erlangName   = "erlang"
)

// A plan says what is measured.
type plan struct {
	rounds int
	sizes  []int
	only   []string // contenders; empty: all
	pairs  int      // in each cell, 0: as many as fit its size
	quick  bool
}

// A way is one in which contenders are loaded.
type way struct {
	order      string
	goroutines int
	owning     bool
}

// The ways in which contenders are loaded.
var (
	ordered  = way{inOrder, 1, false}
	shuffled = way{randomOrder, 1, false}
	twofold  = way{inOrder, 2, false}
	owned    = way{inOrder, 1, true}
	ownedTwo = way{inOrder, 2, true}
	titles   = map[way]string{
		ordered:  "structure alone, settled in order, one goroutine",
		shuffled: "structure alone, settled in random order, one goroutine",
		twofold:  "structure alone, settled in order, two goroutines",
		owned:    "owning its stanzas, settled in order, one goroutine",
		ownedTwo: "owning its stanzas, settled in order, two goroutines",
	}
	ways = []way{ordered, shuffled, twofold, owned, ownedTwo}
)

// million is the size at which most is compared; large is the one at which memory
// and its collection tell.
const (
	million = 1_000_000
	large   = 5_000_000
)

// reference returns the size that stands for a million: the largest up to there.
func (p *plan) reference() int {
	reference := p.sizes[0]
	for _, size := range p.sizes {
		if size <= million {
			reference = max(reference, size)
		}
	}
	return reference
}

// sizesOf returns the sizes that are measured in a way.
func (p *plan) sizesOf(w way) []int {
	switch w {
	case twofold, owned:
		return []int{p.reference()}
	case ownedTwo:
		return slices.DeleteFunc(slices.Clone(p.sizes), func(size int) bool { return size != p.reference() && size < large })
	}
	return p.sizes
}

// wants reports whether a contender is measured at all.
func (p *plan) wants(e *entrant) bool {
	return e.exists() && (len(p.only) == 0 || e.isNull() || slices.Contains(p.only, e.name))
}

// asks reports whether it is measured in a way, with so many packets.
func (p *plan) asks(e *entrant, w way, size int) bool {
	return p.wants(e) && (w == ordered || e.main || slices.Contains(p.only, e.name)) &&
		(e.most == 0 || size <= e.most) && (e.name != "null-kept" || !w.owning)
}

// cells returns the cells of a round.
func (p *plan) cells() (cells []cell) {
	for _, w := range ways {
		for _, size := range p.sizesOf(w) {
			for i := range entrants {
				if p.asks(&entrants[i], w, size) {
					cells = append(cells, p.cell(entrants[i].name, w, size))
				}
			}
		}
	}
	return append(cells, p.others()...)
}

// cell returns the cell of a contender.
func (p *plan) cell(name string, w way, size int) cell {
	return cell{
		Kind: "pairs", Contender: name, Waiting: size,
		Goroutines: w.goroutines, Order: w.order, Owning: w.owning, Pairs: p.pairsOf(w, size),
	}
}

// pairsOf returns how many pairs are measured: where garbage tells, enough for a
// collection or two.
func (p *plan) pairsOf(w way, size int) int {
	switch {
	case p.pairs > 0:
		return p.pairs
	case p.quick:
		return 200_000
	case w.owning:
		return max(2*million, size*3/2)
	}
	return min(2*million, max(million, size))
}

// others returns the cells that are about something else than the time of a pair.
func (p *plan) others() (cells []cell) {
	for _, name := range lateNames {
		if len(p.only) == 0 || slices.Contains(p.only, name) {
			cells = append(cells, p.lateness(name))
		}
	}
	if len(p.only) == 0 || slices.Contains(p.only, untilackName) {
		cells = append(cells, p.burst(), p.kept(), p.empty())
	}
	if hasErlang() && (len(p.only) == 0 || slices.Contains(p.only, erlangName)) {
		cells = append(cells, p.erlang())
	}
	return cells
}

// lateNames are the contenders whose lateness is measured.
var lateNames = []string{"map-afterfunc", "map-heap", "timingwheel", "otter", untilackName}

func (p *plan) lateness(name string) cell {
	seconds := 5
	if p.quick {
		seconds = 1
	}
	return cell{Kind: "expiry", Contender: name, Waiting: seconds * expiriesPerSecond}
}

func (p *plan) burst() cell {
	return cell{Kind: "burst", Contender: untilackName, Waiting: p.reference()}
}

func (p *plan) kept() cell {
	return cell{Kind: "kept", Contender: untilackName, Waiting: p.reference()}
}

func (p *plan) empty() cell { return cell{Kind: "empty", Contender: untilackName} }

func (p *plan) erlang() cell {
	return cell{Kind: "erlang", Contender: erlangName, Waiting: p.reference(), Pairs: p.pairsOf(ordered, p.reference())}
}
