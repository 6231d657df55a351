// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package crashtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// jobVariable has the job of a process that is to be a server and not the test.
const jobVariable = "UNTILACK_CRASHTEST_JOB"

// Main is to be called first by TestMain. In a process that Start has started it is the
// server, and does not return.
func Main() {
	text, is := os.LookupEnv(jobVariable)
	if !is {
		return
	}
	var j Job
	err := json.Unmarshal([]byte(text), &j)
	if err == nil {
		err = serve(context.Background(), j, os.Stdout)
	}
	fmt.Fprintln(os.Stderr, "server:", err)
	os.Exit(1)
}

// A Process is a running server.
type Process struct {
	Address string // where it listens

	command  *exec.Cmd
	operator *Client      // who asks the server what it has
	stderr   bytes.Buffer // not to be read before the end
}

// Start starts a server and returns when it can be connected to.
func Start(j Job) (*Process, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	p := &Process{command: exec.Command(os.Args[0])}
	p.command.Env = append(os.Environ(), jobVariable+"="+string(text))
	p.command.Stderr = &p.stderr
	if _, err := p.command.StdinPipe(); err != nil { // its end is the end of the server
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
		return nil, fmt.Errorf("the server did not start: %s", &p.stderr)
	}
	p.Address = strings.TrimSpace(line)
	p.operator, err = Connect(p.Address, "operator@"+Domain+"/"+p.Address, nil)
	return p, err
}

// Kill ends the server as a crash does, and returns what it has complained of.
func (p *Process) Kill() (complaints string, err error) {
	if err := p.command.Process.Kill(); err != nil {
		return "", fmt.Errorf("the server had ended: %w: %s", err, &p.stderr)
	}
	var exit *exec.ExitError
	if err := p.command.Wait(); !errors.As(err, &exit) || exit.Exited() {
		return "", fmt.Errorf("the server had ended: %v: %s", err, &p.stderr)
	}
	if p.operator != nil {
		p.operator.Close()
	}
	return p.stderr.String(), nil
}

// State asks the server what it has.
func (p *Process) State(ctx context.Context) (State, error) {
	answer, err := p.operator.Await(ctx, "<state/>")
	switch {
	case err != nil:
		return State{}, err
	case answer.State == nil:
		return State{}, errors.New("no answer to what a server has")
	}
	return *answer.State, nil
}

// Reach asks what there is until that is as it should be.
func Reach(ctx context.Context, ask func(context.Context) (State, error), condition func(State) bool) (State, error) {
	for {
		s, err := ask(ctx)
		if err != nil || condition(s) {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, fmt.Errorf("%w: left: %+v", context.Cause(ctx), s)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
