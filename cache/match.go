// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

// A match is what a receipt was found to mean.
type match struct {
	verdict Verdict
	graves  int       // tombstones of that name
	entry             // its record is nil if the verdict is Unknown or Ambiguous
	copy    *delivery // that it answers, if any
}

// match finds out what a receipt means, and changes nothing.
//
// A wrong guess that settles loses a message; one that does not settle costs a
// duplicate. So what is in doubt is Ambiguous.
func (s *shard) match(g *graveyard, r *Receipt, n *name) match {
	first := s.candidate(s.named(n.tag), g, r, n)
	if first.record == nil {
		return match{verdict: Unknown}
	}
	second := s.candidate(s.nextNamed(n.tag, first), g, r, n)
	if second.record == nil {
		return s.only(first, r)
	}
	var all candidates
	s.consider(&all, first, r)
	for e := second; e.record != nil; e = s.candidate(s.nextNamed(n.tag, e), g, r, n) {
		s.consider(&all, e, r)
	}
	m := all.meaning()
	m.graves = all.graves
	return m
}

// only returns the meaning of a receipt that one record alone can be meant by.
func (s *shard) only(e entry, r *Receipt) match {
	m := match{verdict: Ambiguous}
	first, open, _ := s.copiesTo(e.record, r.Resource, r.Stream)
	// If none of its copies went there, the client caught up by another way.
	if first != nil || e.state == waiting {
		m = e.match(open)
	}
	if e.state == tombstone {
		m.graves = 1
	}
	return m
}

// candidate returns the first of e and the records after it that a receipt may mean: it
// has the name, and if the receipt is addressed to a full address, exactly that sender.
func (s *shard) candidate(e entry, g *graveyard, r *Receipt, n *name) entry {
	for ; e.record != nil; e = s.nextNamed(n.tag, e) {
		s.expectEnd(e)
		if e.is(n) && !s.isGone(g, e.record) && (len(r.From) == len(n.sender) || e.string(from) == r.From) {
			break
		}
	}
	return e
}

func (all *candidates) meaning() match {
	switch {
	case all.oldest.record != nil:
		return all.answer()
	case all.repeated.record != nil:
		// Every copy that this client was sent is answered: it says so again.
		return all.repeated.match(nil)
	}
	return match{verdict: Ambiguous}
}

// candidates are the records that a receipt may mean.
type candidates struct {
	graves int // of them are tombstones

	// Of those with a copy for the receipt's resource that is not answered, the
	// one that was first delivered at all, and the one that was first delivered
	// to this resource.
	oldest  candidate
	nearest candidate

	// Of those with a copy on the receipt's own stream that is not answered, the one
	// that was first delivered at all.
	here candidate

	// Of those whose copies for the resource are all answered, the one that was
	// delivered last.
	repeated candidate
}

// A candidate is a record that a receipt may mean.
type candidate struct {
	entry
	copy  *delivery // the first of its copies that is not answered
	order uint64    // by which it is compared
}

// keep replaces c by another if that is older.
func (c *candidate) keep(other candidate) {
	if c.record == nil || other.order < c.order {
		*c = other
	}
}

// expectEnd has the processor fetch what finishing a packet will change.
func (s *shard) expectEnd(e entry) {
	if s.wheel != nil && e.timer.Waiting() {
		s.wheel.Expect(&e.timer)
	}
}

// consider adds a record to the candidates.
func (s *shard) consider(all *candidates, e entry, r *Receipt) {
	if e.state == tombstone {
		all.graves++
	}
	if e.copies == 0 {
		return
	}
	c := candidate{entry: e}
	first, open, here := s.copiesTo(c.record, r.Resource, r.Stream)
	c.copy, c.order = open, s.delivery(c.copies).order
	if here {
		all.here.keep(c)
	}
	switch {
	case open != nil:
		all.oldest.keep(c)
		c.order = first.order
		all.nearest.keep(c)
	case first != nil:
		if all.repeated.record == nil || all.repeated.order < c.order {
			all.repeated = c
		}
	}
}

// answer returns the meaning of a receipt from a resource with copies that are not
// answered: it belongs to the oldest of them.
//
// A finished packet absorbs it. One that still waits must also be the one that this
// resource saw first: if it saw two messages with one id in another order than that
// of their first delivery, nobody knows which of them it means. Nor does anybody if
// another message with this id is on the stream that the receipt came on, and this
// one is not: its copy may have gone down with an older stream.
func (all *candidates) answer() match {
	oldest := all.oldest
	elsewhere := all.here.record != nil && all.here.record != oldest.record
	if oldest.state != tombstone && (elsewhere || all.nearest.record != oldest.record) {
		return match{verdict: Ambiguous}
	}
	return oldest.match(oldest.copy)
}

// match returns the meaning of a receipt that belongs to e.
func (e entry) match(copy *delivery) match {
	m := match{verdict: Absorbed, entry: e, copy: copy}
	switch e.state {
	case waiting:
		m.verdict = Settled
	case taken:
		m.verdict = Late
	}
	return m
}

// copiesTo returns the first copy that went to a resource, and of those that are not
// answered one that is on the given stream, which here reports, or else the first.
func (s *shard) copiesTo(e *record, resource string, stream uint64) (first, open *delivery, here bool) {
	for ref := e.copies; ref != 0; {
		d, next := s.next(ref)
		ref = next
		if d.resource() != resource {
			continue
		}
		if first == nil {
			first = d
		}
		switch {
		case d.acked:
		case stream != 0 && d.stream == stream:
			return first, d, true
		case open == nil:
			open = d
		}
	}
	return first, open, false
}
