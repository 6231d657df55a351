// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/examples/internal/stores"
	"github.com/untilack/untilack/examples/server/accounts"
	"github.com/untilack/untilack/examples/server/blocks"
	"github.com/untilack/untilack/examples/server/c2s"
	"github.com/untilack/untilack/examples/server/caps"
	"github.com/untilack/untilack/examples/server/certificate"
	"github.com/untilack/untilack/examples/server/gate"
	"github.com/untilack/untilack/examples/server/metrics"
	"github.com/untilack/untilack/examples/server/nodes"
	"github.com/untilack/untilack/examples/server/roster"
	"github.com/untilack/untilack/examples/server/router"
	"github.com/untilack/untilack/examples/server/waiting"
	"github.com/untilack/untilack/examples/server/web"
	"github.com/untilack/untilack/examples/server/ws"
)

// Addresses are where a server listens, each "host:port". An empty one is not listened at.
type Addresses struct {
	TCP, TLS, HTTP, HTTPS string
}

// A Config configures a Server.
type Config struct {
	Domain   string
	Store    string // what stores.Open takes
	Memory   bool   // keep messages in memory; only rosters and the like are in Store then
	Listen   Addresses
	Accounts []string // name:password; if there are none, Files.Accounts is read
	Files    struct {
		Certificate, Key, Accounts string // made if there are none
	}

	// Tell lets everybody on loopback know the passwords, for a page that logs in by itself:
	// where the accounts are those that were made at the first start.
	Tell bool

	Plain              bool          // see c2s.Config
	AckWait, ProbeWait time.Duration // see untilack.Config
	PersistAfter       time.Duration // see untilack.Config
	ReturnTime         time.Duration // how long what is for one session alone waits for that to come back; 0: a minute
	PollEvery          time.Duration // 0: 250 ms with PostgreSQL; below 0: no other server has the same store
	FailClosed         bool
	StoreTime          time.Duration // how long the store may take; 0: 3 s
	Rate               int           // see gate.Limits
	LoginTime          time.Duration // see c2s.Config; a request over HTTP may take as long (default 10 s)
	WriteTimeout       time.Duration // see c2s.Config

	Log *slog.Logger
}

// A mailStore is where messages sleep, and can be looked at.
type mailStore interface {
	waiting.Store
	Sweep(ctx context.Context, now time.Time) (int, error)
}

// memory keeps messages as long as the server runs.
type memory struct{ *actions.MemStore }

// Boxes knows nobody: it is not asked for all in memory.
func (memory) Boxes(context.Context, string, int) ([]sqlstore.Box, error) { return nil, nil }

// Used returns what is kept for one recipient.
func (m memory) Used(_ context.Context, recipient string) (actions.Usage, error) {
	return m.MemStore.Used(recipient), nil
}

// Sweep removes what has expired.
func (m memory) Sweep(_ context.Context, now time.Time) (int, error) {
	return m.MemStore.Sweep(now), nil
}

// sweepEvery is how often what has expired is removed from the store.
const sweepEvery = time.Hour

// storeTime is how long the store may take for one call, shorter than a client's time to answer a
// probe: one whose message waits for the store can not be heard, and is alive.
const storeTime = 3 * time.Second

// openTime is how long the store has to be opened, and its tables to be made.
const openTime = 10 * time.Second

// drainTime is how long the store has to take what waits in memory alone, at the end.
const drainTime = 10 * time.Second

// A Server is a server that runs.
type Server struct {
	Addr Addresses // where it listens

	config   Config
	accounts *accounts.Accounts
	store    *stores.Store
	mail     mailStore // store, or one in memory
	blocks   *blocks.List
	nodes    *nodes.Nodes // nil: there are no others
	caps     *caps.Clients
	keeper   *untilack.Keeper
	router   *router.Router
	events   *web.Events
	clients  *c2s.Server
	web      []*http.Server

	stop context.CancelFunc // of what runs in the background
	wait sync.WaitGroup
}

