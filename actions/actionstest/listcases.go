// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"context"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// listCases are about reading.
var listCases = []testCase[actions.Store]{
	{
		name: "list keeps the order of the first puts",
		rule: "Messages of one pair are delivered in order (RFC 6120 §10.1), so rows are numbered as they first came.",
		run:  checkOrder,
	},
	{
		name: "list reads on after a number",
		rule: "List returns the rows with a greater number, at most limit; a limit below one means the default.",
		run:  checkPages,
	},
	{
		name: "list never removes",
		rule: "A server sends first and deletes when the receipt came: a store that pops loses mail in a crash.",
		run:  checkListKeeps,
	},
	{
		name: "recipients are kept apart",
		rule: "List, Delete and News look at exactly the recipient that was named.",
		run:  checkApart,
	},
	{
		name: "expired rows are listed",
		rule: "A store has no clock for Expires; whoever delivers looks at it.",
		run:  checkExpired,
	},
	{
		name: "an ended context ends the call",
		rule: "All methods honour ctx, and what they return without an error is true.",
		run:  checkContext,
	},
}

func checkOrder(c *check, s actions.Store) {
	// Neither ids nor times of reception tell the order.
	packets := []cache.Packet{number(richard, 3), number(richard, 1), number(richard, 2)}
	packets[2].Received = packets[0].Received.Add(-time.Hour)
	for _, p := range packets {
		if !c.put(s, mail(p)) {
			return
		}
	}
	c.put(s, mail(packets[0]))
	got := c.list(s, richard)
	c.want("List", got, packets...)
	for i := 1; i < len(got); i++ {
		if got[i-1].Number >= got[i].Number {
			c.faultf("Number %d comes before %d", got[i-1].Number, got[i].Number)
		}
	}
}

func checkPages(c *check, s actions.Store) {
	packets := series(richard, actions.DefaultLimit+5)
	if !c.put(s, mail(packets...)) {
		return
	}
	var after uint64
	var read []actions.Row
	for range 200 {
		page, err := s.List(c.ctx, richard, after, 7)
		if !c.none("List", err) || len(page) == 0 {
			break
		}
		if len(page) > 7 {
			c.faultf("List with limit 7 returned %d rows", len(page))
		}
		read = append(read, page...)
		after = page[len(page)-1].Number
	}
	c.want("all pages", read, packets...)
	for _, limit := range []int{0, -1} {
		page, err := s.List(c.ctx, richard, 0, limit)
		c.none("List", err)
		c.want("List with no limit", page, packets[:actions.DefaultLimit]...)
	}
}

func checkListKeeps(c *check, s actions.Store) {
	packets := series(richard, 3)
	if !c.put(s, append(mail(packets[:2]...), custody(packets[2])...)) {
		return
	}
	for range 3 {
		c.want("List", c.list(s, richard), packets...)
	}
}

func checkApart(c *check, s actions.Store) {
	names := []string{"a_b@x.lit", "a%b@x.lit", "aab@x.lit", "A_B@x.lit", "a_b@x.lit.example", "b@x.lit", ""}
	var all []cache.Packet
	for _, name := range names {
		p := number(name, 1)
		all = append(all, p)
	}
	if !c.put(s, mail(all...)) {
		return
	}
	for i, name := range names {
		c.want("List of "+name, c.list(s, name), all[i])
	}
	c.delete(s, all[0])
	c.want("List after Delete", c.list(s, names[0]))
	for i, name := range names[1:] {
		c.want("List of "+name, c.list(s, name), all[i+1])
	}
	c.want("List of a stranger", c.list(s, "nobody@x.lit"))
}

func checkExpired(c *check, s actions.Store) {
	p := number(richard, 1)
	p.Expires = p.Received.Add(time.Second)
	if c.put(s, mail(p)) {
		c.want("List", c.list(s, richard), p)
	}
}

func checkContext(c *check, s actions.Store) {
	p := number(richard, 1)
	if !c.put(s, mail(p)) {
		return
	}
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	if errs := s.Put(ctx, mail(number(gaunt, 1))...); len(errs) == 0 || errs[0] == nil {
		c.want("List after a Put that returned no error", c.list(s, gaunt), number(gaunt, 1))
	}
	if rows, err := s.List(ctx, richard, 0, 10); err == nil {
		c.want("List", rows, p)
	}
	if stands, err := s.Stands(ctx, p.Identity()); err == nil && (len(stands) != 1 || !stands[0]) {
		c.faultf("Stands: got %v, want true", stands)
	}
	if _, _, err := s.News(ctx, []string{richard}, "", 10); err == nil {
		c.want("List", c.list(s, richard), p)
	}
	if err := s.Delete(ctx, p.Identity()); err == nil {
		c.want("List after a Delete that returned no error", c.list(s, richard))
	}
}
