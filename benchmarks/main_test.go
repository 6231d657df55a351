// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if isCell() {
		main()
		return
	}
	os.Exit(m.Run())
}

// The command measures, and writes a table, a plot and all results.
func TestRun(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // a process that looks for races lingers for a second
	directory := t.TempDir()
	svg, results := filepath.Join(directory, "a.svg"), filepath.Join(directory, "a.json")
	var out strings.Builder
	err := run([]string{"-sizes", "1e3,2e3", "-ops", "2000", "-rounds", "2", "-only", "bare-sharded,sharded-afterfunc",
		"-quick", "-svg", svg, "-json", results}, &out, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"1e3 waiting", "2e3 waiting", "bare-sharded", "sharded-afterfunc", "not measured"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("there is no %q in\n%s", text, &out)
		}
	}
	checkSVG(t, svg)
	checkJSON(t, results)
}

func checkSVG(t *testing.T, name string) {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 20_000 {
		t.Errorf("the plot has %d bytes", len(text))
	}
	for d := xml.NewDecoder(strings.NewReader(string(text))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
}

func checkJSON(t *testing.T, name string) {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var report struct{ Cells []cellReport }
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(report.Cells, func(c cellReport) bool {
		return c.Cell.Contender == "bare-sharded" && c.Medians["wall ns"] > 0 && len(c.Rounds) == 2
	}) {
		t.Errorf("there is no bare-sharded with two rounds in\n%s", text)
	}
}

func TestFlags(t *testing.T) {
	for _, wrong := range [][]string{{"-sizes", "many"}, {"-sizes", "1"}, {"-only", "nobody"}, {"-rounds", "0"}, {"-nothing"}} {
		if err := run(wrong, io.Discard, io.Discard); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

// What is measured besides works with few packets too.
func TestOthers(t *testing.T) {
	for _, c := range []cell{
		{Kind: "burst", Waiting: 1000},
		{Kind: "kept", Waiting: 1000},
		{Kind: "empty"},
		{Kind: "expiry", Contender: "map-afterfunc", Waiting: 10},
		{Kind: "expiry", Contender: "untilack", Waiting: 10},
	} {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			v, err := measurements[c.Kind](c)
			if err != nil {
				t.Fatal(err)
			}
			if v["early"] > 0 || v["undelivered"] > 0 {
				t.Error(v)
			}
		})
	}
}
