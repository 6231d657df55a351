// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// startPython starts a client that is a script in the folder python.
func startPython(t testing.TB, name, python, script string, s *Server, l login) *Client {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	// It looks for modules in the script's folder, too, leaves nothing there, and asks no variables.
	command := exec.Command(python, "-B", "-E", "-u", filepath.Join(filepath.Dir(here), "python", script))
	command.Env = append(os.Environ(), "SSL_CERT_FILE="+s.CAFile)
	l.Server = s.Address
	return startClient(t, name+" of "+l.Address, command, l)
}

// findPython returns a Python that has a module. Debian's own may not be first on the path.
func findPython(module, pkg string) (string, error) {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-E", "-c", "import "+module).Run() == nil {
			return python, nil
		}
	}
	return "", missing(module, pkg)
}
