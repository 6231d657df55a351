// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

// No table says how much a recipient has: each Put and each Delete would have to write it. It
// is counted when a Store puts the first row for a recipient. From then on the Store knows
// what it has put itself, and the clock says how much was put by all: while the recipient
// would have room for all that others have put, there is nothing to be counted. Deletions
// are noticed by the next count. Who has no room is not counted again for a while: see full.

// An amount is of rows, and of their bytes. The clock shows one, too: of numbers that were
// given and of bytes that were put, ever.
type amount struct{ messages, bytes int64 }

func (a amount) plus(b amount) amount  { return amount{a.messages + b.messages, a.bytes + b.bytes} }
func (a amount) minus(b amount) amount { return amount{a.messages - b.messages, a.bytes - b.bytes} }

// within reports whether neither part of a is above that of b.
func (a amount) within(b amount) bool { return a.messages <= b.messages && a.bytes <= b.bytes }

// least returns the smaller of each part.
func (a amount) least(b amount) amount {
	return amount{min(a.messages, b.messages), min(a.bytes, b.bytes)}
}

// maxCounted is of how many recipients a Store remembers what it has counted.
const maxCounted = 1 << 16

// quotas is what a Store knows of the room that recipients have. It is for the goroutine of
// the queue alone. What it is not told of counts as what others have put.
type quotas struct {
	most  amount            // for each recipient
	own   amount            // by which this Store has moved the clock
	clock amount            // what it showed last, without own
	until map[string]amount // what it may show, without own, while a recipient has room
	full  *full
}

func newQuotas(o *Options) *quotas {
	return &quotas{most: o.most(), until: make(map[string]amount), full: newFull(o)}
}

// see notes what the clock shows.
func (q *quotas) see(clock amount) { q.clock = clock.minus(q.own) }

// learn notes what a recipient who is to get more has in the database, at the clock that was
// seen last or later. What is not committed is not in it.
func (q *quotas) learn(recipient string, has, more amount) {
	if len(q.until) >= maxCounted {
		clear(q.until)
	}
	q.until[recipient] = q.clock.plus(q.most).minus(has)
	if !has.plus(more).within(q.most) {
		q.full.note(recipient, has)
	}
}

// unknown returns the recipients who are to be counted before they get more.
func (q *quotas) unknown(more map[string]amount) (unknown []string) {
	for recipient, m := range more {
		if until, ok := q.until[recipient]; !ok || !q.clock.within(until.minus(m)) {
			unknown = append(unknown, recipient)
		}
	}
	return unknown
}

// limit returns what the clock may show before recipients, who are known, get more.
func (q *quotas) limit(more map[string]amount) amount {
	limit := amount{noQuota, noQuota}
	for recipient, m := range more {
		limit = limit.least(q.until[recipient].minus(m))
	}
	return limit.plus(q.own)
}

// put notes that recipients have got more, in a commit that has moved the clock.
func (q *quotas) put(more map[string]amount, moved amount) {
	for recipient, m := range more {
		q.until[recipient] = q.until[recipient].minus(m)
	}
	q.own = q.own.plus(moved)
}

// A query runs a statement and hands each of its rows over.
type query func(pattern string, entries int, args []any, each func(scanner) error) error

// count counts what recipients have who get more in a batch. It returns errUnusual if one of
// them has no room for that, or had none a moment ago.
func (q *quotas) count(b *batch, recipients []string, run query) error {
	for _, recipient := range recipients {
		if q.full.refuses(recipient, b.more[recipient]) {
			return errUnusual
		}
	}
	has, err := count(run, recipients)
	if err != nil {
		return err
	}
	own := sizesOf(b.puts[:b.written])
	for _, recipient := range recipients {
		q.learn(recipient, has[recipient].minus(own[recipient]), b.more[recipient])
	}
	if len(q.unknown(b.more)) > 0 {
		return errUnusual
	}
	return nil
}

// sizesOf returns what recipients get by puts.
func sizesOf(puts []*entry) map[string]amount {
	more := make(map[string]amount)
	for _, e := range puts {
		more[e.identity.To] = more[e.identity.To].plus(e.amount())
	}
	return more
}

// count returns what recipients have.
func count(run query, recipients []string) (map[string]amount, error) {
	all := make(map[string]amount, len(recipients))
	if len(recipients) == 0 {
		return all, nil
	}
	args := make([]any, len(recipients))
	for i := range recipients {
		args[i] = recipients[i]
	}
	args = padded(args)
	err := run(readBoxes, len(args), args, func(scan scanner) error {
		var recipient string
		var has amount
		err := scan(&recipient, &has.messages, &has.bytes)
		all[recipient] = has
		return err
	})
	return all, err
}
