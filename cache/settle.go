// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"strings"
	"time"
)

// A Receipt is what a receipt says, and who says it.
// Whose it is must come from the stream on which it arrived, never from what it
// claims (RFC 6120 §8.1.2.1).
type Receipt struct {
	To       string // the account that was authenticated on the stream: the recipient
	Resource string // the resource of that stream
	Stream   uint64 // the caller's number for that stream, 0 if it is not known
	From     string // the address that it is sent to: the sender's, full or bare
	ID       string // the id of the message that it names
}

// A Verdict says what a receipt meant.
type Verdict uint8

const (
	// Unknown means that no message of that name waits, nor is one remembered.
	Unknown Verdict = iota
	// Settled means that the message is finished by this receipt.
	Settled
	// Late means that the receipt answers a packet that was claimed by Take: the
	// action may go on, but Again and Drop will tell of it.
	Late
	// Absorbed means that the message is finished already.
	Absorbed
	// Ambiguous means that messages of that name are known, but not which of them
	// is meant. Nothing changed.
	Ambiguous
)

// String returns the verdict's name in lower case.
func (v Verdict) String() string {
	switch v {
	case Settled:
		return "settled"
	case Late:
		return "late"
	case Absorbed:
		return "absorbed"
	case Ambiguous:
		return "ambiguous"
	}
	return "unknown"
}

// A Settlement is the outcome of a receipt.
type Settlement struct {
	Verdict Verdict
	// Packet is the message that the receipt belongs to; the zero value if the
	// verdict is Unknown or Ambiguous. If it was Absorbed there is no Stanza.
	Packet Packet
	// Copy is the delivery that the receipt answers, if HasCopy is set.
	Copy    Copy
	HasCopy bool
}

// Settle finds the message that a receipt belongs to, and finishes it if it waits.
//
// An id may be used twice (RFC 6120 §8.1.3), a receipt may come twice, and a
// message may have been delivered twice. So a receipt belongs to the oldest message
// with its id, in order of first delivery, of which a copy went to its resource that
// it has not answered yet; messages that are finished count. If the receipt is sent
// to a full address, the sender must be exactly that; if to a bare one, any of the
// sender's resources may be meant.
//
// If no message with this id went to that resource, the receipt belongs to the only
// one there is, if that one waits. If all copies that went to it are answered, the
// receipt is a repeated one and changes nothing.
//
// Errors that the recipient's client sends back for a message are found in the same
// way. A receipt that names nothing costs no memory.
//
// Strings of the settlement that the receipt has too are those of the receipt.
func (c *PacketCache) Settle(now time.Time, r Receipt) (settlement Settlement) {
	n := c.name(r.To, r.From, r.ID)
	s := c.shard(n.account)
	s.mu.Lock()
	defer s.mu.Unlock()
	c.settle(s, now, &r, &n, &settlement)
	return settlement
}

func (c *PacketCache) settle(s *shard, now time.Time, r *Receipt, n *name, settlement *Settlement) {
	s.accounts.expect(accountTag(n.account))
	m := s.match(&c.graves, r, n)
	s.counters.verdicts[m.verdict]++
	settlement.Verdict = m.verdict
	if m.record == nil {
		return
	}
	if m.copy != nil {
		m.copy.acked = true
		settlement.Copy, settlement.HasCopy = m.copy.copy(r.Resource), true
	}
	if m.verdict == Late {
		m.flags |= late
		settlement.Packet = c.packet(s, m.record, &binder{})
		return
	}
	c.finished(s, &settlement.Packet, m.record, r)
	switch {
	case m.verdict == Settled:
		c.bury(s, m.entry, n, m.graves, c.since(now))
	case m.copy != nil:
		s.renew(&c.graves, m.record, c.since(now))
	}
}

// finished makes the packet of a settlement that has finished it, or finds it finished.
// The strings that the receipt has too are those of the receipt.
func (c *PacketCache) finished(s *shard, p *Packet, e *record, r *Receipt) {
	same := func(text string, others ...string) string {
		for _, other := range others {
			if text == other {
				return other
			}
		}
		return strings.Clone(text)
	}
	p.Key = Key{To: r.To, From: same(e.string(from), r.From), ID: r.ID}
	p.Resource = same(e.string(resource), r.Resource)
	c.describe(p, e)
	if c.brief {
		return
	}
	p.Copies = s.copiesOf(e, func(name string) string { return same(name, r.Resource, p.Resource) })
	if size := e.stanzaSize(); size > 0 {
		p.Stanza = s.out.bytes(size)
		copy(p.Stanza, e.stanza())
	}
}
