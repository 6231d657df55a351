// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/untilack/untilack/internal/integration/postgres"
)

// nodeVariable has the job of a process that is to be a node and not the test.
const nodeVariable = "UNTILACK_NODES_NODE"

// server is the PostgreSQL server of all tests.
var server *postgres.Server

func TestMain(m *testing.M) {
	if text, is := os.LookupEnv(nodeVariable); is {
		fmt.Fprintln(os.Stderr, "node:", beNode(text))
		os.Exit(1)
	}
	flag.Parse()
	os.Exit(runTests(m))
}

// runTests starts the server for all tests, for there is none without it, and an Example
// can not be skipped.
func runTests(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	server, err = postgres.Start(ctx)
	if errors.Is(err, postgres.ErrMissing) && os.Getenv("UNTILACK_REQUIRE") != "all" {
		fmt.Println("skipped:", err)
		return 0
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer server.Stop()
	return m.Run()
}

var schemas atomic.Int64

// newSource returns what a new and empty database of that server is opened by.
func newSource() (string, error) {
	schema := fmt.Sprintf("nodes%d", schemas.Add(1))
	db, err := sql.Open("pgx", server.DSN("public"))
	if err != nil {
		return "", err
	}
	defer db.Close()
	_, err = db.Exec("CREATE SCHEMA " + schema)
	return server.DSN(schema), err
}

// A job is what a process is told that is to be a node.
type job struct {
	Source    string
	AckWait   time.Duration
	ProbeWait time.Duration
	PollEvery time.Duration
}

func beNode(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	return serve(j, os.Stdout)
}

// A process is a running node.
type process struct {
	command *exec.Cmd
	address string
	control *client      // who asks the node what it has
	stderr  bytes.Buffer // not to be read before the end
}

// start starts a node and returns when it can be connected to.
func start(j job) (*process, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	p := &process{command: exec.Command(os.Args[0])}
	p.command.Env = append(os.Environ(), nodeVariable+"="+string(text))
	p.command.Stderr = &p.stderr
	if _, err := p.command.StdinPipe(); err != nil { // its end is the end of the node
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
		return nil, fmt.Errorf("the node did not start: %s", &p.stderr)
	}
	p.address = strings.TrimSpace(line)
	p.control, err = connect(p.address, "operator@"+domain+"/"+p.address, nil)
	return p, err
}

// kill ends the node as a crash does, and returns what it has complained of.
func (p *process) kill() (complaints string, err error) {
	if err := p.command.Process.Kill(); err != nil {
		return "", fmt.Errorf("the node had ended: %w: %s", err, &p.stderr)
	}
	var exit *exec.ExitError
	if err := p.command.Wait(); !errors.As(err, &exit) || exit.Exited() {
		return "", fmt.Errorf("the node had ended: %v: %s", err, &p.stderr)
	}
	if p.control != nil {
		p.control.close()
	}
	return p.stderr.String(), nil
}

// state asks the node what it has.
func (p *process) state(ctx context.Context) (state, error) {
	answer, err := p.control.await(ctx, "<state/>")
	switch {
	case err != nil:
		return state{}, err
	case answer.State == nil:
		return state{}, errors.New("no answer to what a node has")
	}
	return *answer.State, nil
}
