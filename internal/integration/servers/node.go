// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	"crypto/sha256"
	_ "embed" // for the scripts
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var (
	//go:embed stanza.mjs
	stanzaScript string

	//go:embed xmppclient.mjs
	xmppClientScript string

	// nodeLock says which versions .ci/install installs.
	//go:embed testdata/npm/package-lock.json
	nodeLock []byte
)

// Stanza starts a stanza on Node that logs in through the server's WebSocket. It stops when
// the test ends. The library answers requests for receipts by itself.
func Stanza(t testing.TB, s *Server, a Account) *Client {
	t.Helper()
	return startNode(t, "stanza", stanzaScript, s, a, s.WebSocketURL)
}

// XMPPClient starts an @xmpp/client on Node that logs in over TLS, or through the server's
// WebSocket. It stops when the test ends. The library answers no request for a receipt.
func XMPPClient(t testing.TB, s *Server, a Account, webSocket bool) *Client {
	t.Helper()
	where := "xmpp://" + s.Address
	if webSocket {
		where = s.WebSocketURL
	}
	return startNode(t, "@xmpp/client", xmppClientScript, s, a, where)
}

func startNode(t testing.TB, name, script string, s *Server, a Account, where string) *Client {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		require(t, missing("node", "nodejs"))
	}
	folder, err := findModules()
	require(t, err)
	command := exec.Command(node, "--input-type=module", "--eval", script)
	command.Dir = folder // where it looks for what it imports
	command.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+s.CAFile)
	return startClient(t, name+" of "+a.Address.String(), command, login{
		Address: a.Address.String(), Password: a.Password, Server: where,
	})
}

// findModules returns the folder where .ci/install has put the libraries.
func findModules() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "untilack", fmt.Sprintf("npm-%x", sha256.Sum256(nodeLock)))
	if _, err := os.Stat(folder); err != nil {
		return "", fmt.Errorf("stanza and @xmpp/client are %w (.ci/install does)", errMissing)
	}
	return folder, nil
}
