// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/untilack/untilack/cache"
)

// A naive cache does what a cache does in the plainest way: everything is in one
// slice in order of Put, and every question looks through all of it.
// It remembers all tombstones, but for those that are too many of one name.
type naive struct {
	packets    []*naivePacket
	seq        uint64
	deliveries int
}

type naivePacket struct {
	cache.Packet
	copies   []naiveCopy
	finished bool
	gone     bool // and forgotten
	late     bool
	deadline time.Time // rounded up; zero: none
}

type naiveCopy struct {
	cache.Copy
	order int
}

// shown returns the packet as the cache shows it.
func (p *naivePacket) shown() cache.Packet {
	shown := p.Packet
	for _, c := range p.copies {
		shown.Copies = append(shown.Copies, c.Copy)
	}
	return shown
}

func (n *naive) put(now time.Time, p cache.Packet, wait time.Duration) (uint64, bool) {
	for _, q := range n.packets {
		if !q.finished && q.Key == p.Key && bytes.Equal(q.Stanza, p.Stanza) {
			return q.Seq, false
		}
	}
	n.seq++
	p.Seq = n.seq
	q := &naivePacket{Packet: p}
	q.arm(now, wait)
	n.packets = append(n.packets, q)
	return p.Seq, true
}

// arm sets the deadline, rounded up to a tick since the start of the test.
func (p *naivePacket) arm(now time.Time, wait time.Duration) {
	p.deadline = time.Time{}
	if wait > 0 {
		const tick = 10 * time.Millisecond
		since := now.Add(wait).Sub(start)
		p.deadline = start.Add((since + tick - 1) / tick * tick)
	}
}

// known returns the packet with this number, finished or not, or nil.
func (n *naive) known(seq uint64) *naivePacket {
	if seq == 0 || seq > n.seq {
		return nil
	}
	if p := n.packets[seq-1]; !p.gone {
		return p
	}
	return nil
}

// here returns the packet with this number unless it is finished.
func (n *naive) here(seq uint64) *naivePacket {
	if p := n.known(seq); p != nil && !p.finished {
		return p
	}
	return nil
}

// finish makes a tombstone of p. Of those with its name there are 16 at most: then
// the first goes that is answered, or else the first.
func (n *naive) finish(p *naivePacket) {
	p.finished, p.Taken, p.Stanza, p.deadline = true, false, nil, time.Time{}
	var same []*naivePacket
	for _, q := range n.packets {
		if q.finished && !q.gone && q.Key.To == p.Key.To && q.Key.ID == p.Key.ID && q.Key.Sender() == p.Key.Sender() {
			same = append(same, q)
		}
	}
	if len(same) > 16 {
		same[max(0, slices.IndexFunc(same, (*naivePacket).answered))].gone = true
	}
}

func (p *naivePacket) answered() bool {
	return !slices.ContainsFunc(p.copies, func(c naiveCopy) bool { return !c.Acked })
}

func (n *naive) deliver(seq uint64, c cache.Copy) bool {
	p := n.here(seq)
	if p == nil || p.late {
		return false
	}
	if len(p.copies) == 64 {
		i := max(0, slices.IndexFunc(p.copies, func(c naiveCopy) bool { return c.Acked }))
		p.copies = slices.Delete(p.copies, i, i+1)
	}
	n.deliveries++
	p.copies = append(p.copies, naiveCopy{c, n.deliveries})
	return true
}

func (n *naive) undeliver(seq, stream uint64) bool {
	p := n.known(seq)
	if p == nil {
		return false
	}
	for i, c := range slices.Backward(p.copies) {
		if c.Stream == stream && !c.Acked {
			p.copies = slices.Delete(p.copies, i, i+1)
			return true
		}
	}
	return false
}

func (n *naive) take(seq uint64) bool {
	p := n.here(seq)
	if p == nil || p.Taken {
		return false
	}
	p.Taken, p.deadline = true, time.Time{}
	return true
}

func (n *naive) again(now time.Time, seq uint64, wait time.Duration) bool {
	p := n.here(seq)
	if p == nil {
		return false
	}
	if p.late {
		n.finish(p)
		return false
	}
	p.Taken = false
	p.arm(now, wait)
	return true
}

func (n *naive) drop(seq uint64) (late, ok bool) {
	p := n.here(seq)
	if p == nil {
		return false, false
	}
	n.finish(p)
	return p.late, true
}

func (n *naive) due(now time.Time) (due []uint64) {
	for _, p := range n.packets {
		if !p.deadline.IsZero() && !p.deadline.After(now) {
			p.deadline = time.Time{}
			due = append(due, p.Seq)
		}
	}
	return due
}

// settle is the matching rule, sentence by sentence.
func (n *naive) settle(r cache.Receipt) (cache.Verdict, *naivePacket) {
	candidates := n.candidates(r)
	if len(candidates) == 0 {
		return cache.Unknown, nil
	}

	// In order of first delivery; those that were never delivered have no copies.
	slices.SortStableFunc(candidates, func(a, b *naivePacket) int { return cmp.Compare(a.firstOrder(), b.firstOrder()) })

	// The receipt belongs to the oldest that was delivered to its resource, and not
	// yet acknowledged by it.
	for _, p := range candidates {
		i := slices.IndexFunc(p.copies, func(c naiveCopy) bool { return c.Resource == r.Resource && !c.Acked })
		if i < 0 {
			continue
		}
		if !p.finished && seenLater(p, candidates, r.Resource) {
			return cache.Ambiguous, nil
		}
		p.copies[i].Acked = true
		return n.apply(p), p
	}

	// If this resource acknowledged all that it was sent, it repeats itself.
	for _, p := range slices.Backward(candidates) {
		if p.orderTo(r.Resource) > 0 {
			if p.finished {
				return cache.Absorbed, p
			}
			return n.apply(p), p
		}
	}

	// If it was sent nothing, there must be one packet, and no doubt.
	if p := candidates[0]; len(candidates) == 1 && !p.finished && !p.Taken {
		return n.apply(p), p
	}
	return cache.Ambiguous, nil
}

func (n *naive) candidates(r cache.Receipt) (candidates []*naivePacket) {
	for _, p := range n.packets {
		if p.gone {
			continue
		}
		sender := p.Key.From
		if !strings.Contains(r.From, "/") {
			sender, _, _ = strings.Cut(sender, "/")
		}
		if p.Key.To == r.To && sender == r.From && p.Key.ID == r.ID {
			candidates = append(candidates, p)
		}
	}
	return candidates
}

// apply does what a receipt does to the packet that it belongs to.
func (n *naive) apply(p *naivePacket) cache.Verdict {
	switch {
	case p.finished:
		return cache.Absorbed
	case p.Taken:
		p.late = true
		return cache.Late
	}
	n.finish(p)
	return cache.Settled
}

// firstOrder returns when p was first delivered, 0 if never.
func (p *naivePacket) firstOrder() int {
	if len(p.copies) == 0 {
		return 0
	}
	return p.copies[0].order
}

// orderTo returns when p was first delivered to a resource, 0 if never.
func (p *naivePacket) orderTo(resource string) int {
	for _, c := range p.copies {
		if c.Resource == resource {
			return c.order
		}
	}
	return 0
}

// seenLater reports whether a resource that owes receipts for p and for another was
// sent the other one first.
func seenLater(p *naivePacket, candidates []*naivePacket, resource string) bool {
	for _, q := range candidates {
		owes := slices.ContainsFunc(q.copies, func(c naiveCopy) bool { return c.Resource == resource && !c.Acked })
		if owes && q.orderTo(resource) < p.orderTo(resource) {
			return true
		}
	}
	return false
}
