// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// Forward returns an action that makes mail of what is for a session at another node, by its full
// address, in the store that all nodes share, and passes all else.
func (n *Nodes) Forward(shared actions.Store) actions.Action { return forward{n, shared} }

type forward struct {
	nodes *Nodes
	store actions.Store
}

// NeedsStore says that there is nothing to do while the store is down; see untilack.Config.
func (forward) NeedsStore() bool { return true }

// Act implements actions.Action.
func (f forward) Act(ctx context.Context, p cache.Packet) (actions.Outcome, error) {
	if p.Resource == "" || p.Marks.Has(cache.Read) || !actions.MayKeep(p, actions.Lasting(f.store)) {
		return actions.Pass, nil
	}
	elsewhere, err := f.nodes.Elsewhere(ctx, addressed(p))
	if err != nil || !elsewhere {
		return actions.Pass, err
	}
	if err := errors.Join(f.store.Put(ctx, actions.NewRow(p, false))...); err != nil {
		return actions.Pass, err
	}
	return actions.Stored, nil
}

// addressed returns the full address that a packet is for.
func addressed(p cache.Packet) string { return p.Key.To + "/" + p.Resource }

// Mail is a store as one node sees it: it is not shown mail for a session at another node, by its
// full address, until that session is gone.
type Mail struct {
	actions.Store
	nodes *Nodes

	mutex  sync.Mutex
	hidden map[string]struct{} // addresses of those sessions
}

// Mail returns a store that all nodes share as this one is to see it.
func (n *Nodes) Mail(shared actions.Store) *Mail {
	return &Mail{Store: shared, nodes: n, hidden: make(map[string]struct{})}
}

// List implements actions.Store.
func (m *Mail) List(ctx context.Context, recipient string, after uint64, limit int) (shown []actions.Row, err error) {
	if limit <= 0 {
		limit = actions.DefaultLimit
	}
	for last := false; !last && len(shown) < limit; {
		rows, err := m.Store.List(ctx, recipient, after, limit)
		if err != nil {
			return nil, err
		}
		if last = len(rows) < limit; len(rows) > 0 {
			after = rows[len(rows)-1].Number
		}
		if rows, err = m.show(ctx, rows); err != nil {
			return nil, err
		}
		shown = append(shown, rows[:min(len(rows), limit-len(shown))]...)
	}
	return shown, nil
}

// News implements actions.Store. What was not shown is new when its session is gone.
func (m *Mail) News(ctx context.Context, recipients []string, since string, limit int) (rows []actions.Row, mark string, err error) {
	if rows, mark, err = m.Store.News(ctx, recipients, since, limit); err != nil {
		return nil, "", err
	}
	if rows, err = m.show(ctx, rows); err != nil {
		return nil, "", err
	}
	released, err := m.release(ctx, recipients)
	return append(rows, released...), mark, err
}

// show returns those of rows that this node is to see.
func (m *Mail) show(ctx context.Context, rows []actions.Row) (shown []actions.Row, err error) {
	known := make(map[string]bool)
	for _, r := range rows {
		if r.Custody || r.Packet.Resource == "" { // custody is for whoever comes first
			shown = append(shown, r)
			continue
		}
		address := addressed(r.Packet)
		elsewhere, ok := known[address]
		if !ok {
			if elsewhere, err = m.nodes.Elsewhere(ctx, address); err != nil {
				return nil, err
			}
			known[address] = elsewhere
		}
		if elsewhere {
			m.hide(address)
		} else {
			shown = append(shown, r)
		}
	}
	return shown, nil
}

func (m *Mail) hide(address string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.hidden[address] = struct{}{}
}

// release returns the rows that were not shown and are for sessions that are gone.
func (m *Mail) release(ctx context.Context, recipients []string) (released []actions.Row, err error) {
	gone, err := m.gone(ctx)
	if err != nil {
		return nil, err
	}
	for _, address := range gone {
		recipient, resource, _ := strings.Cut(address, "/")
		if !slices.Contains(recipients, recipient) {
			continue // who comes later is shown all
		}
		for r, err := range actions.All(ctx, m.Store, recipient) {
			if err != nil {
				return nil, err
			}
			if r.Packet.Resource == resource && !r.Custody {
				released = append(released, r)
			}
		}
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, address := range gone {
		delete(m.hidden, address)
	}
	return released, nil
}

// maxLooks is how many sessions a node looks for at once, which others wait for.
const maxLooks = 100

// gone returns addresses for which something is hidden, and at which no session is any more. If it
// is for very many, some are looked at, others the next time: a map has no order.
func (m *Mail) gone(ctx context.Context) (addresses []string, err error) {
	var some []string
	m.mutex.Lock()
	for address := range m.hidden {
		if some = append(some, address); len(some) == maxLooks {
			break
		}
	}
	m.mutex.Unlock()
	for _, address := range some {
		elsewhere, err := m.nodes.Elsewhere(ctx, address)
		if err != nil {
			return nil, err
		}
		if !elsewhere {
			addresses = append(addresses, address)
		}
	}
	return addresses, nil
}
