// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package kill

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
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/internal/integration/kill/powercut"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

const domain = "capulet.example"

// openStore returns a store, with tables in it, and its database.
func openStore(ctx context.Context, j job) (*sql.DB, *sqlstore.Store, error) {
	db, err := sql.Open(j.Driver, j.Source)
	if err != nil {
		return nil, nil, err
	}
	if err := sqlstore.Migrate(ctx, db, j.Dialect); err != nil {
		return nil, nil, err
	}
	store, err := sqlstore.Open(ctx, db, j.Dialect, nil)
	return db, store, err
}

// A relay is the server under test. A client sends its full address in the first line,
// and then a stanza in each.
type relay struct {
	keeper *untilack.Keeper
	store  *sqlstore.Store

	mu       sync.Mutex
	sessions map[string]*untilack.Session // the newest, by bare address
}

// serveRelay runs a relay until the process ends, which it does at the end of input at
// the latest. It writes its address to out.
func serveRelay(j job, out io.Writer) error {
	ctx := context.Background()
	if j.Log != "" {
		if err := powercut.Record(j.Log); err != nil {
			return err
		}
	}
	_, store, err := openStore(ctx, j)
	if err != nil {
		return err
	}
	keeper, err := untilack.New(untilack.Config{
		Domain:       domain,
		Store:        store,
		PersistAfter: j.PersistAfter,
		AckWait:      500 * time.Millisecond,
		ProbeWait:    250 * time.Millisecond,
		RetryWait:    5 * time.Millisecond, // and up to a thousand times that, after many failures
	})
	if err != nil {
		return err
	}
	r := &relay{keeper: keeper, store: store, sessions: make(map[string]*untilack.Session)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go r.accept(listener)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Fprintln(out, listener.Addr())
	return keeper.Run(ctx)
}

func (r *relay) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go r.attend(conn)
	}
}

// attend serves one client until its connection ends.
func (r *relay) attend(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	if !lines.Scan() {
		return
	}
	address := lines.Text()
	session, err := r.bind(address, conn)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bind:", err)
		return
	}
	defer session.Close()
	defer r.unbind(address, session)
	for lines.Scan() {
		if raw := lines.Bytes(); session.Receive(raw) {
			r.route(session, raw)
		}
	}
}

func (r *relay) bind(address string, conn net.Conn) (*untilack.Session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	session, err := r.keeper.Attach(address, lineConn{conn}, nil)
	if err == nil {
		r.sessions[bare(address)] = session
	}
	return session, err
}

func (r *relay) unbind(address string, session *untilack.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sessions[bare(address)] == session {
		delete(r.sessions, bare(address))
	}
}

func (r *relay) session(address string) *untilack.Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sessions[bare(address)]
}

func bare(address string) string {
	address, _, _ = strings.Cut(address, "/")
	return address
}

// A stanza is what the relay and its clients look at.
type stanza struct {
	XMLName  xml.Name
	From     string    `xml:"from,attr"`
	To       string    `xml:"to,attr"`
	ID       string    `xml:"id,attr"`
	Type     string    `xml:"type,attr"`
	Body     string    `xml:"body"`
	Delay    *struct{} `xml:"urn:xmpp:delay delay"`
	Received *struct {
		ID string `xml:"id,attr"`
	} `xml:"urn:xmpp:receipts received"`
	Left *left `xml:"left"`
}

// left is what the relay says when it is asked what it has: rows in the store and packets
// in memory.
type left struct {
	Rows    int `xml:"rows,attr"`
	Packets int `xml:"packets,attr"`
}

// route sends a stanza to where it is addressed. Only when that is done is the next one
// of the same client read, so that an answer to it acknowledges this one.
func (r *relay) route(from *untilack.Session, raw []byte) {
	var s stanza
	if err := xml.Unmarshal(raw, &s); err != nil {
		fmt.Fprintln(os.Stderr, "stanza:", err)
		return
	}
	if s.XMLName.Local == "iq" {
		r.answer(from, s)
		return
	}
	if err := r.deliver(s, raw); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		send(from, fmt.Sprintf("<message type='error' id='%s' from='%s' to='%s'/>", s.ID, s.To, s.From))
	}
}

func (r *relay) deliver(s stanza, raw []byte) (err error) {
	if session := r.session(s.To); session != nil {
		if err = session.Deliver(context.Background(), raw); err == nil {
			return nil
		}
	}
	if s.Received != nil {
		return nil // nobody waits for a receipt
	}
	return r.keeper.Offline(context.Background(), raw)
}

// answer answers a request to the server itself: what is left, or nothing.
func (r *relay) answer(to *untilack.Session, s stanza) {
	answer := ""
	if s.Left != nil {
		total, err := r.store.Total(context.Background())
		if err != nil {
			total.Messages = -1
		}
		answer = fmt.Sprintf("<left rows='%d' packets='%d'/>", total.Messages, r.keeper.Stats().Waiting)
	}
	if s.Type == "get" {
		send(to, fmt.Sprintf("<iq type='result' id='%s' to='%s'>%s</iq>", s.ID, to.Stream().Address(), answer))
	}
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
