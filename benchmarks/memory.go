// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"runtime"
	"time"
)

// heapInUse returns how many bytes are in use when all garbage is collected.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // what the first found to be finalised or pooled
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// collection returns how many milliseconds one collection of the garbage takes.
func collection() float64 {
	start := time.Now()
	runtime.GC()
	return milliseconds(time.Since(start))
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
