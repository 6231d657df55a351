// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package accounts

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
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

// Open is Read of the file at path. If that has changed, it is read again when somebody logs
// in, or when an account is looked for that is not there.
func (a *Accounts) Open(path string) error {
	a.mutex.Lock()
	a.path = path
	a.mutex.Unlock()
	return a.open(path)
}

func (a *Accounts) open(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	now := New(a.domain)
	if err == nil {
		err = now.Read(file)
	}
	if err != nil {
		return fmt.Errorf("accounts: %s: %w", path, err)
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.read, a.passwords = info, now.passwords
	return nil
}

// reread reports whether the file has changed and was read again. One with a fault in it
// is passed over until it has changed again; what was known stays known.
func (a *Accounts) reread() bool {
	a.mutex.Lock()
	path, read := a.path, a.read
	a.mutex.Unlock()
	if path == "" || read == nil {
		return false
	}
	is, err := os.Stat(path)
	if err != nil || is.ModTime().Equal(read.ModTime()) && is.Size() == read.Size() {
		return false
	}
	return a.open(path) == nil
}
