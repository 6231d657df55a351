// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// cellVariable is the variable of the environment by which a process is told that it
// is to measure a single cell. Each is measured in a process of its own, so that none
// inherits a heap.
const cellVariable = "UNTILACK_BENCHMARK_CELL"

// The orders in which packets are settled.
const (
	inOrder     = "in order"
	randomOrder = "random"
)

// A cell is one measurement.
type cell struct {
	Kind       string `json:"kind"`
	Contender  string `json:"contender"`
	Waiting    int    `json:"waiting,omitempty"`
	Goroutines int    `json:"goroutines,omitempty"`
	Order      string `json:"order,omitempty"`
	Owning     bool   `json:"owning,omitempty"`
	Pairs      int    `json:"pairs,omitempty"`
}

// values are what was measured in a cell, by name.
type values map[string]float64

// measurements are the kinds of cells.
var measurements = map[string]func(cell) (values, error){
	"pairs":  measurePairs,
	"expiry": measureExpiry,
	"burst":  measureBurst,
	"kept":   measureKept,
	"empty":  measureEmpty,
	"erlang": measureErlang,
}

// isCell reports whether this process is to measure a cell.
func isCell() bool { return os.Getenv(cellVariable) != "" }

// runCell measures the cell that the environment names, and writes what it found.
func runCell(out io.Writer) error {
	var c cell
	if err := json.Unmarshal([]byte(os.Getenv(cellVariable)), &c); err != nil {
		return fmt.Errorf("%s: %w", cellVariable, err)
	}
	measure, ok := measurements[c.Kind]
	if !ok {
		return fmt.Errorf("no measurement is called %q", c.Kind)
	}
	v, err := measure(c)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(v)
}

// spawn measures a cell in a new process.
func (c cell) spawn() (values, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	command := exec.Command(self)
	command.Env = append(os.Environ(), cellVariable+"="+string(text), "GOMEMLIMIT="+memoryLimit)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", text, err), errors.New(stderr.String()))
	}
	var v values
	return v, json.Unmarshal(out, &v)
}

// memoryLimit makes the collector work harder before the machine's memory is all
// used: timers that were stopped are garbage that the runtime keeps for a while.
const memoryLimit = "12GiB"
