// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package crashtest

import (
	"bufio"
	"cmp"
	"context"
	"database/sql"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/internal/integration/kill/powercut"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// A Job is what a process is told that is to be a server. Times have the Keeper's meaning.
type Job struct {
	Dialect sqlstore.Dialect
	Source  string // what the driver opens
	Log     string // where powercut records what becomes of the files; "": it does not

	PersistAfter, AckWait, ProbeWait, RetryWait, PollEvery time.Duration
}

// OpenStore returns a store, with tables in it, and its database.
func (j Job) OpenStore(ctx context.Context) (*sql.DB, *sqlstore.Store, error) {
	driver := "sqlite"
	if j.Dialect == sqlstore.PostgreSQL {
		driver = "pgx"
	}
	db, err := sql.Open(driver, j.Source)
	if err != nil {
		return nil, nil, err
	}
	if err := sqlstore.Migrate(ctx, db, j.Dialect); err != nil {
		db.Close()
		return nil, nil, err
	}
	store, err := sqlstore.Open(ctx, db, j.Dialect, nil)
	return db, store, err
}

// A server knows the clients that are connected to it, and no other server.
type server struct {
	keeper *untilack.Keeper
	store  *sqlstore.Store
	asked  atomic.Int64

	mu       sync.Mutex
	sessions map[string]*untilack.Session // the newest, by bare address
}

// serve runs a server until the process ends, which it does at the end of input at the
// latest. It writes its address to out.
func serve(ctx context.Context, j Job, out io.Writer) error {
	if j.Log != "" {
		if err := powercut.Record(j.Log); err != nil {
			return err
		}
	}
	s, err := newServer(ctx, j)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go s.accept(listener)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Fprintln(out, listener.Addr())
	return s.keeper.Run(ctx)
}

func newServer(ctx context.Context, j Job) (*server, error) {
	_, store, err := j.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	s := &server{store: store, sessions: make(map[string]*untilack.Session)}
	s.keeper, err = untilack.New(untilack.Config{
		Domain:       Domain,
		Store:        store,
		PersistAfter: j.PersistAfter,
		AckWait:      j.AckWait,
		ProbeWait:    j.ProbeWait,
		RetryWait:    j.RetryWait,
		PollEvery:    j.PollEvery,
		Actions:      []actions.Action{actions.Func(s.count), actions.Offline{}, actions.Drop{}},
	})
	return s, err
}

// count is the first action of the chain.
func (s *server) count(context.Context, cache.Packet) (actions.Outcome, error) {
	s.asked.Add(1)
	return actions.Pass, nil
}

func (s *server) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go s.attend(conn)
	}
}

// attend serves one client until its connection ends.
func (s *server) attend(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	if !lines.Scan() {
		return
	}
	address := lines.Text()
	session, err := s.bind(address, conn)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bind:", err)
		return
	}
	defer session.Close()
	defer s.unbind(address, session)
	for lines.Scan() {
		if raw := lines.Bytes(); session.Receive(raw) {
			s.route(session, raw)
		}
	}
}

func (s *server) bind(address string, conn net.Conn) (*untilack.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session, err := s.keeper.Attach(address, lineConn{conn}, nil)
	if err == nil {
		s.sessions[bare(address)] = session
	}
	return session, err
}

func (s *server) unbind(address string, session *untilack.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[bare(address)] == session {
		delete(s.sessions, bare(address))
	}
}

func (s *server) session(address string) *untilack.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[bare(address)]
}

func bare(address string) string {
	address, _, _ = strings.Cut(address, "/")
	return address
}

// route sends a stanza to where it is addressed. Only when that is done is the next one
// of the same client read.
func (s *server) route(from *untilack.Session, raw []byte) {
	var e Stanza
	if err := xml.Unmarshal(raw, &e); err != nil {
		fmt.Fprintln(os.Stderr, "stanza:", err)
		return
	}
	if e.XMLName.Local == "iq" {
		s.answer(from, e)
		return
	}
	if err := s.deliver(e, raw); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		send(from, fmt.Sprintf("<message type='error' id='%s' from='%s' to='%s'/>", e.ID, e.To, e.From))
	}
}

func (s *server) deliver(e Stanza, raw []byte) error {
	if session := s.session(e.To); session != nil && session.Deliver(context.Background(), raw) == nil {
		return nil
	}
	if e.Received != nil {
		return nil // its sender is at another server, or has gone
	}
	return s.keeper.Offline(context.Background(), raw)
}

// answer answers a request to the server itself.
func (s *server) answer(to *untilack.Session, e Stanza) {
	if e.Type != "get" {
		return
	}
	answer := ""
	if e.State != nil {
		answer = s.state()
	}
	send(to, fmt.Sprintf("<iq type='result' id='%s' to='%s'>%s</iq>", e.ID, to.Stream().Address(), answer))
}

func (s *server) state() string {
	total, err := s.store.Total(context.Background())
	if err != nil {
		total.Messages = -1
	}
	k := s.keeper
	return fmt.Sprintf("<state rows='%d' packets='%d' asked='%d' kept='%d' acted='%d' elsewhere='%d'/>",
		total.Messages, k.Stats().Waiting, s.asked.Load(), k.Count(untilack.Kept), k.Count(untilack.Acted), k.Count(untilack.Elsewhere))
}

func send(to *untilack.Session, text string) {
	_ = to.Deliver(context.Background(), []byte(text)) // whoever has gone sees it himself
}

// A lineConn writes stanzas to a client.
type lineConn struct{ net.Conn }

// Write implements untilack.Conn.
func (c lineConn) Write(ctx context.Context, stanza []byte) error {
	deadline, _ := ctx.Deadline()
	deadline = cmp.Or(deadline, time.Now().Add(5*time.Second))
	if err := c.SetWriteDeadline(deadline); err != nil {
		return err
	}
	_, err := c.Conn.Write(append(stanza[:len(stanza):len(stanza)], '\n'))
	return err
}

// End implements untilack.Conn.
func (c lineConn) End(context.Context, untilack.Reason) error { return c.Close() }
