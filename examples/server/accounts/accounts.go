// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package accounts knows who may log in, and by which password: a list in a file, or in
// flags. Nobody is told who exists, neither by what is answered nor by how long that takes.
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
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

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
	secret  string       // the password of all who do not exist, and what salts are made from
	path    string       // of the file that was opened, "" if none was
	log     *slog.Logger // for that file
	reading sync.Mutex   // held while that file is read again

	mutex     sync.Mutex
	passwords map[string]string
	derived   map[string]derived // by mechanism and name: each costs a millisecond
	read      fs.FileInfo        // the file as it was when it was read
	looked    time.Time          // when it was last looked whether it has changed
}

// maxDerived is how many derived are remembered. If there are more, all are forgotten.
const maxDerived = 8192

// A derived is what SCRAM checks a password by.
type derived struct {
	password    string
	credentials scram.StoredCredentials
}

// New returns the accounts of a domain, none so far.
func New(domain string) *Accounts {
	return &Accounts{domain: domain, secret: rand.Text(), passwords: make(map[string]string), derived: make(map[string]derived)}
}

// Add adds an account, given as name:password.
func (a *Accounts) Add(line string) error {
	name, password, err := a.parse(line)
	if err != nil {
		return err
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.passwords[name] = password
	return nil
}

// parse parses name:password. The name it returns is normalised as in an address.
func (a *Accounts) parse(line string) (name, password string, err error) {
	name, password, ok := strings.Cut(line, ":")
	if !ok || password == "" {
		return "", "", errLine
	}
	address, err := jid.New(name, a.domain, "")
	if err != nil || name == "" {
		return "", "", fmt.Errorf("%w: the name %q is not one", errLine, name)
	}
	return address.Localpart(), password, nil
}

// parseAll returns the passwords of a file's accounts, one a line. Empty lines and those that
// begin with # are left out.
func (a *Accounts) parseAll(file io.Reader) (map[string]string, error) {
	passwords := make(map[string]string)
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, password, err := a.parse(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		passwords[name] = password
	}
	return passwords, lines.Err()
}

// Passwords returns the passwords by name, for a page on loopback that logs in by itself.
func (a *Accounts) Passwords() map[string]string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return maps.Clone(a.passwords)
}

// Has reports whether there is an account of that name, normalised as in an address. One that
// was added to the file a second ago may not be known yet.
func (a *Accounts) Has(name string) bool {
	if _, ok := a.password(name); ok {
		return true
	}
	a.refresh(time.Second)
	_, ok := a.password(name)
	return ok
}

// password returns that of an account, as it is known.
func (a *Accounts) password(name string) (password string, ok bool) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	password, ok = a.passwords[name]
	return password, ok
}

// Check reports whether that is the account's password.
func (a *Accounts) Check(name, password string) bool {
	a.refresh(0)
	want, ok := a.password(name)
	if !ok {
		want = a.secret
	}
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

// Credentials returns what SCRAM checks a password by. Who does not exist has a password too,
// that nobody knows.
func (a *Accounts) Credentials(mechanism, name string) (scram.StoredCredentials, error) {
	a.refresh(0)
	password, exists := a.password(name)
	if !exists {
		password = a.secret
	}
	key := mechanism + " " + name
	a.mutex.Lock()
	known, ok := a.derived[key]
	a.mutex.Unlock()
	if ok && known.password == password {
		return known.credentials, nil
	}
	made, err := a.derive(mechanism, name, password)
	if err != nil {
		return made, fmt.Errorf("accounts: %w", err)
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if len(a.derived) >= maxDerived {
		clear(a.derived)
	}
	a.derived[key] = derived{password, made}
	return made, nil
}

// derive returns what SCRAM checks a password by. The salt of a name is always the same: one
// that changed would tell who exists.
func (a *Accounts) derive(mechanism, name, password string) (scram.StoredCredentials, error) {
	client, err := scram.HashGeneratorFcn(Mechanism(mechanism)).NewClient(name, password, "")
	if err != nil {
		return scram.StoredCredentials{}, err
	}
	m := hmac.New(sha256.New, []byte(a.secret))
	io.WriteString(m, mechanism+" "+name)
	return client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(m.Sum(nil)[:16]), Iters: iterations})
}
