// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package powercut

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// An operation is what was done to a file.
type operation string

const (
	write    operation = "write"
	truncate operation = "truncate"
	remove   operation = "remove"
	synced   operation = "sync"
)

// A record is one thing that was done. It is written down when it is done.
type record struct {
	Op     operation
	File   string // its name without the folder
	Offset int64  `json:",omitempty"` // of a write, or the new size
	Data   []byte `json:",omitempty"`
	Before int    `json:",omitempty"` // a sync covers what stands before this record
}

// A journal is where records go. They outlive the process.
type journal struct {
	mu    sync.Mutex
	file  *os.File
	count int
	err   error // that of the first record that could not be written
}

func (j *journal) add(r record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		_, j.err = j.file.Write(append(line, '\n'))
		j.count++
	}
	return j.err
}

// next returns the number of the next record.
func (j *journal) next() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.count
}

// read returns all records of a file. The last one may have been cut.
func read(path string) (records []record, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		var r record
		if err := json.Unmarshal(bytes.TrimSpace(line), &r); err != nil {
			return nil, fmt.Errorf("powercut: record %d: %w", len(records), err)
		}
		records = append(records, r)
	}
}
