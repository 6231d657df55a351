// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package wheel_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/internal/arena"
)

// A model does what a wheel does in the plainest way: a slice that is sorted.
type model struct {
	timers []modelTimer
	added  int
}

type modelTimer struct {
	value    int
	deadline int // in ticks, rounded up
	order    int
}

func (m *model) add(value int, deadline time.Duration) {
	m.remove(value)
	ticks := int(deadline / tick)
	if deadline%tick > 0 {
		ticks++
	}
	m.added++
	m.timers = append(m.timers, modelTimer{value, ticks, m.added})
}

func (m *model) remove(value int) bool {
	before := len(m.timers)
	m.timers = slices.DeleteFunc(m.timers, func(t modelTimer) bool { return t.value == value })
	return len(m.timers) < before
}

// advance takes out what is due, in order of deadline and then of add.
func (m *model) advance(now time.Duration) (due []modelTimer) {
	for _, t := range m.timers {
		if time.Duration(t.deadline)*tick <= now {
			due = append(due, t)
		}
	}
	slices.SortFunc(due, func(a, b modelTimer) int {
		return cmp.Or(cmp.Compare(a.deadline, b.deadline), cmp.Compare(a.order, b.order))
	})
	for _, t := range due {
		m.remove(t.value)
	}
	return due
}

// earliest returns the first deadline.
func (m *model) earliest() time.Duration {
	first := slices.MinFunc(m.timers, func(a, b modelTimer) int { return cmp.Compare(a.deadline, b.deadline) })
	return time.Duration(first.deadline) * tick
}

// A world runs a wheel and its model side by side.
type world struct {
	*testing.T
	wheel  *fixture
	timers [100]arena.Ref
	model  model
	now    time.Duration
	latest time.Duration // the greatest time so far
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, wheel: newFixture(tick)}
	for i := range w.timers {
		w.timers[i] = w.wheel.slab.new("")
	}
	return w
}

func (w *world) add(value int, wait time.Duration) {
	w.model.add(value, w.now+wait)
	w.wheel.Add(w.timers[value], w.now+wait)
}

func (w *world) remove(value int) {
	if got, want := w.wheel.Remove(w.timers[value]), w.model.remove(value); got != want {
		w.Fatalf("Remove(%d) = %v, want %v", value, got, want)
	}
}

// advance compares what is due: always the set, and the order as long as nothing
// was late on arrival, which comes in an order of its own.
func (w *world) advance(by time.Duration, ordered bool) {
	w.now += by
	w.latest = max(w.latest, w.now)
	var got, want []int
	for v := range w.wheel.Advance(w.now) {
		got = append(got, slices.Index(w.timers[:], v))
	}
	for _, t := range w.model.advance(w.now) {
		want = append(want, t.value)
	}
	if !ordered {
		slices.Sort(got)
		slices.Sort(want)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		w.Fatalf("due at %v (-want +got):\n%s", w.now, diff)
	}
}

func (w *world) check() {
	if got, want := w.wheel.Len(), len(w.model.timers); got != want {
		w.Fatalf("Len() = %d, want %d", got, want)
	}
	next, ok := w.wheel.Next()
	if ok != (len(w.model.timers) > 0) {
		w.Fatalf("Next: %v with %d timers", ok, len(w.model.timers))
	}
	if ok && next > w.model.earliest() {
		w.Fatalf("Next is %v, but the first deadline %v", next, w.model.earliest())
	}
}

// spread returns a duration of a random order of magnitude.
func spread(r *rand.Rand) time.Duration { return time.Duration(r.Int64N(1 << (10 + r.IntN(40)))) }

func TestModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t)
		for range 400 {
			switch r.IntN(4) {
			case 0, 1:
				w.add(r.IntN(len(w.timers)), 1+spread(r))
			case 2:
				w.remove(r.IntN(len(w.timers)))
			case 3:
				w.advance(spread(r), true)
			}
			w.check()
		}
	}
}

func TestModelWithLateTimersAndAClockThatGoesBack(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(t)
		for range 400 {
			sign := time.Duration(1)
			if r.IntN(4) == 0 {
				sign = -1
			}
			switch r.IntN(4) {
			case 0, 1:
				w.add(r.IntN(len(w.timers)), sign*spread(r))
			case 2:
				w.remove(r.IntN(len(w.timers)))
			case 3:
				w.advance(sign*spread(r), false)
			}
			w.check()
		}
	}
}

func FuzzModel(f *testing.F) {
	f.Add([]byte{0, 1, 40, 0, 2, 50, 2, 0, 45, 3, 0, 44, 2, 0, 60})
	f.Fuzz(func(t *testing.T, data []byte) {
		w := newWorld(t)
		for ; len(data) >= 3; data = data[3:] {
			value, wait := int(data[1])%len(w.timers), time.Duration(1)<<(data[2]%50)+time.Duration(data[1])
			switch data[0] % 5 {
			case 0:
				w.add(value, wait)
			case 1:
				w.remove(value)
			case 2:
				w.advance(wait, false)
			case 3:
				w.advance(-wait, false)
			case 4:
				w.add(value, -wait)
			}
			w.check()
		}
	})
}

func BenchmarkAddRemove(b *testing.B) {
	w := newFixture(tick)
	timers := make([]arena.Ref, 1<<16)
	for i := range timers {
		timers[i] = w.slab.new("")
	}
	now, i := time.Duration(0), 0
	b.ReportAllocs()
	for b.Loop() {
		t := timers[i%len(timers)]
		w.Remove(t)
		w.Add(t, now+30*time.Second)
		now += 100 * time.Microsecond
		if i%1000 == 0 {
			for r := range w.Advance(now) {
				if r != 0 {
					b.Fatal("a timer was due")
				}
			}
		}
		i++
	}
}
