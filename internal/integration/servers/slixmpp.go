// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	"sync"
	"testing"
	"time"
)

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
	return startPython(t, "slixmpp", python, "slixmpp_client.py", s, login{
		Address: a.Address.String(), Password: a.Password, CA: s.CAFile, Work: work.Seconds(),
	})
}

// findSlixmpp returns a Python that has slixmpp.
var findSlixmpp = sync.OnceValues(func() (string, error) { return findPython("slixmpp", "python3-slixmpp") })
