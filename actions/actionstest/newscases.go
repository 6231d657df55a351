// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"errors"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// newsCases are about how one node learns what another has put.
var newsCases = []testCase[actions.Store]{
	{
		name: "news begins now",
		rule: "The mark \"\" gives no rows, only the mark from which to go on.",
		run:  checkNewsBegins,
	},
	{
		name: "news tells of new rows",
		rule: "News returns what came after the mark for the recipients that were named, in order, without what was deleted.",
		run:  checkNewsRows,
	},
	{
		name: "news tells of what became mail",
		rule: "A custody row that becomes offline mail is news: another node may have the recipient's next session.",
		run:  checkNewsUpgrade,
	},
	{
		name: "news comes in pages",
		rule: "News returns at most limit rows, and its mark goes on from the last of them.",
		run:  checkNewsPages,
	},
	{
		name: "news refuses a mark that it never gave",
		rule: "A mark that the store can not read is ErrMark, and not the beginning or the end.",
		run:  checkNewsMark,
	},
}

// mark returns the mark of now.
func (c *check) mark(s actions.Store) (string, bool) {
	rows, mark, err := s.News(c.ctx, []string{richard, gaunt}, "", 0)
	if !c.none("News", err) {
		return "", false
	}
	c.want("News from now on", rows)
	if mark == "" {
		c.faultf("News: the mark to go on from is empty, so that it would begin anew each time")
	}
	return mark, true
}

// news reads on from mark until nothing more comes, and leaves out what comes
// again.
func (c *check) news(s actions.Store, mark string, limit int, recipients ...string) []actions.Row {
	type state struct {
		id      cache.Identity
		custody bool
	}
	var read []actions.Row
	if c.stuck {
		return nil
	}
	seen := make(map[state]bool)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		rows, next, err := s.News(c.ctx, recipients, mark, limit)
		if !c.none("News", err) || len(rows) == 0 {
			return read
		}
		if limit > 0 && len(rows) > limit {
			c.faultf("News with limit %d returned %d rows", limit, len(rows))
		}
		if next == mark {
			time.Sleep(pause)
		}
		for _, r := range rows {
			if now := (state{r.Packet.Identity(), r.Custody}); !seen[now] {
				seen[now] = true
				read = append(read, r)
				end = time.Now().Add(patience)
			}
		}
		mark = next
	}
	c.stuck = true
	c.faultf("News does not come to an end though nothing is put")
	return read
}

func checkNewsBegins(c *check, s actions.Store) {
	old, fresh := number(richard, 1), number(richard, 2)
	if !c.put(s, mail(old)) {
		return
	}
	mark, ok := c.mark(s)
	if !ok {
		return
	}
	c.want("News of nothing", c.news(s, mark, 0, richard))
	c.put(s, mail(fresh))
	c.want("News", c.news(s, mark, 0, richard), fresh)
}

func checkNewsRows(c *check, s actions.Store) {
	mark, ok := c.mark(s)
	if !ok {
		return
	}
	mine, settled, his := series(richard, 4), number(richard, 9), number(gaunt, 7)
	other := number("york@royalty.england.lit", 8)
	for _, p := range []cache.Packet{mine[0], his, settled, mine[1], other, mine[2]} {
		if !c.put(s, mail(p)) {
			return
		}
	}
	c.put(s, custody(mine[3]))
	c.put(s, mail(mine[0]))
	c.delete(s, settled)
	got := c.news(s, mark, 0, richard, gaunt, "nobody@royalty.england.lit", richard)
	c.want("News", got, mine[0], his, mine[1], mine[2], mine[3])
	for _, r := range got {
		if r.Number == 0 || len(r.Packet.Stanza) == 0 {
			c.faultf("News: row %q came without its number or its stanza", r.Packet.Key.ID)
		}
	}
	c.want("News for nobody", c.news(s, mark, 0))
	c.want("News once more from the same mark", c.news(s, mark, 0, gaunt), his)
}

func checkNewsUpgrade(c *check, s actions.Store) {
	first, second := number(richard, 1), number(richard, 2)
	if !c.put(s, custody(first, second)) {
		return
	}
	mark, ok := c.mark(s)
	if !ok {
		return
	}
	c.put(s, mail(second))
	c.put(s, mail(first))
	got := c.news(s, mark, 0, richard)
	c.want("News", got, second, first)
	for _, r := range got {
		if r.Custody {
			c.faultf("News: row %q is still custody", r.Packet.Key.ID)
		}
	}
}

func checkNewsPages(c *check, s actions.Store) {
	mark, ok := c.mark(s)
	if !ok {
		return
	}
	packets := series(richard, 20)
	if !c.put(s, mail(packets...)) {
		return
	}
	c.want("News in pages of three", c.news(s, mark, 3, richard), packets...)
	c.want("News in pages of one", c.news(s, mark, 1, richard), packets...)
}

func checkNewsMark(c *check, s actions.Store) {
	_, _, err := s.News(c.ctx, []string{richard}, "not a mark", 10)
	if !errors.Is(err, actions.ErrMark) {
		c.faultf("News: got error %v, want ErrMark", err)
	}
}
