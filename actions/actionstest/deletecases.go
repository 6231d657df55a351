// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"slices"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// deleteCases are about how rows go, and what is remembered of them.
var deleteCases = []testCase[actions.Store]{
	{
		name: "delete removes what was named",
		rule: "Delete removes rows of both kinds by identity; an absent one is no error.",
		run:  checkDelete,
	},
	{
		name: "stands answers in order",
		rule: "Stands reports for each identity, in order, whether its row is there.",
		run:  checkStands,
	},
	{
		name: "a number is never given twice",
		rule: "A reader goes on after the last number it saw, so a new row's number is greater, also after the last row was deleted.",
		run:  checkNumbersGrow,
	},
	{
		name: "a put that comes too late is forgotten",
		rule: "A receipt may overtake the Put: a packet received before its Delete is accepted and not kept, whether it was there or not.",
		run:  checkLatePut,
	},
	{
		name: "a message that is sent once more is kept",
		rule: "The same bytes received after the Delete are a new message.",
		run:  checkSentAgain,
	},
}

func checkDelete(c *check, s actions.Store) {
	packets := series(richard, 5)
	if !c.put(s, append(mail(packets[:3]...), custody(packets[3:]...)...)) {
		return
	}
	c.delete(s)
	c.delete(s, packets[1], packets[3], number(richard, 99), number(gaunt, 1))
	c.want("List", c.list(s, richard), packets[0], packets[2], packets[4])
	c.delete(s, packets[1])
	c.delete(s, packets[0], packets[2], packets[4], packets[4])
	c.want("List after all were deleted", c.list(s, richard))
}

func checkStands(c *check, s actions.Store) {
	there, gone, never := number(richard, 1), number(richard, 2), number(gaunt, 1)
	if !c.put(s, mail(there, gone)) {
		return
	}
	c.delete(s, gone)
	got, err := s.Stands(c.ctx, identities(gone, there, never, there)...)
	c.none("Stands", err)
	if want := []bool{false, true, false, true}; !slices.Equal(got, want) {
		c.faultf("Stands: got %v, want %v", got, want)
	}
	none, err := s.Stands(c.ctx)
	if c.none("Stands", err) && len(none) != 0 {
		c.faultf("Stands of nothing: got %v, want nothing", none)
	}
}

func checkNumbersGrow(c *check, s actions.Store) {
	var last uint64
	for i, p := range series(richard, 4) {
		if !c.put(s, mail(p)) {
			return
		}
		row, ok := c.only(s, richard)
		if !ok {
			return
		}
		if row.Number <= last {
			c.faultf("row %d got number %d after %d", i+1, row.Number, last)
		}
		last = row.Number
		c.delete(s, p)
	}
}

func checkLatePut(c *check, s actions.Store) {
	there, absent := number(richard, 1), number(richard, 2)
	if !c.put(s, custody(there)) || !c.delete(s, there, absent) {
		return
	}
	for range 2 {
		c.put(s, custody(there, absent))
		c.put(s, mail(there, absent))
	}
	c.want("List after late Puts", c.list(s, richard))
	if stands, err := s.Stands(c.ctx, identities(there, absent)...); err == nil && slices.Contains(stands, true) {
		c.faultf("Stands: got %v, want none", stands)
	}
}

func checkSentAgain(c *check, s actions.Store) {
	first, second := number(richard, 1), number(richard, 2)
	if !c.put(s, mail(first, second)) || !c.delete(s, first) {
		return
	}
	// A minute ahead, because the store may live by another clock.
	again := []cache.Packet{first}
	again[0].Received = time.Now().Add(time.Minute)
	c.put(s, mail(again...))
	c.want("List", c.list(s, richard), second, first)
}
