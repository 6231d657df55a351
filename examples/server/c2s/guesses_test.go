// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package c2s

import (
	"fmt"
	"testing"
	"time"
)

// TestFailures checks that after a burst of failures there is one a while, that they are
// counted for each name alone, and that those that came all at once are not forgiven.
func TestFailures(t *testing.T) {
	most := allowance{burst: 3, every: time.Second}
	var f failures
	now := time.Now()
	for range most.burst {
		if !f.leave(now, "romeo") {
			t.Fatal("no leave to try, and there were few failures")
		}
		f.add(now, most, "romeo")
	}
	leave := func(name string, later time.Duration, want bool) {
		t.Helper()
		if got := f.leave(now.Add(later), name); got != want {
			t.Errorf("%s, %v later: got leave %v, want %v", name, later, got, want)
		}
	}
	leave("romeo", 0, false)
	leave("juliet", 0, true)
	leave("romeo", 900*time.Millisecond, false)
	leave("romeo", time.Second, true)
	for range 10 { // that began before
		f.add(now, most, "romeo")
	}
	leave("romeo", 10*time.Second, false)
	leave("romeo", 11*time.Second, true)
}

// TestFailuresAreBounded checks that the table has an end, and that who fails again is not
// forgotten for all that came since.
func TestFailuresAreBounded(t *testing.T) {
	most := allowance{burst: 1, every: time.Hour}
	var f failures
	now := time.Now()
	for i := range 3 * maxFailures {
		f.add(now, most, fmt.Sprint(i))
		if i%1000 == 0 {
			f.add(now, most, "romeo")
		}
		if f.leave(now, "romeo") {
			t.Fatal("romeo was forgotten")
		}
	}
	if n := len(f.newer) + len(f.older); n > maxFailures {
		t.Errorf("%d names are remembered, want %d at most", n, maxFailures)
	}
}
