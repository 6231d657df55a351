// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// crowdCases are about many callers at once.
var crowdCases = []testCase[actions.Store]{
	{
		name: "many put the same packet at once",
		rule: "A packet is put once, also by sixteen nodes at the same time, and mail wins over custody.",
		run:  checkSamePut,
	},
	{
		name: "a reader of the list misses nothing",
		rule: "Rows become visible in order of number: a reader who goes on from the last number misses no row that was put meanwhile.",
		run:  checkListReader,
	},
	{
		name: "a reader of the news misses nothing",
		rule: "News goes on from its mark without a gap, however much is put meanwhile.",
		run:  checkNewsReader,
	},
	{
		name: "many put and delete at once",
		rule: "All methods are safe for concurrent use; a row that was deleted does not come back.",
		run:  checkPutDelete,
	},
}

// perWorker is how many rows each worker puts.
const perWorker = 25

func checkSamePut(c *check, s actions.Store) {
	p := number(richard, 1)
	c.together(func(worker int) {
		c.put(s, rows(worker%2 == 0, []cache.Packet{p}))
	})
	if got, ok := c.only(s, richard); ok && got.Custody {
		c.faultf("Custody: got true, want false")
	}
}

// crowd puts rows with all workers at once, calls read until they are done,
// and once more after that.
func (c *check) crowd(s actions.Store, read func()) {
	var working atomic.Int64
	working.Store(workers - 1)
	c.together(func(worker int) {
		if worker == 0 {
			for working.Load() > 0 && c.ctx.Err() == nil {
				read()
			}
			read()
			return
		}
		defer working.Add(-1)
		for n := range perWorker {
			c.put(s, mail(NewPacket(richard, henry, fmt.Sprintf("w%d-%d", worker, n))))
		}
	})
}

// missing notes a fault if not all rows that the crowd put were read.
func (c *check) missing(what string, read map[cache.Identity]bool) {
	if want := (workers - 1) * perWorker; len(read) != want {
		c.faultf("%s: got %d rows, want %d", what, len(read), want)
	}
}

func checkListReader(c *check, s actions.Store) {
	read := make(map[cache.Identity]bool)
	var after uint64
	c.crowd(s, func() {
		for {
			rows, err := s.List(c.ctx, richard, after, 10)
			if !c.none("List", err) || len(rows) == 0 {
				return
			}
			for _, r := range rows {
				if r.Number <= after {
					c.faultf("List: number %d came after %d", r.Number, after)
					return
				}
				read[r.Packet.Identity()] = true
				after = r.Number
			}
		}
	})
	c.missing("the reader of the list", read)
}

func checkNewsReader(c *check, s actions.Store) {
	mark, ok := c.mark(s)
	if !ok {
		return
	}
	read := make(map[cache.Identity]bool)
	c.crowd(s, func() {
		for end := time.Now().Add(patience); time.Now().Before(end); {
			rows, next, err := s.News(c.ctx, []string{gaunt, richard}, mark, 10)
			if !c.none("News", err) {
				return
			}
			before := len(read)
			for _, r := range rows {
				read[r.Packet.Identity()] = true
			}
			switch {
			case len(rows) < 10:
				mark = next
				return
			case len(read) > before:
				end = time.Now().Add(patience)
			case next == mark:
				time.Sleep(pause)
			}
			mark = next
		}
	})
	c.missing("the reader of the news", read)
}

func checkPutDelete(c *check, s actions.Store) {
	c.together(func(worker int) {
		for n := range perWorker {
			p := NewPacket(richard, henry, fmt.Sprintf("w%d-%d", worker, n))
			c.put(s, custody(p))
			c.put(s, mail(p))
			if n%5 != 0 {
				c.delete(s, p)
				c.put(s, mail(p)) // too late
			}
			if _, err := s.Stands(c.ctx, p.Identity()); err != nil {
				c.none("Stands", err)
			}
		}
	})
	if got, want := len(c.list(s, richard)), workers*perWorker/5; got != want {
		c.faultf("List: got %d rows, want %d", got, want)
	}
}
