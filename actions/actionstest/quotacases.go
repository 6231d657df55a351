// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/untilack/untilack/actions"
)

// quotaCases are about a store that keeps so many messages for a recipient.
func quotaCases(messages int) []testCase[actions.Store] {
	return []testCase[actions.Store]{
		{
			name: "the quota holds row by row",
			rule: "ErrQuota is returned for the rows that find no room, and only for those.",
			run:  func(c *check, s actions.Store) { checkQuotaRows(c, s, messages) },
		},
		{
			name: "what is there needs no quota",
			rule: "A second Put, also one that makes mail of custody, is accepted with the quota used up.",
			run:  func(c *check, s actions.Store) { checkQuotaAgain(c, s, messages) },
		},
		{
			name: "the quota is each recipient's own",
			rule: "One recipient's full box does not concern another; a Delete makes room.",
			run:  func(c *check, s actions.Store) { checkQuotaApart(c, s, messages) },
		},
		{
			name: "the quota holds against a crowd",
			rule: "As many rows as the quota allows are accepted, however many are put at once.",
			run:  func(c *check, s actions.Store) { checkQuotaCrowd(c, s, messages) },
		},
	}
}

// refused notes a fault if a Put of one row is not refused with ErrQuota.
func (c *check) refused(s actions.Store, r []actions.Row) {
	errs := s.Put(c.ctx, r...)
	if len(errs) != 1 || !errors.Is(errs[0], actions.ErrQuota) {
		c.faultf("Put beyond the quota: got %v, want ErrQuota", errs)
	}
}

func checkQuotaRows(c *check, s actions.Store, messages int) {
	packets := series(richard, messages+2)
	errs := s.Put(c.ctx, mail(packets...)...)
	if len(errs) != len(packets) {
		c.faultf("Put of %d rows: got %d errors, want one for each", len(packets), len(errs))
		return
	}
	for i, err := range errs {
		if fits := i < messages; fits != (err == nil) || !fits && !errors.Is(err, actions.ErrQuota) {
			c.faultf("row %d of %d: got error %v", i+1, messages, err)
		}
	}
	c.want("List", c.list(s, richard), packets[:messages]...)
}

func checkQuotaAgain(c *check, s actions.Store, messages int) {
	packets := series(richard, messages)
	if !c.put(s, custody(packets...)) {
		return
	}
	c.refused(s, custody(number(richard, messages+1)))
	c.put(s, custody(packets...))
	c.put(s, mail(packets...))
	for _, r := range c.list(s, richard) {
		if r.Custody {
			c.faultf("row %q is still custody", r.Packet.Key.ID)
		}
	}
}

func checkQuotaApart(c *check, s actions.Store, messages int) {
	packets := series(richard, messages)
	if !c.put(s, mail(packets...)) {
		return
	}
	late := number(richard, messages+1)
	c.refused(s, mail(late))
	c.put(s, mail(number(gaunt, 1)))
	c.delete(s, packets[0])
	c.put(s, mail(late))
	c.want("List", c.list(s, richard), append(packets[1:], late)...)
}

func checkQuotaCrowd(c *check, s actions.Store, messages int) {
	var accepted atomic.Int64
	c.together(func(worker int) {
		for n := range messages {
			p := NewPacket(richard, henry, fmt.Sprintf("w%d-%d", worker, n))
			errs := s.Put(c.ctx, mail(p)...)
			err := errors.Join(errs...)
			if err == nil {
				accepted.Add(1)
			} else if !errors.Is(err, actions.ErrQuota) {
				c.none("Put", err)
			}
		}
	})
	if listed := len(c.list(s, richard)); accepted.Load() != int64(messages) || listed != messages {
		c.faultf("accepted %d rows and listed %d, want %d", accepted.Load(), listed, messages)
	}
}
