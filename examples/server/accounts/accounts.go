// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package accounts knows who may log in, and by which password: a list in a file, or in
// flags.
package accounts

import (
	"bufio"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"strings"
	"sync"

	"github.com/xdg-go/scram"
	"github.com/xdg-go/stringprep"
	"mellium.im/xmpp/jid"
)

// iterations is how often SCRAM hashes a password (RFC 7677 §4).
const iterations = 4096

var errLine = errors.New("accounts: not name:password")

// Accounts are those of one domain. It is safe for concurrent use by multiple goroutines.
type Accounts struct {
	domain  string
	unknown []byte // what those who do not exist are made up from

	mutex     sync.Mutex
	passwords map[string]string
	derived   map[string]derived // by mechanism and name: each costs a millisecond
	path      string             // of the file that was opened, "" if none was
	read      fs.FileInfo        // that file as it was when it was read
}

// A derived is what SCRAM checks a password by.
type derived struct {
	password    string
	credentials scram.StoredCredentials
}

// New returns the accounts of a domain, none so far.
func New(domain string) *Accounts {
	unknown := make([]byte, sha256.Size)
	rand.Read(unknown)
	return &Accounts{
		domain: domain, passwords: make(map[string]string), unknown: unknown,
		derived: make(map[string]derived),
	}
}

// Add adds an account, given as name:password.
func (a *Accounts) Add(line string) error {
	name, password, ok := strings.Cut(line, ":")
	if !ok || password == "" {
		return errLine
	}
	address, err := jid.New(name, a.domain, "")
	if err != nil || name == "" {
		return fmt.Errorf("%w: the name %q is not one", errLine, name)
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.passwords[address.Localpart()] = password
	return nil
}

// Read adds the accounts of a file, one a line. Empty lines and those that begin with # are
// left out.
func (a *Accounts) Read(file io.Reader) error {
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := a.Add(line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return lines.Err()
}

// Len returns how many there are.
func (a *Accounts) Len() int { return len(a.Passwords()) }

// Passwords returns the passwords by name, for a page on loopback that logs in by itself.
func (a *Accounts) Passwords() map[string]string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return maps.Clone(a.passwords)
}

// Has reports whether there is an account of that name, normalised as in an address.
func (a *Accounts) Has(name string) bool {
	_, ok := a.password(name)
	return ok
}

// password returns that of an account. An account that is not known may have been added to
// the file since that was read.
func (a *Accounts) password(name string) (password string, ok bool) {
	a.mutex.Lock()
	password, ok = a.passwords[name]
	a.mutex.Unlock()
	if ok || !a.reread() {
		return password, ok
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	password, ok = a.passwords[name]
	return password, ok
}

// Check reports whether that is the account's password.
func (a *Accounts) Check(name, password string) bool {
	a.reread() // it may have been changed
	want, ok := a.password(name)
	x, y := sha256.Sum256([]byte(prepared(want))), sha256.Sum256([]byte(prepared(password)))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1 && ok
}

// prepared returns a password as SCRAM compares it, too (RFC 4616 §2). What can not be prepared
// stays as it is.
func prepared(password string) string {
	if p, err := stringprep.SASLprep.Prepare(password); err == nil {
		return p
	}
	return password
}

// Mechanism returns what SCRAM needs of a hash, or nil if there is none of that name.
func Mechanism(name string) func() hash.Hash {
	switch name {
	case "SCRAM-SHA-1":
		return sha1.New
	case "SCRAM-SHA-256":
		return sha256.New
	}
	return nil
}

// Credentials returns what SCRAM checks a password by. Those of an account that does not
// exist look like any others, and fit no password: nobody is told who exists.
func (a *Accounts) Credentials(mechanism, name string) (scram.StoredCredentials, error) {
	a.reread() // it may have been changed
	password, exists := a.password(name)
	if !exists {
		return a.madeUp(mechanism, name), nil
	}
	a.mutex.Lock()
	known, ok := a.derived[mechanism+" "+name]
	a.mutex.Unlock()
	if ok && known.password == password {
		return known.credentials, nil
	}
	made, err := derive(mechanism, name, password)
	if err != nil {
		return made, fmt.Errorf("accounts: %w", err)
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.derived[mechanism+" "+name] = derived{password, made}
	return made, nil
}

// derive returns what SCRAM checks a password by, with a new salt.
func derive(mechanism, name, password string) (scram.StoredCredentials, error) {
	client, err := scram.HashGeneratorFcn(Mechanism(mechanism)).NewClient(name, password, "")
	if err != nil {
		return scram.StoredCredentials{}, err
	}
	return client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: rand.Text(), Iters: iterations})
}

// madeUp returns credentials that are the same each time.
func (a *Accounts) madeUp(mechanism, name string) scram.StoredCredentials {
	part := func(label string) []byte {
		m := hmac.New(Mechanism(mechanism), a.unknown)
		io.WriteString(m, label+" "+name)
		return m.Sum(nil)
	}
	salt := fmt.Sprintf("%X", part("salt"))[:len(rand.Text())]
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: salt, Iters: iterations},
		StoredKey:  part("stored"), ServerKey: part("server"),
	}
}
