// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package servers runs XMPP servers of a test's own, prosody, ejabberd and examples/server, and other
// people's clients that log in to them: slixmpp, aioxmpp, stanza, @xmpp/client and go-sendxmpp in
// processes, converse.js in a browser.
//
// All of them listen on loopback alone. What is missing skips the test with one line, or
// fails it if UNTILACK_REQUIRE is "all".
package servers

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/template"
	"time"

	"mellium.im/xmpp/jid"
)

// domain is that of all servers. Nobody looks it up.
const domain = "capulet.example"

// startTime is how long a server has to start, beside others on a busy machine.
const startTime = 2 * time.Minute

// patience is how long a client may be silent.
const patience = 30 * time.Second

// errMissing is what an error wraps if a program is not installed.
var errMissing = errors.New("not installed")

// A Server is an XMPP server that runs. Its fields are not to be changed.
type Server struct {
	Name         string // of the program
	Domain       string
	Address      string // of its port for clients, with STARTTLS: "127.0.0.1:port"
	WebSocketURL string // without TLS
	CA           *x509.CertPool
	CAFile       string // the same, in PEM

	kind       *kind
	process    *process
	dir        string // where all of its files are
	keyFile    string
	webAddress string // of its port for WebSockets
}

// An Account is one on a Server.
type Account struct {
	Address  jid.JID // bare
	Password string
}

// A kind is a program that is a server: how it is started and gets an account.
type kind struct {
	name          string
	configuration string // the name of the file
	template      string // of what is in it
	command       func(*Server) (*exec.Cmd, error)
	register      func(s *Server, name, password string) error
	plain         bool // whether clients may log in without TLS, by SASL PLAIN

	// packaged has other people's server run with the settings that its package of Debian brings,
	// limits and all, as far as a test can.
	packaged bool
	settings string // where the package puts them

	once   sync.Once
	shared *Server
	err    error
}

// Prosody returns the prosody that all tests of a program share, which the first call
// starts. TestMain has to call StopShared.
func Prosody(t testing.TB) *Server {
	t.Helper()
	return prosody.need(t)
}

// Ejabberd returns the ejabberd that all tests of a program share, which the first call
// starts. TestMain has to call StopShared.
func Ejabberd(t testing.TB) *Server {
	t.Helper()
	return ejabberd.need(t)
}

// Each runs a test with each of the servers, side by side: they wait most of the time.
func Each(t *testing.T, test func(*testing.T, *Server)) { with(t, kinds, test) }

// EachAsPackaged is Each with the settings that Debian's packages bring for other people's
// servers: their limits on rates and on offline messages above all.
func EachAsPackaged(t *testing.T, test func(*testing.T, *Server)) { with(t, asPackaged, test) }

// EachWithPatience is Each for clients that may be slow, as browsers side by side on a busy machine
// are, and never dark: ours does not think so before a test ends that waits for them.
func EachWithPatience(t *testing.T, test func(*testing.T, *Server)) { with(t, withPatience, test) }

// Others runs a test with each of the servers that lose what a link swallows: other people's.
func Others(t *testing.T, test func(*testing.T, *Server)) {
	with(t, []*kind{&prosody, &ejabberd}, test)
}

func with(t *testing.T, kinds []*kind, test func(*testing.T, *Server)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			test(t, k.need(t))
		})
	}
}

var (
	kinds      = []*kind{&prosody, &ejabberd, &untilack}
	asPackaged = []*kind{prosody.with(Options{Packaged: true}), ejabberd.with(Options{Packaged: true}), &untilack}

	withPatience = []*kind{&prosody, &ejabberd, untilack.with(Options{Args: []string{"-probe-wait", (2 * patience).String()}})}
)

// StopShared stops the servers that the tests share.
func StopShared() {
	for _, k := range slices.Concat(kinds, asPackaged, withPatience) {
		if k.shared != nil {
			k.shared.stop()
		}
	}
	if built != "" {
		os.RemoveAll(built)
	}
}

