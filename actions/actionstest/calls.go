// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"errors"
	"slices"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// put puts rows that must all be accepted.
func (c *check) put(s actions.Store, rows []actions.Row) bool {
	errs := s.Put(c.ctx, rows...)
	if len(errs) != 0 && len(errs) != len(rows) {
		c.faultf("Put of %d rows returned %d errors; want none or one for each", len(rows), len(errs))
		return false
	}
	return c.none("Put", errors.Join(errs...))
}

// list returns all rows of a recipient, in one page.
func (c *check) list(s actions.Store, recipient string) []actions.Row {
	rows, err := s.List(c.ctx, recipient, 0, 10_000)
	c.none("List", err)
	return rows
}

// delete deletes the rows of packets.
func (c *check) delete(s actions.Store, packets ...cache.Packet) bool {
	return c.none("Delete", s.Delete(c.ctx, identities(packets...)...))
}

// want compares the ids of rows with those of packets, in order.
func (c *check) want(what string, got []actions.Row, want ...cache.Packet) {
	if g, w := rowIDs(got), packetIDs(want); !slices.Equal(g, w) {
		c.faultf("%s: got %q, want %q", what, g, w)
	}
}

// only returns the one row of a recipient, or notes a fault.
func (c *check) only(s actions.Store, recipient string) (actions.Row, bool) {
	rows := c.list(s, recipient)
	if len(rows) != 1 {
		c.faultf("List: got %d rows, want 1", len(rows))
		return actions.Row{}, false
	}
	return rows[0], true
}

func rowIDs(rows []actions.Row) []string {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.Packet.Key.ID
	}
	return ids
}

func packetIDs(packets []cache.Packet) []string {
	ids := make([]string, len(packets))
	for i, p := range packets {
		ids[i] = p.Key.ID
	}
	return ids
}
