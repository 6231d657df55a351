// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// untilack is our own: examples/server.
var untilack = kind{
	name:          "untilack",
	configuration: "accounts",
	template:      "# name:password, one a line\n",
	command:       untilackCommand,
	register:      registerInUntilack,
}

// Untilack returns the server of our own that all tests of a program share, which the first
// call starts. TestMain has to call StopShared.
func Untilack(t testing.TB) *Server {
	t.Helper()
	return untilack.need(t)
}

// UntilackOn starts a server of our own with what its messages are to be kept in, and with
// accounts of those names, whose passwords are "secret". It stops when the test ends.
func UntilackOn(t testing.TB, store string, names ...string) *Server {
	t.Helper()
	with := []string{"-store", store}
	for _, name := range names {
		with = append(with, "-account", name+":secret")
	}
	s, err := Start(untilack.name, Options{Args: with})
	require(t, err)
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("untilack says:\n%s", s.process.log.since(0))
		}
	})
	return s
}

// Kill ends the server at once, as kill -9 does.
func (s *Server) Kill() { s.process.stop() }

// untilackCommand builds the server first, which waits less for receipts than one for people
// would.
func untilackCommand(s *Server) (*exec.Cmd, error) {
	program, err := build()
	if err != nil {
		return nil, err
	}
	s.WebSocketURL = "ws://" + s.webAddress + "/xmpp-websocket"
	return exec.Command(program, "-domain", s.Domain, "-dir", s.dir, "-certificate", s.CAFile, "-key", s.keyFile,
		"-tcp", s.Address, "-tls", "", "-http", s.webAddress, "-https", "", "-ack-wait", "2s", "-probe-wait", "3s"), nil
}

// A Box is what a server of our own knows about an account, if that is some 200 messages at most.
type Box struct {
	Sessions int // how many it thinks there are
	Moving   int // messages on their way, or on a stream and not known to be read there
	Asleep   int // messages in the store alone: they wait for a session, or for the next one
	Read     int // messages that were read on a stream that lasts, and may be acknowledged still
}

// Waiting is how many messages there are of which the server does not know that they were read, or
// which go out once more.
func (b Box) Waiting() int { return b.Moving + b.Asleep }

// Left is how many messages the server has.
func (b Box) Left() int { return b.Waiting() + b.Read }

// Await waits until the server, one of our own, knows about an account what is wanted. It
// ends the test if that takes 30 seconds.
func (s *Server) Await(t testing.TB, a Account, what string, wanted func(Box) bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		box, err := s.look(a)
		switch {
		case err != nil:
			t.Fatal(err)
		case wanted(box):
			return
		case time.Now().After(end):
			t.Fatalf("%s of %s does not come; it has %+v", what, a.Address, box)
		}
	}
}

// look asks the server about an account.
func (s *Server) look(a Account) (Box, error) {
	r, err := http.Get("http://" + s.webAddress + "/debug/waiting?recipient=" + url.QueryEscape(a.Address.Bare().String()))
	if err != nil {
		return Box{}, err
	}
	defer r.Body.Close()
	var answer struct {
		Recipients []struct {
			Online  []string
			Waiting []struct{ State string }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return Box{}, fmt.Errorf("%s tells nothing about %s: %w", s.Name, a.Address, err)
	}
	one := answer.Recipients[0]
	box := Box{Sessions: len(one.Online)}
	for _, m := range one.Waiting {
		switch m.State {
		case "asleep":
			box.Asleep++
		case "read":
			box.Read++
		default:
			box.Moving++
		}
	}
	return box, nil
}

// build builds examples/server once, in a folder that StopShared removes.
var build = sync.OnceValues(func() (program string, err error) {
	if built, err = os.MkdirTemp("", "untilack"); err != nil {
		return "", err
	}
	program = filepath.Join(built, "server")
	_, here, _, _ := runtime.Caller(0)
	c := exec.Command("go", "build", "-o", program, "./server")
	c.Dir = filepath.Join(filepath.Dir(here), "../../../examples")
	if said, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("examples/server is not built: %w\n%s", err, said)
	}
	return program, nil
})

// built is the folder with what was built, "" if nothing was.
var built string

// registerInUntilack adds a line to the file that is read again when somebody is not found.
func registerInUntilack(s *Server, name, password string) error {
	file, err := os.OpenFile(s.file("accounts"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = fmt.Fprintf(file, "%s:%s\n", name, password)
	return err
}
