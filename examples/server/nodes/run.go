// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// showEvery is how often a node shows that it is alive.
const showEvery = lost / 6

// Run shows the other nodes that this one is alive, and every so often ends the sessions here whose
// clients have come back elsewhere. When ctx ends, this node is gone for them.
func (n *Nodes) Run(ctx context.Context, every time.Duration) {
	defer n.write(n.leave)
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	shown := time.Now()
	for {
		select {
		case now := <-ticks.C:
			if n.look(ctx, now.Sub(shown) >= showEvery) {
				shown = now // else the others are not to wait longer than this node has to
			}
		case <-ctx.Done():
			return
		}
	}
}

// look shows that this node is alive, if that is due, and ends sessions. It reports whether it has
// shown that. What could not be written does not say that nobody gets an answer.
func (n *Nodes) look(ctx context.Context, due bool) (shown bool) {
	var unshown error
	if due {
		unshown = n.show(ctx)
	}
	err := n.endReplaced(ctx)
	n.down.Store(err != nil && ctx.Err() == nil)
	if err = errors.Join(unshown, err); err != nil && ctx.Err() == nil {
		n.log.Error("other nodes not looked for", "error", err)
	}
	return due && unshown == nil
}

// show shows that this node is alive, clears up after dead ones, and makes the table of sessions
// right: something may not have been written, and a node that stood still was taken for dead.
func (n *Nodes) show(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	now := time.Now()
	return n.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, n.store.In(`INSERT INTO server_nodes (node, seen) VALUES (#1, #2)
			ON CONFLICT (node) DO UPDATE SET seen = excluded.seen`), n.name, now.UnixMicro()); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, n.store.In(`DELETE FROM server_nodes WHERE seen < #1`), now.Add(-lost).UnixMicro()); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM server_sessions WHERE node NOT IN (SELECT node FROM server_nodes)`); err != nil {
			return err
		}
		return n.correct(ctx, tx)
	})
}

// maxCorrected is how many sessions are noted, or struck out, at once: all of a large node, one by
// one, would take longer than patience, each time anew, and the node would be taken for dead.
const maxCorrected = 1000

// correct makes the table agree with what is here, or nearer to it. What changes meanwhile may go
// wrong, until the next time.
func (n *Nodes) correct(ctx context.Context, tx *sql.Tx) error {
	noted, err := ids(tx.QueryContext(ctx, n.store.In(`SELECT id FROM server_sessions WHERE node = #1`), n.name))
	if err != nil {
		return err
	}
	missing := make(map[string]string)
	n.mutex.Lock()
	for id, s := range n.sessions {
		missing[id] = s.address
	}
	n.mutex.Unlock()
	left := maxCorrected
	for _, id := range noted {
		if _, here := missing[id]; here {
			delete(missing, id)
		} else if left--; left < 0 {
			return nil
		} else if err := n.strike(ctx, tx, id); err != nil {
			return err
		}
	}
	for id, address := range missing {
		if left--; left < 0 {
			return nil
		}
		if err := n.note(ctx, tx, id, address); err != nil {
			return err
		}
	}
	return nil
}

// endReplaced ends the sessions here whose clients have come back elsewhere.
func (n *Nodes) endReplaced(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	replaced, err := ids(n.db.QueryContext(ctx, n.store.In(`SELECT id FROM server_sessions WHERE node = #1 AND replaced = 1`), n.name))
	for _, id := range replaced {
		n.mutex.Lock()
		s, here := n.sessions[id]
		n.mutex.Unlock()
		n.Leave(id)
		if here {
			go s.end()
		}
	}
	return err
}

// ids returns what is in the only column of rows.
func ids(rows *sql.Rows, err error) (all []string, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		all = append(all, id)
	}
	return all, rows.Err()
}

// leave takes this node out of the tables.
func (n *Nodes) leave(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, n.store.In(`DELETE FROM server_nodes WHERE node = #1`), n.name)
	if err == nil {
		_, err = tx.ExecContext(ctx, n.store.In(`DELETE FROM server_sessions WHERE node = #1`), n.name)
	}
	return err
}
