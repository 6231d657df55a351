// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import "github.com/untilack/untilack/actions"

// lastingCases are about a store that is opened once more.
var lastingCases = []testCase[Reopener]{
	{
		name: "a store that lasts says so",
		rule: "Messages with no-permanent-store go only to a store whose Volatile is true (XEP-0334 §4.1).",
		run: func(c *check, o Reopener) {
			if !actions.Lasting(o.Store) {
				c.faultf("Volatile: got true, want false or no such method")
			}
		},
	},
	{
		name: "rows outlive the process",
		rule: "What Put accepted and Delete left is there when the store is opened once more, with its number and kind.",
		run:  checkReopen,
	},
	{
		name: "numbers grow across processes",
		rule: "A number is never given twice, also not after the last row was deleted and the store opened once more.",
		run:  checkReopenNumbers,
	},
	{
		name: "news goes on across processes",
		rule: "A mark means the same to every node that shares the store, also to one that was started later.",
		run:  checkReopenNews,
	},
}

func checkReopen(c *check, o Reopener) {
	packets := series(richard, 4)
	c.put(o.Store, mail(packets[:2]...))
	c.put(o.Store, custody(packets[2:]...))
	c.delete(o.Store, packets[0])
	before := c.list(o.Store, richard)
	s, err := o.Reopen()
	if !c.none("Reopen", err) {
		return
	}
	after := c.list(s, richard)
	c.want("List", after, packets[1:]...)
	if len(before) != len(after) {
		return
	}
	for i, r := range after {
		c.samePacket(r.Packet, before[i].Packet)
		if r.Number != before[i].Number || r.Custody != before[i].Custody {
			c.faultf("row %d: got number %d custody %t, want %d %t",
				i, r.Number, r.Custody, before[i].Number, before[i].Custody)
		}
	}
}

func checkReopenNumbers(c *check, o Reopener) {
	first, second := number(richard, 1), number(richard, 2)
	c.put(o.Store, mail(first))
	before, ok := c.only(o.Store, richard)
	if !ok {
		return
	}
	c.delete(o.Store, first)
	s, err := o.Reopen()
	if !c.none("Reopen", err) {
		return
	}
	c.put(s, mail(second))
	if after, ok := c.only(s, richard); ok && after.Number <= before.Number {
		c.faultf("Number: got %d after %d", after.Number, before.Number)
	}
}

func checkReopenNews(c *check, o Reopener) {
	mark, ok := c.mark(o.Store)
	if !ok {
		return
	}
	first, second := number(richard, 1), number(richard, 2)
	c.put(o.Store, mail(first))
	s, err := o.Reopen()
	if !c.none("Reopen", err) {
		return
	}
	c.put(s, mail(second))
	c.want("News", c.news(s, mark, 0, richard), first, second)
}
