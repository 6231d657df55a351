// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"
)

// TestACity sends messages to many recipients whose clients and links are as bad
// as in all other Worlds: UNTILACK_MESSAGES of them, if it is set, by the dice of
// UNTILACK_SEED. Many are shared out to as many cities as there are processors.
// Clocks do not jump: then nodes forget what is forgotten here, too.
func TestACity(t *testing.T) {
	messages, cities := 20_000, 1
	if n, err := strconv.Atoi(os.Getenv("UNTILACK_MESSAGES")); err == nil {
		messages, cities = n, runtime.GOMAXPROCS(0)
	}
	seed, _ := strconv.ParseUint(os.Getenv("UNTILACK_SEED"), 10, 64)
	percent := debug.SetGCPercent(400)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
	for i := range cities {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			aCity(t, seed+uint64(i), messages/cities)
		})
	}
}

func aCity(t *testing.T, seed uint64, messages int) {
	start := time.Now()
	w := newWorld(t, &Options{Seed: seed, Unruly: true, Remember: max(5000, messages/25)})
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	a := author{chance: rand.New(rand.NewPCG(seed, 184)), nodes: 1, calm: 4000}
	for i := range 1000 {
		a.accounts = append(a.accounts, fmt.Sprintf("u%d@%s", i, DefaultDomain))
		for _, resource := range resources[:2] {
			w.Client(a.accounts[i] + "/" + resource).Behaves(Manners{Reconnects: time.Second}).LogsIn()
		}
	}
	for a.count < messages {
		a.now += time.Duration(a.chance.IntN(2_000_000))
		step := a.step()
		if step.Does == "has its clock set" {
			continue
		}
		w.play([]Step{step})
		w.recovers(step)
	}
	w.EndsWell()
	t.Logf("%d messages, %d read by somebody, %d repeated, in %s of the city's time and %s of ours",
		w.ledger.count, w.reads, w.copies-w.reads, w.now, time.Since(start))
}

// recovers ends trouble soon, so that the city goes on.
func (w *World) recovers(s Step) {
	c := w.clients[s.Who]
	switch {
	case s.Does == "crashes":
		w.after(50*time.Millisecond, w.nodes[0].Restarts)
	case s.Who == "store":
		w.after(500*time.Millisecond, w.store.ComesBack)
	case c != nil && s.Does != "acknowledges" && s.Does != "says":
		w.after(5*time.Second, func() {
			c.ReadsOn()
			c.Wakes()
			c.ComesBack()
		})
	}
}
