// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"sync/atomic"
	"time"
)

const (
	sendersEach  = 4                       // who write to each recipient
	mostAccounts = 100_000                 // recipients at most
	ackWait      = 30 * time.Second        // until a packet is due
	longerWait   = 10 * time.Minute        // for contenders that go by the machine's time: no cell takes as long
	turnover     = 10 * time.Second        // in which as many packets are put as wait
	tickLength   = 10 * time.Millisecond   // how often what is due is asked for
	pairsPerTick = 100                     // at least, so that few packets do not mean that little else is done
	neverSettled = 100                     // one of so many
	batchSize    = 16                      // packets in a batch
	turnsOfWait  = int(ackWait / turnover) // how often all is settled until a packet is due
)

// A load is a steady stream of packets into one contender: each time one is put,
// another is settled, and few stay until they are due.
type load struct {
	entrant
	contender contender
	random    bool
	wait      time.Duration // that the contender is told
	step      time.Duration // between two ticks
	missing   atomic.Int64  // receipts that found nothing
	expired   atomic.Int64
	elapsed   atomic.Int64 // of the harness's own time
	workers   []*worker
}

// epoch is when the harness's time begins.
var epoch = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// recipientsFor returns how many accounts so many packets are for.
func recipientsFor(waiting int) uint32 {
	return uint32(max(1, min(mostAccounts, waiting/10)))
}

// newLoad returns a load with all memory of its own allocated, and no contender yet.
func newLoad(e entrant, c cell) *load {
	period := max(min(pairsPerTick, c.Waiting/10), int(int64(c.Waiting)*int64(tickLength)/int64(turnover)))
	l := &load{
		entrant: e,
		random:  c.Order == randomOrder,
		wait:    ackWait,
		step:    time.Duration(int64(turnover) * int64(period) / int64(c.Waiting)),
	}
	if e.clock == realClock {
		l.wait = longerWait
	}
	for i := range c.Goroutines {
		l.workers = append(l.workers, newWorker(l, c, i, period/c.Goroutines))
	}
	return l
}

// build makes the contender.
func (l *load) build(owning bool) {
	l.contender = l.entrant.build(setting{owning, func([]byte) { l.expired.Add(1) }})
}

// fill puts packets as if the stream had been there for ever: of what was put before
// the last packets that wait, only what is never settled is left.
func (l *load) fill() {
	share := l.workers[0].share
	for step := range turnsOfWait * share {
		for _, w := range l.workers {
			if number := w.take(); never(number) {
				w.linger(number, w.put(number))
			} else if step >= (turnsOfWait-1)*share {
				w.await(number, w.put(number))
			}
			w.pass(1)
		}
	}
	for _, w := range l.workers {
		w.turn()
	}
}

// run lets each worker do its part of the pairs, and returns how many they were.
func (l *load) run(pairs int) int {
	each := pairs / len(l.workers)
	done := make(chan struct{})
	for _, w := range l.workers {
		go func() {
			w.run(each)
			done <- struct{}{}
		}()
	}
	for range l.workers {
		<-done
	}
	return each * len(l.workers)
}
