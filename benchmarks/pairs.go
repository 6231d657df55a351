// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"runtime"
	"time"
)

// measurePairs measures a steady stream.
func measurePairs(c cell) (values, error) {
	e, ok := entrantNamed(c.Contender)
	if !ok {
		return nil, fmt.Errorf("no contender is called %q", c.Contender)
	}
	l := newLoad(e, c)
	before := heapInUse()
	l.build(c.Owning)
	l.fill()
	waiting := max(1, l.contender.waiting())
	v := values{"waiting": float64(waiting)}
	perPacket := func() float64 {
		bytes := float64(heapInUse()-before) / float64(waiting)
		if e.copies || c.Owning {
			bytes -= stanzaSize
		}
		return bytes
	}
	v["memory"] = perPacket()
	l.run(min(c.Pairs, c.Waiting, 2*million)) // what was just filled has no holes yet
	l.measureRun(c.Pairs, v)
	waiting = max(1, l.contender.waiting())
	v["memory after"] = perPacket()
	v["gc ms"] = collection()
	if missing := l.missing.Load(); missing > 0 {
		return nil, fmt.Errorf("%s: %d receipts found nothing", c.Contender, missing)
	}
	l.contender.close()
	runtime.KeepAlive(l)
	return v, nil
}

// measureRun measures so many pairs.
func (l *load) measureRun(pairs int, v values) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, start := cpuTime(), time.Now()
	done := float64(l.run(pairs))
	wall := time.Since(start)
	cpu = cpuTime() - cpu
	runtime.ReadMemStats(&after)
	v["wall ns"] = float64(wall.Nanoseconds()) / done
	v["cpu ns"] = float64(cpu.Nanoseconds()) / done
	v["allocs"] = float64(after.Mallocs-before.Mallocs) / done
	v["bytes"] = float64(after.TotalAlloc-before.TotalAlloc) / done
	v["collections"] = float64(after.NumGC - before.NumGC)
}