// Start starts a server. Close has to be called in the end.
func Start(c Config) (*Server, error) {
	s := &Server{config: c, accounts: accounts.New(c.Domain), events: web.NewEvents(), caps: caps.New()}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open puts the parts together.
func (s *Server) open() (err error) {
	if err := s.readAccounts(); err != nil {
		return err
	}
	pair, err := certificate.Load(s.config.Domain, s.config.Files.Certificate, s.config.Files.Key)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTime)
	defer cancel()
	if s.store, err = stores.Open(ctx, s.config.Store); err != nil {
		return err
	}
	s.mail = s.store
	if s.config.Memory {
		s.mail = memory{actions.NewMemStore(nil)}
	}
	rosters, err := roster.Open(ctx, s.store)
	if err != nil {
		return err
	}
	if s.blocks, err = blocks.Open(ctx, s.store); err != nil {
		return err
	}
	if s.pollEvery() > 0 {
		if s.nodes, err = nodes.Open(ctx, s.store, s.config.Log); err != nil {
			return err
		}
	}
	if s.keeper, err = s.newKeeper(); err != nil {
		return err
	}
	s.router = router.New(router.Config{
		Domain: s.config.Domain, Keeper: s.keeper, Store: s.mail, Roster: rosters, Blocks: s.blocks, Caps: s.caps,
		Exists: s.accounts.Has, Log: s.config.Log, Nodes: s.nodes, Ahead: !s.config.Memory && s.config.PersistAfter == 0,
	})
	tls := tlsConfig(pair)
	s.clients = c2s.New(c2s.Config{
		Domain: s.config.Domain, Accounts: s.accounts, Router: s.router, TLS: tls, Log: s.config.Log,
		Plain: s.config.Plain, LoginTime: s.config.LoginTime, WriteTimeout: s.config.WriteTimeout,
		Limits: gate.Limits{Rate: s.config.Rate},
	})
	s.runKeeper()
	return s.listen(tls.Clone())
}

func (s *Server) readAccounts() error {
	for _, line := range s.config.Accounts {
		if err := s.accounts.Add(line); err != nil {
			return err
		}
	}
	if len(s.config.Accounts) > 0 {
		return nil
	}
	if err := accounts.Make(s.config.Files.Accounts, "romeo", "juliet"); err != nil {
		return err
	}
	return s.accounts.Open(s.config.Files.Accounts, s.config.Log)
}

// newKeeper makes what keeps messages. Those that ask for no receipt are kept as well: there
// are clients that never ask, and their users do not want to lose anything either.
func (s *Server) newKeeper() (*untilack.Keeper, error) {
	var store actions.Store = s.mail
	if s.nodes != nil {
		store = s.nodes.Mail(s.mail)
	}
	persist := s.config.PersistAfter
	if s.config.Memory {
		persist = -1
	}
	return untilack.New(untilack.Config{
		Domain: s.config.Domain, Store: store, Actions: s.chain(), PersistAfter: persist, Admit: untilack.AdmitContent,
		AckWait: s.config.AckWait, ProbeWait: s.config.ProbeWait,
		ActionTimeout: cmp.Or(s.config.StoreTime, storeTime),
		PollEvery:     s.pollEvery(), FailClosed: s.config.FailClosed,
		Blocked: s.blocks.Has, Capable: s.caps.Acknowledge, Watch: s.events.Watch, Logger: s.config.Log,
	})
}

// returnTime is how old a message that is for one session alone may become while it waits for that
// to come back, whose stream has ended.
const returnTime = time.Minute

