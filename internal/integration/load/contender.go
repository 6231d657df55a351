// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/untilack/untilack/internal/integration/postgres"
	"github.com/untilack/untilack/internal/integration/servers"
)

// A contender is a server that is measured.
type contender struct {
	name  string
	start func(*bench) (*running, error)
}

// naive is the name of the contender that the others are compared with.
const naive = "naive relay"

// contenders are all of them, in the order in which they take their turns.
var contenders = []contender{
	{naive, startRelay},
	{"memory", func(b *bench) (*running, error) { return b.startServer("untilack", "-memory") }},
	{"sqlite", func(b *bench) (*running, error) { return b.startServer("untilack") }},
	{"sqlite later", func(b *bench) (*running, error) { return b.startServer("untilack", "-persist-after", "200ms") }},
	{"postgres", startOnPostgres},
	{"prosody", func(b *bench) (*running, error) { return b.startServer("prosody") }},
	{"ejabberd", func(b *bench) (*running, error) { return b.startServer("ejabberd", "+S", "1:1") }},
}

// contenderNamed returns the contender of that name.
func contenderNamed(name string) (contender, error) {
	i := slices.IndexFunc(contenders, func(c contender) bool { return c.name == name })
	if i < 0 {
		return contender{}, fmt.Errorf("no contender is called %q", name)
	}
	return contenders[i], nil
}

// A running is a contender that runs.
type running struct {
	address string
	group   int             // of its processes
	server  *servers.Server // nil: it is the relay
	stop    func()
}

// serverCore is the core that a contender is pinned to, driverCore that of its clients.
const (
	serverCore = "0"
	driverCore = "1"
)

// under returns the command that pins a contender to its core.
func (b *bench) under() []string {
	if !b.pinned {
		return nil
	}
	return []string{"taskset", "-c", serverCore}
}

// pin pins this process to its core, if there are two and there is a program for that.
func pin() (pinned bool) {
	if _, err := exec.LookPath("taskset"); err != nil {
		return false
	}
	return exec.Command("taskset", "-a", "-p", "-c", driverCore, fmt.Sprint(os.Getpid())).Run() == nil
}

// startServer starts one of those that package servers knows. It needs no TLS.
func (b *bench) startServer(program string, args ...string) (*running, error) {
	under := b.under()
	if program == "untilack" { // its times are those that it has by itself
		args = append([]string{"-ack-wait", "30s", "-probe-wait", "5s", "-log", "warn"}, args...)
		under = append([]string{"env", "GOMAXPROCS=1"}, under...)
	}
	s, err := servers.Start(program, servers.Options{Plain: true, Under: under, Args: args})
	if err != nil {
		return nil, err
	}
	for i := range b.accounts {
		if err := s.Register(nameOf(i), password); err != nil {
			s.Stop()
			return nil, err
		}
	}
	return &running{address: s.Address, group: s.Group(), server: s, stop: s.Stop}, nil
}

// nameOf returns the name of an account, by its number.
func nameOf(i int) string { return fmt.Sprint("user", i) }

// startOnPostgres starts our server on a PostgreSQL server, whose processes may use all cores.
func startOnPostgres(b *bench) (*running, error) {
	dsn, err := b.database()
	if err != nil {
		return nil, err
	}
	return b.startServer("untilack", "-store", dsn)
}

// database returns the address of a new schema. The first call starts the database.
func (b *bench) database() (string, error) {
	if b.postgres == nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s, err := postgres.Start(ctx)
		if err != nil {
			return "", err
		}
		b.postgres = s
	}
	dsn, err := b.postgres.NewSchema()
	if err != nil {
		return "", err
	}
	values := url.Values{}
	for _, setting := range strings.Fields(dsn) {
		name, value, _ := strings.Cut(setting, "=")
		values.Set(name, value)
	}
	return "postgres:///?" + values.Encode(), nil
}

// isMissing reports whether a contender is not installed.
func isMissing(err error) bool { return servers.IsMissing(err) || errors.Is(err, postgres.ErrMissing) }

// startRelay starts the relay, in another process of this program.
func startRelay(b *bench) (*running, error) {
	command := append(b.under(), os.Args[0], "-relay", "127.0.0.1:0")
	c := exec.Command(command[0], command[1:]...)
	c.Env = append(os.Environ(), "GOMAXPROCS=1")
	c.Stderr = os.Stderr
	stdout, err := c.StdoutPipe()
	if err == nil {
		_, err = c.StdinPipe() // which ends with this process, however that does
	}
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return nil, err
	}
	stop := func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		stop()
		return nil, fmt.Errorf("the relay does not start: %w", err)
	}
	return &running{address: strings.TrimSpace(line), group: c.Process.Pid, stop: stop}, nil
}
