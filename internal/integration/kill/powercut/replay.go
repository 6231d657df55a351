// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package powercut

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// sector is what a disk writes wholly or not at all.
const sector = 512

// Replay makes the folder to, with the files that are left after a loss of power: from is
// a copy of the folder from before log was begun, all of which was on the disk. survives
// is asked about each sector that was written and not synced, and about each change of a
// file's size, whether it has reached the disk.
func Replay(from, log, to string, survives func() bool) error {
	records, err := read(log)
	if err != nil {
		return err
	}
	d := disk{from: from, files: make(map[string]*image)}
	for i, r := range records {
		if err := d.do(i, r); err != nil {
			return err
		}
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	for name, f := range d.files {
		f.settle(survives)
		if err := f.save(filepath.Join(to, name)); err != nil {
			return err
		}
	}
	return nil
}

// A disk has the files that something was done to.
type disk struct {
	from  string
	files map[string]*image
}

// An image is what is on the disk of a file, and what is not there yet.
type image struct {
	exists  bool
	content []byte
	pending []pending
}

type pending struct {
	number int
	record
}

func (d *disk) do(number int, r record) error {
	f, err := d.open(r.File)
	if err != nil {
		return err
	}
	if r.Op == synced {
		f.sync(r.Before)
	} else {
		f.pending = append(f.pending, pending{number, r})
	}
	return nil
}

func (d *disk) open(name string) (*image, error) {
	if f := d.files[name]; f != nil {
		return f, nil
	}
	content, err := os.ReadFile(filepath.Join(d.from, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f := &image{exists: err == nil, content: content}
	d.files[name] = f
	return f, nil
}

// sync brings to the disk what was done before a record.
func (f *image) sync(before int) {
	f.exists = true
	kept := f.pending[:0]
	for _, p := range f.pending {
		if p.number < before {
			f.apply(p.record)
		} else {
			kept = append(kept, p)
		}
	}
	f.pending = kept
}

// settle brings to the disk what survives of the rest.
func (f *image) settle(survives func() bool) {
	for _, p := range f.pending {
		if p.Op != write {
			if survives() {
				f.apply(p.record)
			}
			continue
		}
		for start := 0; start < len(p.Data); {
			end := min(len(p.Data), start+sector-int(p.Offset+int64(start))%sector)
			if survives() {
				f.apply(record{Op: write, Offset: p.Offset + int64(start), Data: p.Data[start:end]})
			}
			start = end
		}
	}
	f.pending = nil
}

func (f *image) apply(r record) {
	f.exists = r.Op != remove
	switch r.Op {
	case write:
		f.resize(max(len(f.content), int(r.Offset)+len(r.Data)))
		copy(f.content[r.Offset:], r.Data)
	case truncate:
		f.resize(int(r.Offset))
	case remove:
		f.content = nil
	}
}

// resize cuts the content or fills it up with zeros.
func (f *image) resize(size int) {
	if size > len(f.content) {
		f.content = append(f.content, make([]byte, size-len(f.content))...)
	}
	f.content = f.content[:size]
}

func (f *image) save(path string) error {
	if f.exists {
		return os.WriteFile(path, f.content, 0o600)
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
