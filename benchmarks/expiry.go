// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	expiriesPerSecond = 1000
	shortestWait      = 50 * time.Millisecond
	longestWait       = 2 * time.Second
	patience          = 3 * time.Second // with what is late after all waits
)

// A watch compares when packets were due and when a contender said that they were.
type watch struct {
	deadlines []time.Time
	mu        sync.Mutex
	late      []time.Duration
}

func (w *watch) expired(stanza []byte) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late = append(w.late, now.Sub(w.deadlines[numberOf(stanza)]))
}

func (w *watch) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.late)
}

// measureExpiry puts packets with waits of all lengths, and measures by how much they
// are late, in the machine's time.
func measureExpiry(c cell) (values, error) {
	e, ok := entrantNamed(c.Contender)
	if !ok || e.clock == noClock {
		return nil, fmt.Errorf("no contender with deadlines is called %q", c.Contender)
	}
	w := &watch{deadlines: make([]time.Time, c.Waiting)}
	contender := e.build(setting{owning: true, expired: w.expired})
	defer contender.close()
	if e.clock == callerClock {
		defer ticking(contender)()
	}
	w.put(contender)
	for end := time.Now().Add(longestWait + patience); w.count() < c.Waiting && time.Now().Before(end); {
		time.Sleep(tickLength)
	}
	return w.values(), nil
}

// ticking lets a goroutine tell the contender the time, until the function that it
// returns is called.
func ticking(c contender) (stop func()) {
	ticker := time.NewTicker(tickLength)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ticker.C:
				c.tick(time.Now())
			case <-quit:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(quit)
		<-done
	}
}

// put puts the packets, evenly over time.
func (w *watch) put(c contender) {
	random := rand.New(rand.NewPCG(1, 2))
	m := newMessage()
	for start, i := time.Now(), 0; i < len(w.deadlines); i++ {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / expiriesPerSecond)))
		wait := shortestWait + time.Duration(random.Int64N(int64(longestWait-shortestWait)))
		write(m.stanza, uint32(i), recipientsFor(len(w.deadlines)))
		now := time.Now()
		w.mu.Lock()
		w.deadlines[i] = now.Add(wait)
		w.mu.Unlock()
		c.put(now, &m, wait)
	}
}

func (w *watch) values() values {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.late)
	v := values{"undelivered": float64(len(w.deadlines) - len(w.late))}
	early, _ := slices.BinarySearch(w.late, 0)
	v["early"] = float64(early)
	if last := len(w.late) - 1; last >= 0 {
		v["p50 ms"] = milliseconds(w.late[last/2])
		v["p99 ms"] = milliseconds(w.late[last*99/100])
		v["max ms"] = milliseconds(w.late[last])
	}
	return v
}
