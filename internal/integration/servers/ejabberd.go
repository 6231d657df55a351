// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	"bytes"
	_ "embed" // for the configuration
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed ejabberd.yml
var ejabberdConfiguration string

var ejabberd = kind{
	name:          "ejabberd",
	configuration: "ejabberd.yml",
	template:      ejabberdConfiguration,
	command:       ejabberdCommand,
	register:      registerInEjabberd,
	settings:      "/etc/ejabberd/ejabberd.yml",
}

// ejabberdCommand starts Erlang without ejabberdctl, which wants an account of its own, and
// without a name, so that no daemon of Erlang's is started to tell other nodes of it.
func ejabberdCommand(s *Server) (*exec.Cmd, error) {
	erl, err := exec.LookPath("erl")
	installed, _ := filepath.Glob("/usr/lib/*/ejabberd-*/ebin/ejabberd.app")
	if err != nil || len(installed) == 0 {
		return nil, missing("ejabberd", "ejabberd")
	}
	s.WebSocketURL = "ws://" + s.webAddress + "/ws"
	c := exec.Command(erl, "-noinput", "-mnesia", "dir", fmt.Sprintf("%q", s.file("mnesia")), "-s", "ejabberd")
	c.Dir = s.dir
	c.Env = append(os.Environ(),
		"HOME="+s.dir,
		"ERL_LIBS="+filepath.Join(installed[len(installed)-1], "../../.."),
		"ERL_CRASH_DUMP="+os.DevNull,
		"EJABBERD_CONFIG_PATH="+s.file("ejabberd.yml"),
		"EJABBERD_LOG_PATH="+s.file("ejabberd.log"),
	)
	return c, nil
}

// registerInEjabberd asks its HTTP interface for an account.
func registerInEjabberd(s *Server, name, password string) error {
	order, err := json.Marshal(map[string]string{"user": name, "host": s.Domain, "password": password})
	if err != nil {
		return err
	}
	client := http.Client{Timeout: startTime} // it may be starting still
	defer client.CloseIdleConnections()
	answer, err := client.Post("http://"+s.webAddress+"/api/register", "application/json", bytes.NewReader(order))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return err
}
