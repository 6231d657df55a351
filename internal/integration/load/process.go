// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A usage is what the processes of a server have used, by Linux's /proc.
type usage struct {
	cpu time.Duration
	rss int // bytes that are in memory now, those of the largest process
}

// clockTick is the unit of times in /proc, which is the same on all of Linux.
const clockTick = 10 * time.Millisecond

// usage returns what was used so far.
func (r *running) usage() (u usage, err error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return u, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name of the program, in parentheses, may have anything in it.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if len(fields) < 22 || fields[2] != strconv.Itoa(r.group) && pid != r.group {
			continue
		}
		var numbers [3]int
		for i, at := range []int{11, 12, 21} { // utime, stime, rss
			if numbers[i], err = strconv.Atoi(fields[at]); err != nil {
				return u, fmt.Errorf("%s: %w", file, err)
			}
		}
		u.cpu += time.Duration(numbers[0]+numbers[1]) * clockTick
		u.rss = max(u.rss, numbers[2]*os.Getpagesize())
	}
	if u.rss == 0 {
		return u, fmt.Errorf("no process of group %d in /proc", r.group)
	}
	return u, nil
}

// goroutines returns how many a server of our own has.
func (r *running) goroutines() (n int, err error) {
	answer, err := r.server.Get("/debug/pprof/goroutine?debug=1")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	line, err := bufio.NewReader(answer.Body).ReadString('\n')
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscanf(line, "goroutine profile: total %d", &n)
	return n, err
}
