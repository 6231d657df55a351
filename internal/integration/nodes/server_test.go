// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

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
)

const domain = "capulet.example"

// openStore returns a store in PostgreSQL, with tables in it.
func openStore(ctx context.Context, source string) (*sql.DB, *sqlstore.Store, error) {
	db, err := sql.Open("pgx", source)
	if err != nil {
		return nil, nil, err
	}
	if err := sqlstore.Migrate(ctx, db, sqlstore.PostgreSQL); err != nil {
		db.Close()
		return nil, nil, err
	}
	store, err := sqlstore.Open(ctx, db, sqlstore.PostgreSQL, nil)
	return db, store, err
}

// A node is one server. A client sends its full address in the first line, and then a
// stanza in each. A node knows the clients that are connected to it, and no other node.
type node struct {
	keeper *untilack.Keeper
	store  *sqlstore.Store
	asked  atomic.Int64 // how often actions were asked about a message

	mu       sync.Mutex
	sessions map[string]*untilack.Session // the newest, by bare address
}

// serve runs a node until the process ends, which it does at the end of input at the
// latest. It writes its address to out.
func serve(j job, out io.Writer) error {
	ctx := context.Background()
	_, store, err := openStore(ctx, j.Source)
	if err != nil {
		return err
	}
	n := &node{store: store, sessions: make(map[string]*untilack.Session)}
	n.keeper, err = untilack.New(untilack.Config{
		Domain:    domain,
		Store:     store,
		PollEvery: j.PollEvery,
		AckWait:   j.AckWait,
		ProbeWait: j.ProbeWait,
		RetryWait: 50 * time.Millisecond,
		Actions:   []actions.Action{actions.Func(n.count), actions.Offline{}, actions.Drop{}},
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go n.accept(listener)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Fprintln(out, listener.Addr())
	return n.keeper.Run(ctx)
}

// count is the first action of the chain.
func (n *node) count(context.Context, cache.Packet) (actions.Outcome, error) {
	n.asked.Add(1)
	return actions.Pass, nil
}

func (n *node) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go n.attend(conn)
	}
}

// attend serves one client until its connection ends.
func (n *node) attend(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	if !lines.Scan() {
		return
	}
	address := lines.Text()
	session, err := n.bind(address, conn)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bind:", err)
		return
	}
	defer session.Close()
	defer n.unbind(address, session)
	for lines.Scan() {
		if raw := lines.Bytes(); session.Receive(raw) {
			n.route(session, raw)
		}
	}
}

func (n *node) bind(address string, conn net.Conn) (*untilack.Session, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	session, err := n.keeper.Attach(address, lineConn{conn}, nil)
	if err == nil {
		n.sessions[bare(address)] = session
	}
	return session, err
}

func (n *node) unbind(address string, session *untilack.Session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sessions[bare(address)] == session {
		delete(n.sessions, bare(address))
	}
}

func (n *node) session(address string) *untilack.Session {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sessions[bare(address)]
}

func bare(address string) string {
	address, _, _ = strings.Cut(address, "/")
	return address
}

// A stanza is what nodes and clients look at.
type stanza struct {
	XMLName  xml.Name
	From     string `xml:"from,attr"`
	To       string `xml:"to,attr"`
	ID       string `xml:"id,attr"`
	Type     string `xml:"type,attr"`
	Body     string `xml:"body"`
	Received *struct {
		ID string `xml:"id,attr"`
	} `xml:"urn:xmpp:receipts received"`
	State *state `xml:"state"`
}

// A state is what a node says when it is asked what it has, and what it has done.
type state struct {
	Rows      int    `xml:"rows,attr"` // in the store, which all nodes share
	Packets   int    `xml:"packets,attr"`
	Asked     int64  `xml:"asked,attr"`
	Kept      uint64 `xml:"kept,attr"`
	Acted     uint64 `xml:"acted,attr"`
	Elsewhere uint64 `xml:"elsewhere,attr"`
}

// route sends a stanza to where it is addressed. Only when that is done is the next one
// of the same client read, so that an answer to it acknowledges this one.
func (n *node) route(from *untilack.Session, raw []byte) {
	var s stanza
	if err := xml.Unmarshal(raw, &s); err != nil {
		fmt.Fprintln(os.Stderr, "stanza:", err)
		return
	}
	if s.XMLName.Local == "iq" {
		n.answer(from, s)
		return
	}
	if err := n.deliver(s, raw); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		send(from, fmt.Sprintf("<message type='error' id='%s' from='%s' to='%s'/>", s.ID, s.To, s.From))
	}
}

func (n *node) deliver(s stanza, raw []byte) error {
	if session := n.session(s.To); session != nil && session.Deliver(context.Background(), raw) == nil {
		return nil
	}
	if s.Received != nil {
		return nil // its sender is at another node, or has gone
	}
	return n.keeper.Offline(context.Background(), raw)
}

// answer answers a request to the server itself.
func (n *node) answer(to *untilack.Session, s stanza) {
	if s.Type != "get" {
		return
	}
	answer := ""
	if s.State != nil {
		answer = n.state()
	}
	send(to, fmt.Sprintf("<iq type='result' id='%s' to='%s'>%s</iq>", s.ID, to.Stream().Address(), answer))
}

func (n *node) state() string {
	total, err := n.store.Total(context.Background())
	if err != nil {
		total.Messages = -1
	}
	k := n.keeper
	return fmt.Sprintf("<state rows='%d' packets='%d' asked='%d' kept='%d' acted='%d' elsewhere='%d'/>",
		total.Messages, k.Stats().Waiting, n.asked.Load(), k.Count(untilack.Kept), k.Count(untilack.Acted), k.Count(untilack.Elsewhere))
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
