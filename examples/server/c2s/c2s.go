// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package c2s lets clients in (RFC 6120): it takes connections over TCP, over TLS, or from a
// WebSocket, has mellium negotiate the stream on them, with features of its own where
// mellium's can not be used by a server, and gives the session to the router.
package c2s

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/untilack/untilack/examples/server/accounts"
	"github.com/untilack/untilack/examples/server/apart"
	"github.com/untilack/untilack/examples/server/gate"
	"github.com/untilack/untilack/examples/server/hosts"
	"github.com/untilack/untilack/examples/server/router"
	"github.com/untilack/untilack/middleware"
)

// A Config says whom a Server lets in. All without a default is required.
type Config struct {
	Domain   string
	Accounts *accounts.Accounts
	Router   *router.Router
	TLS      *tls.Config
	Log      *slog.Logger

	// Plain offers SASL PLAIN on loopback without TLS, too. Default: not.
	Plain bool

	// Limits are those of what a client sends.
	Limits gate.Limits

	// LoginTime is how long a login may take. Default: 30 s.
	LoginTime time.Duration

	// WriteTimeout is how long a client may take for 16 KiB before it counts as gone.
	// Default: 5 s.
	WriteTimeout time.Duration

	// MaxConns is how many connections there may be at once. Half of them may be without a login,
	// a tenth if they are from one host. Default: 20,000.
	MaxConns int
}

// loginSize is how large an element may be before the login.
const loginSize = 16 << 10

// A Server lets clients in.
type Server struct {
	Config

	mutex     sync.Mutex
	closed    bool
	listeners []net.Listener
	conns     map[net.Conn]func() // what ends them

	wait     sync.WaitGroup
	logins   hosts.Counter // those that have not succeeded yet
	guesses  guesses
	failures atomic.Uint64
	sessions atomic.Int64
}

// New returns a server without listeners.
func New(c Config) *Server {
	if c.LoginTime <= 0 {
		c.LoginTime = 30 * time.Second
	}
	if c.MaxConns <= 0 {
		c.MaxConns = 20_000
	}
	return &Server{
		Config: c, conns: make(map[net.Conn]func()),
		logins: hosts.Counter{Max: max(c.MaxConns/2, 1), MaxEach: max(c.MaxConns/10, 1)},
	}
}

// A Transport is what a stream runs over.
type Transport struct {
	WebSocket bool
	TLS       bool // from the first byte
}

// Serve takes connections until the listener or the server is closed.
func (s *Server) Serve(listener net.Listener, t Transport) {
	if !s.add(listener) {
		_ = listener.Close()
		return
	}
	for {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			go s.Attend(conn, t)
		case errors.Is(err, net.ErrClosed):
			return
		default: // too many files are open, perhaps
			s.Log.Error("connection not accepted", "error", err)
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// add notes a listener. It reports whether the server is open.
func (s *Server) add(listener net.Listener) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.listeners = append(s.listeners, listener)
	return !s.closed
}

// Attend serves one connection until its stream ends, and closes it. Over a WebSocket, each
// Write of conn is a message.
func (s *Server) Attend(conn net.Conn, t Transport) {
	conn = middleware.Deadlines(conn, s.WriteTimeout)
	defer conn.Close()
	if err := s.track(conn); err != nil {
		s.Log.Debug("connection refused", "remote", conn.RemoteAddr(), "error", err)
		if t.WebSocket || !t.TLS { // where that costs no handshake
			newLogin(s, conn, t).fail(err)
		}
		return
	}
	defer s.untrack(conn)
	tracked := conn
	if t.TLS && !t.WebSocket {
		conn = tls.Server(conn, s.TLS)
	}
	l := newLogin(s, conn, t)
	var client *router.Client
	apart.Do(func() { client = s.logIn(l, conn) })
	s.logins.Leave(l.remote)
	if client == nil {
		return
	}
	s.endBy(tracked, func() { client.End(conditionOf(errShutdown)) })
	s.serve(client, l)
}

// logIn negotiates the stream of a client and binds it. It returns nil if that fails.
func (s *Server) logIn(l *login, conn net.Conn) *router.Client {
	_ = conn.SetReadDeadline(time.Now().Add(s.LoginTime)) // fails with the first read
	session, err := l.negotiate()
	if err != nil {
		s.failures.Add(1)
		s.Log.Info("login failed", "remote", l.remote, "user", l.user, "error", err)
		l.fail(err)
		return nil
	}
	_ = conn.SetReadDeadline(time.Time{})
	l.gate.SetSize(l.limits.Size)
	client, err := s.Router.Bind(session, l.address, middleware.Options{
		WebSocket: l.webSocket, MaxStanza: l.limits.Size, WriteTimeout: s.WriteTimeout,
	})
	if err != nil {
		s.Log.Info("not bound", "address", l.address, "error", err)
		l.fail(err)
		return nil
	}
	if err := l.conn.release(); err != nil {
		s.Log.Info("address not told", "address", l.address, "error", err)
	}
	return client
}

// serve serves a client that has logged in.
func (s *Server) serve(client *router.Client, l *login) {
	s.sessions.Add(1)
	defer s.sessions.Add(-1)
	s.Log.Info("session opened", "address", l.address, "tls", l.secure, "websocket", l.webSocket)
	err := client.Serve()
	client.End(conditionOf(err))
	s.Log.Info("session ended", "address", l.address, "error", errors.Join(err, client.Err()))
}

// track remembers a connection, on which a login begins, if there is room for it.
func (s *Server) track(conn net.Conn) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch {
	case s.closed:
		return errShutdown
	case len(s.conns) >= s.MaxConns:
		return errTooMany
	case !s.logins.Enter(conn.RemoteAddr()):
		s.logins.Leave(conn.RemoteAddr())
		return errTooMany
	}
	s.conns[conn] = func() { _ = conn.Close() }
	s.wait.Add(1)
	return nil
}

// endBy has a connection that is tracked be ended in another way.
func (s *Server) endBy(conn net.Conn, end func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.conns[conn] = end
	if s.closed {
		go end()
	}
}

func (s *Server) untrack(conn net.Conn) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.conns, conn)
	s.wait.Done()
}

// Close ends all sessions, and returns when they have ended.
func (s *Server) Close() {
	s.mutex.Lock()
	s.closed = true
	for _, listener := range s.listeners {
		_ = listener.Close()
	}
	for _, end := range s.conns {
		go end() // each waits for its client
	}
	s.mutex.Unlock()
	s.wait.Wait()
}

// Conns returns how many connections there are, those that have not logged in included.
func (s *Server) Conns() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.conns)
}

// Sessions returns how many clients are logged in.
func (s *Server) Sessions() int { return int(s.sessions.Load()) }

// Failures returns how many logins have failed.
func (s *Server) Failures() uint64 { return s.failures.Load() }
