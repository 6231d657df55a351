// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	"sync"
	"testing"
)

// Aioxmpp starts an aioxmpp that logs in over TLS. It stops when the test ends.
//
// The library answers no request for a receipt by itself. If answer is set the client does,
// with the library's compose_receipt.
func Aioxmpp(t testing.TB, s *Server, a Account, answer bool) *Client {
	t.Helper()
	python, err := findAioxmpp()
	require(t, err)
	return startPython(t, "aioxmpp", python, "aioxmpp_client.py", s, login{
		Address: a.Address.String(), Password: a.Password, Answer: answer,
	})
}

// findAioxmpp returns a Python that has aioxmpp.
var findAioxmpp = sync.OnceValues(func() (string, error) { return findPython("aioxmpp", "python3-aioxmpp") })