// need returns the shared server, whose log is shown if the test fails.
func (k *kind) need(t testing.TB) *Server {
	t.Helper()
	k.once.Do(func() { k.shared, k.err = start(k) })
	require(t, k.err)
	logged := k.shared.process.log.len()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s says:\n%s", k.name, k.shared.process.log.since(logged))
		}
	})
	return k.shared
}

// require skips the test if the error says that a program is not installed, and that does
// not matter, and ends it at any other.
func require(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errMissing) && os.Getenv("UNTILACK_REQUIRE") != "all" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// missing returns the error for a program, or a part of one, that a package of Debian has.
func missing(program, pkg string) error {
	return fmt.Errorf("%s is %w (Debian's package %s)", program, errMissing, pkg)
}

// start starts a server in a new folder, and returns when it answers.
func start(k *kind) (*Server, error) {
	dir, err := os.MkdirTemp("", k.name)
	if err != nil {
		return nil, err
	}
	s := &Server{Name: k.name, Domain: domain, kind: k, process: &process{}, dir: dir}
	s.keyFile, s.CAFile = s.file("key.pem"), s.file("certificate.pem")
	if err := s.run(); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) run() (err error) {
	if s.CA, err = certify(s.Domain, s.keyFile, s.CAFile); err != nil {
		return err
	}
	if err := s.findPorts(); err != nil {
		return err
	}
	command, err := s.kind.command(s)
	if err != nil {
		return err
	}
	if err := s.configure(); err != nil {
		return err
	}
	if err := s.process.startLeashed(command); err != nil {
		return err
	}
	return s.await()
}

// findPorts chooses ports that are free now.
func (s *Server) findPorts() error {
	for _, address := range []*string{&s.Address, &s.webAddress} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer listener.Close() // after both are chosen
		*address = listener.Addr().String()
	}
	return nil
}

// configure writes the server's configuration.
func (s *Server) configure() error {
	if s.kind.packaged {
		if err := readable(s.kind.settings); err != nil {
			return err
		}
	}
	file, err := os.Create(s.file(s.kind.configuration))
	if err != nil {
		return err
	}
	defer file.Close()
	return template.Must(template.New("").Parse(s.kind.template)).Execute(file, map[string]any{
		"Domain": s.Domain, "Dir": s.dir, "Certificate": s.CAFile, "Key": s.keyFile,
		"Port": port(s.Address), "WebPort": port(s.webAddress), "Plain": s.kind.plain,
		"Packaged": s.kind.packaged, "Settings": s.kind.settings,
	})
}

// readable returns an error if a file of a package can not be read, which may take root.
func readable(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return file.Close()
}

// port returns that of an address.
func port(address string) string { return address[strings.LastIndex(address, ":")+1:] }

// file returns the path of one of the server's files.
func (s *Server) file(name string) string { return filepath.Join(s.dir, name) }

// await returns when the server accepts connections.
func (s *Server) await() error {
	end := time.Now().Add(startTime)
	for _, address := range []string{s.Address, s.webAddress} {
		for {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				conn.Close()
				break
			}
			if time.Now().After(end) {
				return fmt.Errorf("%s does not answer: %w\n%s", s.Name, err, s.process.log.since(0))
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return nil
}

func (s *Server) stop() {
	s.process.stop()
	os.RemoveAll(s.dir)
}

// accounts counts those that were made.
var accounts atomic.Int64

// Account makes a new account. Its name is the given one, with a number behind it.
func (s *Server) Account(t testing.TB, name string) Account {
	t.Helper()
	name = fmt.Sprint(name, accounts.Add(1))
	a := Account{Address: jid.MustParse(name + "@" + s.Domain), Password: rand.Text()}
	if err := s.kind.register(s, name, a.Password); err != nil {
		t.Fatalf("no account for %s: %v", name, err)
	}
	return a
}
