// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// A weather has one client's lines fail, over and over.
type weather struct {
	proxy  *proxy
	client *client
	every  time.Duration // between two faults, on average
	random *rand.Rand
	struck *tally
}

// A tally counts faults by their name.
type tally struct {
	mutex  sync.Mutex
	counts map[string]int
}

func (t *tally) add(f fault) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.counts[f.String()]++
}

// blow goes on until ctx ends.
func (w *weather) blow(ctx context.Context) {
	for sleep(ctx, time.Duration(w.random.ExpFloat64()*float64(w.every))) {
		b := draw(w.random)
		if !w.proxy.fail(b) {
			continue
		}
		w.struck.add(b.fault)
		if b.notice >= 0 && sleep(ctx, b.notice) {
			w.client.move(b.away)
		}
	}
}
