// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// throw returns the dice of a seed.
func throw(seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 184))
	data := make([]byte, 40+random.IntN(400))
	if seed%16 == 15 {
		data = make([]byte, 3000) // a long life
	}
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

// worlds returns how many worlds a test simulates: UNTILACK_WORLDS, if it is set.
func worlds(t testing.TB, n int) uint64 {
	if s, err := strconv.Atoi(os.Getenv("UNTILACK_WORLDS")); err == nil {
		return uint64(s)
	}
	if testing.Short() || detector {
		n /= 10
	}
	return uint64(n)
}

// shrink returns less dice that break the same rule.
func shrink(data []byte, rule string) []byte {
	enough := time.Now().Add(10 * time.Second)
	for size := len(data) / 2; size > 0; {
		smaller := false
		for at := 0; at+size <= len(data) && time.Now().Before(enough); at += size {
			rest := append(append([]byte(nil), data[:at]...), data[at+size:]...)
			if _, broken := simulate(rest); broken != nil && broken.rule == rule {
				data, smaller = rest, true
				break
			}
		}
		if !smaller {
			size /= 2
		}
	}
	return data
}

// holds fails the test if the world of some dice breaks an invariant.
func holds(t *testing.T, data []byte) {
	t.Helper()
	_, broken := simulate(data)
	if broken == nil {
		return
	}
	least := shrink(data, broken.rule)
	_, broken = simulate(least)
	t.Errorf("%v\ndice: %x", broken, least)
}

func TestTheInvariantsHoldInEveryWorld(t *testing.T) {
	start := time.Now()
	for seed := range worlds(t, 4000) {
		if holds(t, throw(seed)); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		if os.Getenv("UNTILACK_WORLDS") == "" && time.Since(start) > 12*time.Second {
			t.Logf("%d worlds", seed+1) // enough for one time; the race detector is slow
			return
		}
	}
}

func TestTheSameEventsGiveTheSameEffects(t *testing.T) {
	for seed := range worlds(t, 300) {
		first, _ := simulate(throw(seed))
		second, _ := simulate(throw(seed))
		if diff := cmp.Diff(first.log, second.log); diff != "" {
			t.Fatalf("seed %d (-first +second):\n%s", seed, diff)
		}
	}
}

func FuzzWorld(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(throw(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1000 {
			t.Skip()
		}
		holds(t, data)
	})
}
