// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import "strings"

// A match is what a receipt was found to mean.
type match struct {
	verdict Verdict
	entry   *entry // nil if the verdict is Unknown or Ambiguous
	copy    int    // the index of the copy that it answers, -1 if none
}

// match finds out what a receipt means, and changes nothing.
//
// A wrong guess that settles loses a message; one that does not settle costs a
// duplicate. So what is in doubt is Ambiguous.
func (s *shard) match(r *Receipt) match {
	all := s.candidates(r)
	switch {
	case all.count == 0:
		return match{verdict: Unknown, copy: -1}
	case all.oldest.entry != nil:
		return all.answer()
	case all.repeated != nil:
		// Every copy that this client was sent is answered: it says so again.
		return match{verdict: verdictOn(all.repeated), entry: all.repeated, copy: -1}
	case all.count == 1 && all.any.state == waiting:
		// The client caught up by another way.
		return match{verdict: Settled, entry: all.any, copy: -1}
	}
	return match{verdict: Ambiguous, copy: -1}
}

// candidates are the entries that a receipt may mean.
type candidates struct {
	count int
	any   *entry // one of them

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
	repeated *entry
}

// A candidate is an entry with a copy that a receipt may answer.
type candidate struct {
	entry *entry
	copy  int    // the index of its first copy that is not answered
	order uint64 // by which it is compared
}

// keep replaces c by another if that is older.
func (c *candidate) keep(other candidate) {
	if c.entry == nil || other.order < c.order {
		*c = other
	}
}

// candidates gathers the entries that a receipt may mean: those with its id, and
// if it is addressed to a full address, with exactly that sender.
func (s *shard) candidates(r *Receipt) (all candidates) {
	exact := strings.IndexByte(r.From, '/') >= 0
	n := s.index.name(r.To, r.From, r.ID)
	for e := s.index.find(&n); e != nil; e = e.sibling.with(&n) {
		if exact && e.packet.Key.From != r.From {
			continue
		}
		all.count++
		all.any = e
		first, open, here := e.copiesTo(r.Resource, r.Stream)
		if here {
			all.here.keep(candidate{e, open, e.orders.first})
		}
		switch {
		case open >= 0:
			all.oldest.keep(candidate{e, open, e.orders.first})
			all.nearest.keep(candidate{e, open, e.orders.at(first)})
		case first >= 0:
			if all.repeated == nil || all.repeated.orders.first < e.orders.first {
				all.repeated = e
			}
		}
	}
	return all
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
	elsewhere := all.here.entry != nil && all.here.entry != oldest.entry
	if oldest.entry.state != tombstone && (elsewhere || all.nearest.entry != oldest.entry) {
		return match{verdict: Ambiguous, copy: -1}
	}
	return match{verdict: verdictOn(oldest.entry), entry: oldest.entry, copy: oldest.copy}
}

// verdictOn returns the verdict on a receipt that belongs to e.
func verdictOn(e *entry) Verdict {
	switch e.state {
	case waiting:
		return Settled
	case taken:
		return Late
	}
	return Absorbed
}

// copiesTo returns the index of the first copy that went to a resource, and of one
// of them that is not answered: if there is any on the given stream one of those,
// which here reports, and else the first. The index is -1 if there is none.
func (e *entry) copiesTo(resource string, stream uint64) (first, open int, here bool) {
	first, open = -1, -1
	for i := range e.packet.Copies {
		copy := &e.packet.Copies[i]
		if copy.Resource != resource {
			continue
		}
		if first < 0 {
			first = i
		}
		switch {
		case copy.Acked:
		case stream != 0 && copy.Stream == stream:
			return first, i, true
		case open < 0:
			open = i
		}
	}
	return first, open, false
}