// chain returns what is done about a message that no session may have: it is forwarded or kept. One
// that may not be, for it is for one session alone (RFC 6121 §8.5.3.2.1), waits for that for a
// while. In the end its sender is told that no receipt came, or that it went to nobody.
func (s *Server) chain() []actions.Action {
	wait := actions.Func(func(_ context.Context, p cache.Packet) (actions.Outcome, error) {
		most := cmp.Or(s.config.ReturnTime, returnTime)
		left := min(time.Until(p.Received.Add(most)), most) // another node's clock may be ahead
		if left <= 0 || p.Resource == "" || p.Marks.Has(cache.Read) {
			return actions.Pass, nil
		}
		return actions.Again(left), nil
	})
	send := func(ctx context.Context, to string, stanza []byte) error { return s.router.Bounce(ctx, to, stanza) }
	refused := actions.When(func(p cache.Packet) bool { return !p.Marks.Has(cache.Delivered) }, actions.Bounce{Send: send, Reason: actions.Refused})
	chain := []actions.Action{actions.Offline{}, actions.Chain(wait, refused, actions.Bounce{Send: send}, actions.Drop{})}
	if s.nodes != nil {
		chain = slices.Insert(chain, 0, s.nodes.Forward(s.mail))
	}
	return chain
}

// pollEvery returns how often the store is looked into for what other nodes have put there, or 0 if
// there are none.
func (s *Server) pollEvery() time.Duration {
	switch every := s.config.PollEvery; {
	case s.config.Memory || s.config.PersistAfter != 0:
		return 0
	case every == 0 && strings.Contains(s.config.Store, "://"):
		return 250 * time.Millisecond
	default:
		return max(every, 0)
	}
}

// runKeeper has the keeper work until the server is closed.
func (s *Server) runKeeper() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.wait.Go(func() { _ = s.keeper.Run(ctx) }) // it is the end of ctx that ends it
	s.wait.Go(func() { s.sweep(ctx) })
	if s.nodes != nil {
		s.wait.Go(func() { s.nodes.Run(ctx, s.pollEvery()) })
	}
}

// sweep removes what has expired now and then.
func (s *Server) sweep(ctx context.Context) {
	ticks := time.NewTicker(sweepEvery)
	defer ticks.Stop()
	for {
		select {
		case now := <-ticks.C:
			if _, err := s.mail.Sweep(ctx, now); err != nil {
				s.config.Log.Error("store not swept", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Close ends all sessions, and returns when all that waits is in the store.
func (s *Server) Close() (err error) {
	s.events.Close()
	if s.clients != nil {
		s.clients.Close()
	}
	for _, server := range s.web {
		err = errors.Join(err, server.Close())
	}
	if s.stop != nil {
		s.stop()
	}
	s.wait.Wait()
	if s.keeper != nil {
		err = errors.Join(err, s.drain())
	}
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	return err
}

// drain puts what waits in memory alone into the store.
func (s *Server) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	left, err := s.keeper.Drain(ctx)
	if len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("%d messages are lost, for they may not be stored or could not be", len(left)))
	}
	return err
}

// settings are what a page is told.
func (s *Server) settings() web.Settings {
	settings := web.Settings{
		Domain:    s.config.Domain,
		AckWait:   cmp.Or(s.config.AckWait, untilack.DefaultAckWait),
		ProbeWait: cmp.Or(s.config.ProbeWait, untilack.DefaultProbeWait),
	}
	if s.config.Tell {
		settings.Passwords = s.accounts.Passwords()
	}
	return settings
}

// handler is all that is served over HTTP.
func (s *Server) handler() http.Handler {
	desk := &waiting.Desk{Keeper: s.keeper, Store: s.mail, Router: s.router}
	attend := func(conn net.Conn, tls bool) { s.clients.Attend(conn, c2s.Transport{WebSocket: true, TLS: tls}) }
	return web.New(web.Config{
		WebSocketPath: ws.Path,
		WebSocket:     ws.Handler(attend),
		Events:        s.events,
		Waiting:       desk.Handler(),
		Metrics:       metrics.Handler(s.keeper, s.clients),
		Page:          web.Page(),
		Settings:      s.settings(),
	})
}
