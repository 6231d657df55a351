// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

func TestConclude(t *testing.T) {
	for _, test := range []struct {
		name   string
		report Report
		want   int
	}{
		{"all is well", Report{Counts: counts{Reconnects: 1}}, 0},
		{"lost", Report{Counts: counts{Reconnects: 1, Lost: 1}}, exitFailed},
		{"left waiting", Report{Counts: counts{Reconnects: 1}, Waiting: 1}, exitFailed},
		{"left in the store", Report{Counts: counts{Reconnects: 1}, Stored: 1}, exitFailed},
		{"goroutines", Report{Counts: counts{Reconnects: 1}, GoroutinesBefore: 3, GoroutinesAfter: 4}, exitFailed},
		{"memory", Report{Counts: counts{Reconnects: 1}, Config: Config{Memory: 1 << 20}, Peak: usage{RSS: 2 << 20}}, exitFailed},
		{"enough memory", Report{Counts: counts{Reconnects: 1}, Config: Config{Memory: 2 << 20}, Peak: usage{RSS: 2 << 20}}, 0},
		{"never struck", Report{}, exitNotStruck},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, options := range []options{{}, {json: true}} {
				var out, problems bytes.Buffer
				if test.want != exitNotStruck {
					test.report.Faults = map[string]int{"reset": 1}
				}
				if got := conclude(&test.report, options, &out, &problems); got != test.want {
					t.Errorf("exit status %d, want %d: %s", got, test.want, &problems)
				}
				if out.Len() == 0 || (problems.Len() > 0) != (test.want != 0) {
					t.Errorf("said %q and %q", &out, &problems)
				}
			}
		})
	}
}

func TestParse(t *testing.T) {
	for _, arguments := range []string{
		"-for 0s", "-clients 0", "-senders 0", "-rate 0", "-every 0s", "-loss 1", "-bandwidth -1", "-delay -1s",
		"-memory much", "-memory -1", "-unknown", "more",
	} {
		if _, _, err := parse(strings.Fields(arguments), io.Discard); err == nil {
			t.Errorf("%s: no error", arguments)
		}
	}
	config, options, err := parse(strings.Fields("-for 1h -memory 256MiB -quiet -seed 7"), io.Discard)
	if err != nil || config.For != time.Hour || config.Memory != 256<<20 || config.Seed != 7 || !options.quiet {
		t.Errorf("got %+v, %+v, %v", config, options, err)
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]size{"0": 0, "100": 100, "1KiB": 1 << 10, "256MiB": 256 << 20, "2GiB": 2 << 30} {
		var got size
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%s: got %d, %v", text, got, err)
		}
	}
	if got := size(256 << 20).String(); got != "256MiB" {
		t.Errorf("got %s", got)
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("of nothing: %s", got)
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * 10 * time.Millisecond)
	}
	for part, want := range map[float64]time.Duration{0.001: 10 * time.Millisecond, 0.5: 5 * time.Second, 0.99: 9900 * time.Millisecond, 1: 10 * time.Second} {
		got := h.quantile(part)
		if got < want*95/100 || got > want*105/100 {
			t.Errorf("%g: got %s, want about %s", part, got, want)
		}
	}
	h.add(time.Hour * 10_000) // beyond the last bucket
	if got := h.quantile(1); got < 9*time.Hour {
		t.Errorf("the longest: %s", got)
	}
}
