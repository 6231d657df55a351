// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package postgres runs a PostgreSQL server of a test's own: a new cluster in a folder of
// its own, on a unix socket.
package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrMissing is returned by Start if there is no server to be started.
var ErrMissing = errors.New("PostgreSQL is not installed (Debian's package postgresql)")

// A Server is a cluster. It listens on a unix socket alone.
type Server struct {
	dir     string
	bin     string
	account *syscall.Credential // nil: that of this process
	process *exec.Cmd
	log     bytes.Buffer
	ended   chan struct{}
	schemas atomic.Int64 // made by NewSchema
}

// Start makes a cluster in a new folder and starts it. The settings are added to its
// configuration, as "name = value".
func Start(ctx context.Context, settings ...string) (*Server, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin}
	if err := s.create(ctx, settings); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if err := s.Run(ctx); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// find returns the folder of the newest server that is installed: Debian has it outside
// the path.
func find() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", ErrMissing
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

// create makes the cluster. The server refuses to run as root: then it runs as nobody.
func (s *Server) create(ctx context.Context, settings []string) error {
	if os.Getuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			return err
		}
		uid, _ := strconv.Atoi(nobody.Uid)
		gid, _ := strconv.Atoi(nobody.Gid)
		s.account = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(s.dir, uid, gid); err != nil {
			return err
		}
	}
	initdb := s.command(ctx, "initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	configuration, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for _, setting := range append([]string{"listen_addresses = ''", "unix_socket_directories = '" + s.dir + "'", "max_connections = 200"}, settings...) {
		fmt.Fprintln(configuration, setting)
	}
	return configuration.Close()
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	c.Dir = s.dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.account, Setpgid: true}
	return c
}

// Run starts the server, which has been stopped or killed, and returns when it answers.
func (s *Server) Run(ctx context.Context) error {
	s.process = s.command(context.Background(), "postgres", "-D", s.data())
	s.process.Stdout, s.process.Stderr = &s.log, &s.log
	if err := s.process.Start(); err != nil {
		return err
	}
	s.ended = make(chan struct{})
	go func(process *exec.Cmd, ended chan struct{}) {
		process.Wait()
		close(ended)
	}(s.process, s.ended)
	for {
		ready := s.command(ctx, "pg_isready", "-q", "-h", s.dir)
		if ready.Run() == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("postgres has ended: %s", s.log.String())
		case <-ctx.Done():
			s.Kill()
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// DSN returns what pgx opens the database by, in a schema of that name.
func (s *Server) DSN(schema string) string {
	return fmt.Sprintf("host=%s user=postgres dbname=postgres search_path=%s", s.dir, schema)
}

// NewSchema makes an empty schema, and returns what pgx opens it by.
func (s *Server) NewSchema() (dsn string, err error) {
	name := fmt.Sprintf("test%d", s.schemas.Add(1))
	psql := s.command(context.Background(), "psql", "-q", "-h", s.dir, "-U", "postgres", "-c", "CREATE SCHEMA "+name)
	if out, err := psql.CombinedOutput(); err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, out)
	}
	return s.DSN(name), nil
}

// Kill ends the server with all its processes at once, as a crash does.
func (s *Server) Kill() {
	s.process.Process.Signal(syscall.SIGSTOP) // it starts no more
	children, _ := s.children("")
	s.process.Process.Kill()
	for _, pid := range children { // each leads a group of its own
		syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.ended
}

// Backends returns the process ids of those of the server's processes that serve clients.
func (s *Server) Backends() (pids []int, err error) { return s.children("[local]") }

// children returns the process ids of the server's other processes whose titles have some
// text in them.
func (s *Server) children(title string) (pids []int, err error) {
	list, err := exec.Command("ps", "-o", "pid=,args=", "--ppid", strconv.Itoa(s.process.Process.Pid)).Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) { // 1: there are none
		return nil, err
	}
	for line := range strings.Lines(string(list)) {
		number, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if pid, err := strconv.Atoi(number); err == nil && strings.Contains(rest, title) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Stop ends the server, and removes the cluster. The server has no time to be orderly: it
// may never end by that if it is asked while it recovers.
func (s *Server) Stop() error {
	s.process.Process.Signal(syscall.SIGQUIT)
	<-s.ended
	return os.RemoveAll(s.dir)
}
