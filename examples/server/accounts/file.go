// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package accounts

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"
)

// Make writes a file of accounts with those names and passwords of its own, unless there
// is one already.
func Make(path string, names ...string) error {
	var text strings.Builder
	text.WriteString("# name:password, one a line\n")
	for _, name := range names {
		fmt.Fprintf(&text, "%s:%s\n", name, strings.ToLower(rand.Text()[:12]))
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	_, err = file.WriteString(text.String())
	return errors.Join(err, file.Close())
}

// Open reads the accounts of the file at path, one a line. It is read again when it has
// changed: who is not in it any more can not log in again. If there is a fault in it then, what
// was known stays known, and log tells the operator. A file that is gone changes nothing.
func (a *Accounts) Open(path string, log *slog.Logger) error {
	a.path, a.log = path, log
	return a.open()
}

// open reads the file. Whatever is wrong with it, it is not read again before it has changed.
func (a *Accounts) open() error {
	passwords, info, err := a.readFile()
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if info != nil {
		a.read = info
	}
	if err != nil {
		return fmt.Errorf("accounts: %s: %w", a.path, err)
	}
	a.passwords = passwords
	return nil
}

func (a *Accounts) readFile() (passwords map[string]string, info fs.FileInfo, err error) {
	file, err := os.Open(a.path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, nil, err
	}
	passwords, err = a.parseAll(file)
	return passwords, info, err
}

// refresh reads the file again if it has changed. It does not look whether it has if it did
// so within the time given.
func (a *Accounts) refresh(within time.Duration) {
	if a.path == "" || !a.mayLook(within) {
		return
	}
	a.reading.Lock()
	defer a.reading.Unlock()
	if !a.hasChanged() {
		return
	}
	if err := a.open(); err != nil {
		a.log.Error("accounts stay as they were", "error", err)
	}
}

// mayLook reports whether it was not looked at the file for some time, and notes that it is now.
func (a *Accounts) mayLook(within time.Duration) bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	now := time.Now()
	if now.Sub(a.looked) < within {
		return false
	}
	a.looked = now
	return true
}

// hasChanged reports whether the file is there, and another one than that which was read.
func (a *Accounts) hasChanged() bool {
	a.mutex.Lock()
	read := a.read
	a.mutex.Unlock()
	is, err := os.Stat(a.path)
	return err == nil && !(os.SameFile(is, read) && is.ModTime().Equal(read.ModTime()) && is.Size() == read.Size())
}
