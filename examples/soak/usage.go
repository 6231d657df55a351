// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"context"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A usage is what the process takes, clients, proxies and server together.
type usage struct {
	Heap       uint64 `json:"heap_bytes"`     // objects
	Runtime    uint64 `json:"go_bytes"`       // all that Go has from the system
	RSS        uint64 `json:"resident_bytes"` // 0: the system does not say
	Goroutines int    `json:"goroutines"`
}

// measure returns the usage now.
func measure() usage {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	return usage{
		Heap:       samples[0].Value.Uint64(),
		Runtime:    samples[1].Value.Uint64() - samples[2].Value.Uint64(),
		RSS:        resident("VmRSS:"),
		Goroutines: runtime.NumGoroutine(),
	}
}

// resident returns a figure of Linux about the process's memory.
func resident(name string) uint64 {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == name {
			kilobytes, _ := strconv.ParseUint(fields[1], 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}

// A meter remembers the most that was used.
type meter struct {
	mutex sync.Mutex
	most  usage
}

// watch measures until ctx ends.
func (m *meter) watch(ctx context.Context) {
	for sleep(ctx, 250*time.Millisecond) {
		m.note(measure())
	}
}

func (m *meter) note(u usage) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.most.Heap = max(m.most.Heap, u.Heap)
	m.most.Runtime = max(m.most.Runtime, u.Runtime)
	m.most.RSS = max(m.most.RSS, u.RSS)
	m.most.Goroutines = max(m.most.Goroutines, u.Goroutines)
}

// peak returns the most that was used. The system knows of peaks between two
// measurements.
func (m *meter) peak() usage {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.most.RSS = max(m.most.RSS, resident("VmHWM:"))
	return m.most
}

// settleDown waits until there are no more goroutines than there were, and
// returns how many there are.
func settleDown(before int) int {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(pause) {
		if runtime.NumGoroutine() <= before {
			break
		}
	}
	return runtime.NumGoroutine()
}
