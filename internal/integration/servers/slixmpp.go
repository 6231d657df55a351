// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	_ "embed" // for the script
	"os/exec"
	"sync"
	"testing"
	"time"
)

//go:embed slixmpp.py
var slixmppScript string

// Slixmpp starts a slixmpp that logs in over TLS. It stops when the test ends.
//
// If work is 0 the library answers requests for receipts by itself, as is its default. If
// not, each message takes a coroutine that long, and the client answers after that; it then
// answers other things, such as a ping, in between, and messages come out of order at will.
//
// It lets everybody see its presence who asks for that, and asks in turn.
func Slixmpp(t testing.TB, s *Server, a Account, work time.Duration) *Client {
	t.Helper()
	python, err := findSlixmpp()
	require(t, err)
	command := exec.Command(python, "-I", "-u", "-c", slixmppScript) // -I: it must not import itself
	return startClient(t, "slixmpp of "+a.Address.String(), command, login{
		Address: a.Address.String(), Password: a.Password,
		Server: s.Address, CA: s.CAFile, Work: work.Seconds(),
	})
}

// findSlixmpp returns a Python that has slixmpp.
var findSlixmpp = sync.OnceValues(func() (string, error) { return findPython("slixmpp", "python3-slixmpp") })

// findPython returns a Python that has a module. Debian's own may not be first on the path.
func findPython(module, pkg string) (string, error) {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-I", "-c", "import "+module).Run() == nil {
			return python, nil
		}
	}
	return "", missing(module, pkg)
}
