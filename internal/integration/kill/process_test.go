// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package kill

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/internal/integration/postgres"
)

// relayVariable has what a process is to do that is the relay and not the test.
const relayVariable = "UNTILACK_KILL_RELAY"

// A job is what a process is told that is to be a relay.
type job struct {
	Driver, Source string
	Dialect        sqlstore.Dialect
	PersistAfter   time.Duration
	Log            string // where powercut records what becomes of the files; "": it does not
}

func TestMain(m *testing.M) {
	if text, is := os.LookupEnv(relayVariable); is {
		fmt.Fprintln(os.Stderr, "relay:", beRelay(text))
		os.Exit(1)
	}
	code := m.Run()
	postgres.StopShared()
	os.Exit(code)
}

func beRelay(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	return serveRelay(j, os.Stdout)
}

// A process is a running relay.
type process struct {
	command *exec.Cmd
	address string
	stderr  bytes.Buffer // not to be read before the end
}

// start starts a relay and returns when it can be connected to.
func start(j job) (*process, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	p := &process{command: exec.Command(os.Args[0])}
	p.command.Env = append(os.Environ(), relayVariable+"="+string(text))
	p.command.Stderr = &p.stderr
	if _, err := p.command.StdinPipe(); err != nil { // its end is the end of the relay
		return nil, err
	}
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		_ = p.command.Wait()
		return nil, fmt.Errorf("the relay did not start: %s", &p.stderr)
	}
	p.address = strings.TrimSpace(line)
	return p, nil
}

// kill ends the relay as a crash does, and returns what it has complained of.
func (p *process) kill() (complaints string, err error) {
	if err := p.command.Process.Kill(); err != nil {
		return "", fmt.Errorf("the relay had ended: %w: %s", err, &p.stderr)
	}
	var exit *exec.ExitError
	if err := p.command.Wait(); !errors.As(err, &exit) || exit.Exited() {
		return "", fmt.Errorf("the relay had ended: %v: %s", err, &p.stderr)
	}
	return p.stderr.String(), nil
}
