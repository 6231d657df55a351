// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package wheel_test

import (
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/internal/arena"
	"github.com/untilack/untilack/internal/wheel"
)

const tick = 10 * time.Millisecond

// A slab is where the timers of a test lie, each with a name.
type slab struct {
	arena.Arena
	names map[arena.Ref]string
}

// new returns a new timer.
func (s *slab) new(name string) arena.Ref {
	r := s.Alloc(int(unsafe.Sizeof(wheel.Timer{})))
	*(*wheel.Timer)(s.At(r)) = wheel.Timer{}
	s.names[r] = name
	return r
}

// A fixture is a wheel with its timers.
type fixture struct {
	*wheel.Wheel
	slab *slab
}

func newFixture(tick time.Duration) *fixture {
	s := &slab{names: make(map[arena.Ref]string)}
	return &fixture{wheel.New(&s.Arena, tick), s}
}

// add adds a new timer and returns it.
func add(w *fixture, name string, deadline time.Duration) arena.Ref {
	r := w.slab.new(name)
	w.Add(r, deadline)
	return r
}

// due returns the names of what Advance yields.
func due(w *fixture, now time.Duration) (names []string) {
	for r := range w.Advance(now) {
		names = append(names, w.slab.names[r])
	}
	return names
}

// A step is a call of Advance and what it must yield.
type step struct {
	now  time.Duration
	want []string
}

var advanceTests = []struct {
	name  string
	add   map[string]time.Duration
	steps []step
}{
	{
		name:  "exactly on the tick it is due, one nanosecond before it is not",
		add:   map[string]time.Duration{"a": 3 * tick},
		steps: []step{{3*tick - 1, nil}, {3 * tick, []string{"a"}}, {4 * tick, nil}},
	},
	{
		name:  "between two ticks it is due at the later one",
		add:   map[string]time.Duration{"a": 3*tick + 1},
		steps: []step{{3*tick + 2, nil}, {4*tick - 1, nil}, {4 * tick, []string{"a"}}},
	},
	{
		name:  "late on arrival it is due at the next call",
		add:   map[string]time.Duration{"a": -time.Hour},
		steps: []step{{0, []string{"a"}}, {0, nil}},
	},
	{
		name:  "a deadline at the origin is due at the origin",
		add:   map[string]time.Duration{"a": 0},
		steps: []step{{0, []string{"a"}}},
	},
	{
		name:  "longer than a turn of the inner ring",
		add:   map[string]time.Duration{"a": 65 * tick, "b": 64 * tick, "c": 129 * tick},
		steps: []step{{63 * tick, nil}, {64 * tick, []string{"b"}}, {128 * tick, []string{"a"}}, {129 * tick, []string{"c"}}},
	},
	{
		name:  "longer than a turn of every ring that a day needs",
		add:   map[string]time.Duration{"a": 24 * time.Hour, "b": 240 * time.Hour},
		steps: []step{{24*time.Hour - 1, nil}, {24 * time.Hour, []string{"a"}}, {240 * time.Hour, []string{"b"}}},
	},
	{
		name:  "a jump over many turns yields in order of deadline",
		add:   map[string]time.Duration{"d": 9 * time.Hour, "a": tick, "c": time.Hour, "b": time.Minute},
		steps: []step{{1000 * time.Hour, []string{"a", "b", "c", "d"}}},
	},
	{
		name:  "while time stands still nothing happens twice",
		add:   map[string]time.Duration{"a": tick, "b": 2 * tick},
		steps: []step{{tick, []string{"a"}}, {tick, nil}, {tick, nil}, {2 * tick, []string{"b"}}},
	},
	{
		name:  "the clock going backwards takes nothing early and loses nothing",
		add:   map[string]time.Duration{"a": 5 * tick, "b": 200 * tick},
		steps: []step{{100 * tick, []string{"a"}}, {50 * tick, nil}, {-time.Hour, nil}, {199 * tick, nil}, {200 * tick, []string{"b"}}},
	},
	{
		name:  "a clock before the origin",
		add:   map[string]time.Duration{"a": -50 * tick},
		steps: []step{{-51 * tick, nil}, {-50*tick - 1, nil}, {-50 * tick, []string{"a"}}},
	},
	{
		name:  "the end of time is never reached early",
		add:   map[string]time.Duration{"a": 1<<63 - 1},
		steps: []step{{1<<62 - 1, nil}},
	},
}

