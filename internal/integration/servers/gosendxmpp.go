// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	"os/exec"
	"testing"
)

// GoSendxmpp starts a go-sendxmpp that logs in over TLS and prints the messages that it gets,
// and another one whenever it ends. It stops when the test ends.
//
// It neither asks for receipts nor answers, and tells no ids. Version 0.5.6 crashes at any question
// but a query, and so at a ping, which it answers first. It declares no capabilities; asked for its
// features, it says that it answers that question alone.
func GoSendxmpp(t testing.TB, s *Server, a Account) *Client {
	t.Helper()
	if _, err := exec.LookPath("go-sendxmpp"); err != nil {
		require(t, missing("go-sendxmpp", "go-sendxmpp"))
	}
	python, err := findPython("asyncio", "python3")
	require(t, err)
	return startPython(t, "go-sendxmpp", python, "gosendxmpp_client.py", s, login{
		Address: a.Address.String(), Password: a.Password,
	})
}
