// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// mailCases are about putting a packet that is there already.
var mailCases = []testCase[actions.Store]{
	{
		name: "a packet is put once",
		rule: "A second Put of the same identity keeps the row, its number, its times and its stanza.",
		run:  checkPutTwice,
	},
	{
		name: "identities differ in every part",
		rule: "Recipient, full sender, id and sum together are the identity (RFC 6120 §8.1.3: ids are unique per stream only).",
		run:  checkIdentity,
	},
	{
		name: "a second put adds what is known",
		rule: "A second Put takes over the higher Attempt and adds its Marks; it takes nothing back.",
		run:  checkMerge,
	},
	{
		name: "custody becomes mail and never custody again",
		rule: "A Put without Custody makes offline mail of a custody row with the same number; the reverse changes nothing.",
		run:  checkUpgrade,
	},
}

func checkPutTwice(c *check, s actions.Store) {
	first, second := number(richard, 1), number(richard, 2)
	if !c.put(s, mail(first, second)) {
		return
	}
	before := c.list(s, richard)
	again := first
	again.Received = first.Received.Add(-1e9)
	again.Stanza = []byte("<other/>")
	c.put(s, mail(again))
	after := c.list(s, richard)
	c.want("List after the second Put", after, first, second)
	if len(before) != 2 || len(after) != 2 {
		return
	}
	if before[0].Number != after[0].Number {
		c.faultf("Number changed from %d to %d", before[0].Number, after[0].Number)
	}
	c.samePacket(after[0].Packet, first)
}

func checkIdentity(c *check, s actions.Store) {
	base := number(richard, 1)
	otherSum, otherSender, otherID := base, base, base
	otherSum.Sum++
	otherSender.Key.From = "northumberland@shakespeare.lit/york"
	otherID.Key.ID = "M1" // ids tell upper case from lower
	packets := []cache.Packet{base, otherSum, otherSender, otherID}
	if !c.put(s, mail(packets...)) {
		return
	}
	c.want("List", c.list(s, richard), packets...)
	c.delete(s, otherSender)
	c.want("List after Delete", c.list(s, richard), base, otherSum, otherID)
}

func checkMerge(c *check, s actions.Store) {
	p := number(richard, 1)
	p.Attempt, p.Marks = 1, cache.Chat|cache.Delivered
	more := p
	more.Attempt, more.Marks = 2, cache.Chat|cache.Read
	want := p
	want.Attempt, want.Marks = 2, cache.Chat|cache.Delivered|cache.Read
	for _, put := range []cache.Packet{p, more, p} {
		if !c.put(s, custody(put)) {
			return
		}
	}
	if got, ok := c.only(s, richard); ok {
		c.samePacket(got.Packet, want)
	}
}

func checkUpgrade(c *check, s actions.Store) {
	p, next := number(richard, 1), number(richard, 2)
	if !c.put(s, custody(p, next)) {
		return
	}
	before := c.list(s, richard)
	c.put(s, mail(p))
	c.put(s, custody(p))
	after := c.list(s, richard)
	c.want("List after the upgrade", after, p, next)
	if len(before) != 2 || len(after) != 2 {
		return
	}
	if !before[0].Custody || after[0].Custody || !after[1].Custody {
		c.faultf("Custody: got %t, then %t beside %t; want true, then false beside true",
			before[0].Custody, after[0].Custody, after[1].Custody)
	}
	if before[0].Number != after[0].Number {
		c.faultf("Number changed from %d to %d", before[0].Number, after[0].Number)
	}
}
