// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package nodes knows which sessions are at other nodes of one server, which have nothing in
// common but a database.
//
// Messages get there by the Keeper's store: what is put into it is taken by the node that the
// recipient is at. That needs help where a message is for one session, by its full address. So each
// node notes its sessions in a table, Forward is an action that puts into the store what is for a
// session at another node, and Mail is a store that does not show it to any other.
package nodes

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/untilack/untilack/examples/internal/stores"
)

// lost is after which time a node counts as dead that does not show that it is alive. The clocks
// of all nodes should agree to a few seconds.
const lost = 30 * time.Second

// patience is how long the database has for one statement, or for all that a node has to say of itself.
const patience = 3 * time.Second

var tables = []string{`CREATE TABLE IF NOT EXISTS server_nodes (
	node TEXT PRIMARY KEY,
	seen BIGINT NOT NULL
)`, `CREATE TABLE IF NOT EXISTS server_sessions (
	id TEXT PRIMARY KEY,
	address TEXT NOT NULL,
	node TEXT NOT NULL,
	replaced INTEGER NOT NULL
)`,
	`CREATE INDEX IF NOT EXISTS server_sessions_address ON server_sessions (address)`,
	`CREATE INDEX IF NOT EXISTS server_sessions_node ON server_sessions (node, replaced)`,
}

// Nodes is what one node tells the others, and knows of them. It is safe for concurrent use by
// multiple goroutines.
type Nodes struct {
	store *stores.Store
	db    *sql.DB // the store's
	log   *slog.Logger
	name  string      // of this node, until it ends
	down  atomic.Bool // whether the database did not answer, and look has not seen it do so since

	mutex    sync.Mutex
	sessions map[string]session // those here, by id
	here     map[string]int     // how many of them have an address
}

// A session is one that is here.
type session struct {
	address string
	end     func()
}

// Open makes the tables if there are none.
func Open(ctx context.Context, store *stores.Store, log *slog.Logger) (*Nodes, error) {
	for _, table := range tables {
		if err := store.Make(ctx, table); err != nil {
			return nil, fmt.Errorf("nodes: %w", err)
		}
	}
	db, _ := store.Database()
	n := &Nodes{store: store, db: db, log: log, name: rand.Text(), sessions: make(map[string]session), here: make(map[string]int)}
	return n, n.show(ctx)
}

// Enter notes that a session with a full address is here. If another node has one with the same
// address, that is ended there: its client has come back here (RFC 6120 §7.7.2.2). The other way
// round end is called. What Enter returns is for Leave.
func (n *Nodes) Enter(address string, end func()) (id string) {
	id = rand.Text()
	n.mutex.Lock()
	n.sessions[id] = session{address, end}
	n.here[address]++
	n.mutex.Unlock()
	n.write(func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, n.store.In(`UPDATE server_sessions SET replaced = 1 WHERE address = #1 AND node <> #2`), address, n.name); err != nil {
			return err
		}
		return n.note(ctx, tx, id, address)
	})
	return id
}

// Leave notes that a session is here no more.
func (n *Nodes) Leave(id string) {
	n.mutex.Lock()
	address := n.sessions[id].address
	delete(n.sessions, id)
	if n.here[address]--; n.here[address] <= 0 {
		delete(n.here, address)
	}
	n.mutex.Unlock()
	n.write(func(ctx context.Context, tx *sql.Tx) error { return n.strike(ctx, tx, id) })
}

// write changes the tables. What fails is made good by show.
func (n *Nodes) write(change func(context.Context, *sql.Tx) error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.transact(ctx, change); err != nil {
		n.log.Error("session not noted for other nodes", "error", err)
	}
}

func (n *Nodes) transact(ctx context.Context, change func(context.Context, *sql.Tx) error) error {
	tx, err := n.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("nodes: %w", err)
	}
	if err := change(ctx, tx); err != nil {
		return fmt.Errorf("nodes: %w", errors.Join(err, tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("nodes: %w", err)
	}
	return nil
}

func (n *Nodes) note(ctx context.Context, tx *sql.Tx, id, address string) error {
	_, err := tx.ExecContext(ctx, n.store.In(`INSERT INTO server_sessions (id, address, node, replaced) VALUES (#1, #2, #3, 0)
		ON CONFLICT (id) DO NOTHING`), id, address, n.name)
	return err
}

func (n *Nodes) strike(ctx context.Context, tx *sql.Tx, id string) error {
	_, err := tx.ExecContext(ctx, n.store.In(`DELETE FROM server_sessions WHERE id = #1`), id)
	return err
}

var errDown = errors.New("nodes: the database does not answer")

// Elsewhere reports whether a session with a full address is at another node, and not here.
func (n *Nodes) Elsewhere(ctx context.Context, address string) (is bool, err error) {
	n.mutex.Lock()
	here := n.here[address] > 0
	n.mutex.Unlock()
	if here {
		return false, nil
	}
	if n.down.Load() { // nobody waits to try that: Run does
		return false, errDown
	}
	var count int
	err = n.db.QueryRowContext(ctx, n.store.In(`SELECT COUNT(*) FROM server_sessions JOIN server_nodes ON server_nodes.node = server_sessions.node
		WHERE address = #1 AND server_nodes.node <> #2 AND seen >= #3`), address, n.name, time.Now().Add(-lost).UnixMicro()).Scan(&count)
	if err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) { // that says nothing of the database
			n.down.Store(true)
		}
		return false, fmt.Errorf("nodes: %w", err)
	}
	return count > 0, nil
}
