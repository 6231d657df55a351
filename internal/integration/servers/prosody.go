// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	_ "embed" // for the configuration
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed prosody.cfg.lua
var prosodyConfiguration string

var prosody = kind{
	name:          "prosody",
	configuration: "prosody.cfg.lua",
	template:      prosodyConfiguration,
	command:       prosodyCommand,
	register:      registerInProsody,
	settings:      "/etc/prosody/prosody.cfg.lua",
}

func prosodyCommand(s *Server) (*exec.Cmd, error) {
	path, err := exec.LookPath("prosody")
	if err != nil {
		return nil, missing("prosody", "prosody")
	}
	s.WebSocketURL = "ws://" + s.webAddress + "/xmpp-websocket"
	return exec.Command(path, "-F", "--config", s.file("prosody.cfg.lua")), os.MkdirAll(prosodyAccounts(s), 0o700)
}

// prosodyAccounts returns the folder that has a file for each account.
func prosodyAccounts(s *Server) string {
	return filepath.Join(s.dir, strings.ReplaceAll(s.Domain, ".", "%2e"), "accounts")
}

// registerInProsody writes the file that prosody reads at each login.
func registerInProsody(s *Server, name, password string) error {
	text := fmt.Sprintf("return { [\"password\"] = %q }\n", password)
	return os.WriteFile(filepath.Join(prosodyAccounts(s), name+".dat"), []byte(text), 0o600)
}