func TestAdvance(t *testing.T) {
	for _, tt := range advanceTests {
		t.Run(tt.name, func(t *testing.T) {
			w := newFixture(tick)
			for value, deadline := range tt.add {
				add(w, value, deadline)
			}
			for _, s := range tt.steps {
				if diff := cmp.Diff(s.want, due(w, s.now)); diff != "" {
					t.Errorf("at %v (-want +got):\n%s", s.now, diff)
				}
			}
		})
	}
}

func TestTimersOfOneTickKeepTheOrderOfAddAcrossRings(t *testing.T) {
	w := newFixture(tick)
	add(w, "a", 5000*tick)
	due(w, 4000*tick)
	add(w, "b", 5000*tick)
	due(w, 4990*tick)
	add(w, "c", 5000*tick)
	if diff := cmp.Diff([]string{"a", "b", "c"}, due(w, 6000*tick)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestRemove(t *testing.T) {
	w := newFixture(tick)
	a, b := add(w, "a", tick), add(w, "b", tick)
	c := add(w, "c", time.Hour)
	var got []string
	for r := range w.Advance(tick) {
		got = append(got, w.slab.names[r])
		if !w.Remove(b) {
			t.Error("a timer that is due and not yet yielded can not be removed")
		}
	}
	if diff := cmp.Diff([]string{"a"}, got); diff != "" {
		t.Errorf("removed while due (-want +got):\n%s", diff)
	}
	if w.Remove(a) || w.Remove(b) {
		t.Error("Remove reports a timer that is not in the wheel")
	}
	if waits := (*wheel.Timer)(w.slab.At(c)).Waiting; !waits() || !w.Remove(c) || waits() {
		t.Error("Remove does not report a timer that is in the wheel")
	}
	if _, ok := w.Next(); ok || w.Len() != 0 {
		t.Errorf("the wheel is not empty: Len %d", w.Len())
	}
}

func TestAddMovesATimerThatIsThere(t *testing.T) {
	w := newFixture(tick)
	a := add(w, "a", tick)
	w.Add(a, 3*tick)
	if got := due(w, 2*tick); got != nil || w.Len() != 1 {
		t.Errorf("got %v with Len %d", got, w.Len())
	}
	if diff := cmp.Diff([]string{"a"}, due(w, 3*tick)); diff != "" {
		t.Errorf("moved (-want +got):\n%s", diff)
	}
}

func TestALoopThatEndsEarlyLeavesTheRest(t *testing.T) {
	w := newFixture(tick)
	for _, v := range []string{"a", "b", "c"} {
		add(w, v, tick)
	}
	for range w.Advance(time.Hour) {
		break
	}
	if next, ok := w.Next(); !ok || next != tick {
		t.Errorf("Next: %v, %v", next, ok)
	}
	if diff := cmp.Diff([]string{"b", "c"}, due(w, tick)); diff != "" {
		t.Errorf("rest (-want +got):\n%s", diff)
	}
}

func TestAddBackKeepsTheDeadline(t *testing.T) {
	w := newFixture(tick)
	a := add(w, "a", 5*tick)
	w.Remove(a)
	w.AddBack(a)
	if got := due(w, 4*tick); got != nil {
		t.Errorf("early: %v", got)
	}
	due(w, 5*tick)
	w.AddBack(a)
	if diff := cmp.Diff([]string{"a"}, due(w, 5*tick)); diff != "" {
		t.Errorf("given back (-want +got):\n%s", diff)
	}
}

func TestATimerAddedWhileTheClockStandsBackWaitsNoLongerThanItsWait(t *testing.T) {
	w := newFixture(tick)
	add(w, "z", 2000*tick)
	due(w, 1000*tick)
	add(w, "b", 520*tick)
	add(w, "a", 510*tick)
	if next, ok := w.Next(); !ok || next > 510*tick {
		t.Errorf("Next: %v, %v", next, ok)
	}
	for _, s := range []step{
		{509 * tick, nil}, {510 * tick, []string{"a"}}, {519 * tick, nil}, {520 * tick, []string{"b"}}, {2000 * tick, []string{"z"}},
	} {
		if diff := cmp.Diff(s.want, due(w, s.now)); diff != "" {
			t.Errorf("at %v (-want +got):\n%s", s.now, diff)
		}
	}
}

// A runner that sleeps until Next must come to each deadline at its tick, and must
// not wake often.
func TestNextLeadsToEachDeadlineWithFewWakings(t *testing.T) {
	for _, deadline := range []time.Duration{1, tick, time.Second, 30 * time.Second, time.Hour, 24 * time.Hour, 1000 * time.Hour} {
		w := newFixture(tick)
		add(w, "a", deadline)
		for wakings := 1; ; wakings++ {
			next, ok := w.Next()
			if !ok {
				t.Fatalf("%v: the timer is gone", deadline)
			}
			if got := due(w, next); got != nil {
				if late := next - deadline; late < 0 || late >= tick {
					t.Errorf("%v: late by %v", deadline, late)
				}
				break
			}
			if wakings > 6 {
				t.Fatalf("%v: still waking", deadline)
			}
		}
	}
}

func TestATickThatIsNotPositiveIsANanosecond(t *testing.T) {
	w := newFixture(-time.Second)
	add(w, "a", 7)
	add(w, "b", 1<<63-1)
	if got := due(w, 6); got != nil {
		t.Errorf("early: %v", got)
	}
	if diff := cmp.Diff([]string{"a"}, due(w, 7)); diff != "" {
		t.Errorf("at its time (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"b"}, due(w, 1<<63-1)); diff != "" {
		t.Errorf("at the end of time (-want +got):\n%s", diff)
	}
}

// Where much moves inwards at once, the loop lets its user in between. However often that
// one goes away, and whatever is removed meanwhile, the rest comes, in order.
func TestManyTimersMoveInPieces(t *testing.T) {
	const timers = 5000
	w := newFixture(tick)
	refs := make([]arena.Ref, timers)
	for i := range refs {
		refs[i] = add(w, "", time.Minute+time.Duration(i/100)*tick)
	}
	var got []arena.Ref
	pauses := 0
	for more := true; more; {
		more = false
		for r := range w.Advance(time.Hour) {
			if more = true; r != 0 {
				got = append(got, r)
				continue
			}
			pauses++
			if next, ok := w.Next(); !ok || next > time.Minute+time.Duration((len(got)+1)/100)*tick {
				t.Fatalf("after %d, with %d in the wheel, the next is at %v, %v", len(got), w.Len(), next, ok)
			}
			if pauses == 2 {
				w.Remove(refs[0])
				w.Remove(refs[timers-1])
			}
			break
		}
	}
	if diff := cmp.Diff(refs[1:timers-1], got); diff != "" {
		t.Errorf("due (-want +got):\n%s", diff)
	}
	if pauses < 5 || w.Len() != 0 {
		t.Errorf("%d pauses, %d timers are left", pauses, w.Len())
	}
}

// A slot that was emptied while its timers moved is a slot like others afterwards.
func TestASlotThatWasEmptiedWhileItsTimersMoved(t *testing.T) {
	w := newFixture(tick)
	var refs []arena.Ref
	for range 1000 {
		refs = append(refs, add(w, "", 65*tick))
	}
	for r := range w.Advance(64 * tick) {
		if r != 0 {
			t.Fatal("early")
		}
		break
	}
	for _, r := range refs {
		w.Remove(r)
	}
	if got := due(w, 64*64*tick); got != nil {
		t.Errorf("due: %q", got)
	}
	add(w, "later", (64*64+65)*tick)
	if next, ok := w.Next(); !ok || next <= 64*64*tick || next > (64*64+65)*tick {
		t.Errorf("next at %v, %v", next, ok)
	}
	if got := due(w, (64*64+64)*tick); got != nil {
		t.Errorf("due a tick early: %q", got)
	}
	if diff := cmp.Diff([]string{"later"}, due(w, (64*64+65)*tick)); diff != "" {
		t.Errorf("due (-want +got):\n%s", diff)
	}
}
