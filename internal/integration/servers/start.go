// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
)

// Options say how Start starts a server. The zero value stands for that of the tests.
type Options struct {
	// Plain lets clients in without TLS, by SASL PLAIN. Default: they have to use TLS.
	Plain bool

	// Packaged starts other people's server with the settings that its package of Debian brings,
	// limits and all. Default: with few modules, and without limits.
	Packaged bool

	// Under is a command by which the program is started, "taskset -c 0" for instance.
	// Default: none.
	Under []string

	// Args are more arguments of the program. Default: none.
	Args []string
}

// Start starts a server of the caller's own, by the name of its program: "prosody", "ejabberd"
// or "untilack". Stop has to be called in the end, and StopShared after the last one.
func Start(program string, o Options) (*Server, error) {
	i := slices.IndexFunc(kinds, func(k *kind) bool { return k.name == program })
	if i < 0 {
		return nil, fmt.Errorf("there is no server called %q", program)
	}
	return start(kinds[i].with(o))
}

// with returns a kind of the same program, with options.
func (k *kind) with(o Options) *kind {
	return &kind{
		name: k.name, configuration: k.configuration, template: k.template, register: k.register, plain: o.Plain,
		packaged: o.Packaged, settings: k.settings,
		command: func(s *Server) (*exec.Cmd, error) {
			c, err := k.command(s)
			if err != nil {
				return nil, err
			}
			if o.Plain && k == &untilack {
				c.Args = append(c.Args, "-plain")
			}
			c.Args = slices.Concat(o.Under, c.Args, o.Args)
			return c, nil
		},
	}
}

// IsMissing reports whether an error of Start says that the program is not installed.
func IsMissing(err error) bool { return errors.Is(err, errMissing) }

// Stop stops a server that Start has started, and removes its files.
func (s *Server) Stop() { s.stop() }

// Register makes an account. Its name is to be that of an address already.
func (s *Server) Register(name, password string) error { return s.kind.register(s, name, password) }

// Group is the number of the group of processes that the server is.
func (s *Server) Group() int { return s.process.command.Process.Pid }

// Get asks a server of our own for a page, on a connection that is not used again.
func (s *Server) Get(path string) (*http.Response, error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+s.webAddress+path, nil)
	if err != nil {
		return nil, err
	}
	request.Close = true
	return http.DefaultClient.Do(request)
}
