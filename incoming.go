// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"bytes"
	"strings"
	"time"

	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/receipts"
	"mellium.im/xmpp/stanza"
)

// Incoming is the event that a stanza came in from the client of s. Only here do
// packets settle: the stream is authenticated as the recipient, what the stanza
// says of its origin counts for nothing (RFC 6120 §8.1.2.1).
//
// It reports whether the stanza is to be routed on, as it is: always, but for
// the answer to a probe of the Keeper's own.
func (k *Keeper) Incoming(now time.Time, s *Stream, raw []byte) (forward bool) {
	s.heard.Store(now.UnixNano())
	if isSilent(raw) {
		return true
	}
	m, err := receipts.Scan(raw)
	if err != nil {
		return true // for the host's own parser to judge
	}
	switch {
	case m.Element == receipts.IQStanza && m.Marks.Has(receipts.Answer):
		return !k.answersProbe(now, s, &m)
	case m.Element != receipts.MessageStanza || m.Type == stanza.GroupChatMessage:
		return true
	case m.Type == stanza.ErrorMessage:
		k.settle(now, s, &m, view(m.ID), Rejected)
	case m.Kind&receipts.KindReceived != 0:
		for id := range m.Received() {
			if !id.IsEmpty() {
				k.settle(now, s, &m, view(id), Settled)
			} else if !k.config.Strict {
				k.settle(now, s, &m, view(m.ID), Settled) // XEP-0184 1.0 §3
			}
		}
	}
	return true
}

// isSilent reports whether a stanza is a message that tells the Keeper nothing: no
// receipt, and no error. It looks at the bytes alone and is right whenever it says
// so, which it does about most messages; all others are for receipts.Scan.
func isSilent(raw []byte) bool {
	return bytes.HasPrefix(raw, []byte("<message")) && bytes.IndexByte(raw, '&') < 0 && // a reference may stand for any letter
		!receipts.Mentions(raw) && !bytes.Contains(raw, []byte("error"))
}

// answersProbe reports whether an answer is one to our own ping. Its id alone
// would not do: the client may ask others, and they answer through us.
func (k *Keeper) answersProbe(now time.Time, s *Stream, m *receipts.Message) bool {
	id := m.ID.String()
	if !strings.HasPrefix(id, "untilack-") {
		return false
	}
	if to, ok := textAddress(m.To); ok && to.full != k.config.Domain {
		return false
	}
	return k.Answered(now, s, id)
}

// settle settles the packet that the client of s answered with m. The id is a part of
// the caller's bytes.
func (k *Keeper) settle(now time.Time, s *Stream, m *receipts.Message, id string, reason Reason) {
	sender, ok := s.peer(m.To)
	if !ok || id == "" {
		return
	}
	if k.config.Watch != nil {
		id = strings.Clone(id) // what is told outlives the call
	}
	a := k.enterStream(s)
	defer k.leave(a)
	settlement := k.cache.Settle(now, cache.Receipt{
		To: s.address.bare, Resource: s.address.resource, Stream: s.id, From: sender.full, ID: id,
	})
	key := settlement.Packet.Key
	if key.ID == "" {
		key = cache.Key{To: s.address.bare, From: sender.full, ID: id}
	}
	switch settlement.Verdict {
	case cache.Settled:
		k.notePacket(a, now, reason, s, key)
		k.acknowledged(a, now, s, settlement)
		k.withdraw(a, settlement.Packet)
		a.forget(settlement.Packet.Ref())
	case cache.Late:
		k.notePacket(a, now, Late, s, key)
		k.acknowledged(a, now, s, settlement)
	case cache.Absorbed:
		k.notePacket(a, now, Repeated, s, key)
		k.withdraw(a, settlement.Packet)
	case cache.Ambiguous:
		k.notePacket(a, now, Doubtful, s, key)
	default:
		k.notePacket(a, now, Unknown, s, key)
	}
	k.place(a, now)
}

// acknowledged takes what a receipt says about its stream: its client
// acknowledges, and it has read what was written before.
func (k *Keeper) acknowledged(a *account, now time.Time, s *Stream, settlement cache.Settlement) {
	if s.ended {
		return
	}
	s.acked = true
	if settlement.HasCopy && settlement.Copy.Stream == s.id {
		s.free(settlement.Copy.Mark)
		k.evidence(a, now, s, settlement.Copy.Mark)
	}
}

// withdraw deletes the row of a packet, if it has one or may have one.
func (k *Keeper) withdraw(a *account, p cache.Packet) {
	if n, ok := a.notes[p.Seq]; !p.Marks.Has(cache.Stored) && !(ok && n.unsure) {
		return
	}
	k.cache.Mark(p.Ref(), 0, cache.Stored) // so that the row is not taken for one that stands
	identity := p.Identity()
	identity.ID = strings.Clone(identity.ID) // it may be a part of the receipt
	k.deleteRow(a, identity)
}

// deleteRow has a row deleted.
func (k *Keeper) deleteRow(a *account, identity cache.Identity) {
	a.deleting[identity]++
	if last := a.lastSlow(); last != nil && last.Kind == DeleteRows && len(last.Identities) < maxRows {
		last.Identities = append(last.Identities, identity)
		return
	}
	k.enqueue(a, &Effect{Kind: DeleteRows, Identities: []cache.Identity{identity}})
}

// lastSlow returns the last effect that is queued for actions or the store.
func (a *account) lastSlow() *Effect {
	if n := len(a.queues[slowLane]); n > 0 {
		return a.queues[slowLane][n-1]
	}
	return nil
}

// maxRows bounds how many rows one call of the store puts or deletes.
const maxRows = 256

// finish ends a packet without an action.
func (k *Keeper) finish(a *account, now time.Time, p cache.Packet, r Reason, s *Stream) {
	if _, ok := k.cache.Drop(now, p.Ref()); !ok {
		return
	}
	k.notePacket(a, now, r, s, p.Key)
	k.withdraw(a, p)
	a.forget(p.Ref())
}

// Block is the event that the recipient blocks a sender, given by a bare address
// or a full one: what waits from there is forgotten, silently (XEP-0191 §3.3).
func (k *Keeper) Block(now time.Time, recipient, sender string) {
	to, known := parseAddress([]byte(recipient))
	from, valid := parseAddress([]byte(sender))
	if !known || !valid {
		return
	}
	a := k.enter(to.bare)
	defer k.leave(a)
	for p := range k.cache.Of(to.bare) {
		if p.Key.From == from.full || from.resource == "" && p.Key.Sender() == from.bare {
			k.finish(a, now, p, Purged, nil)
		}
	}
	k.place(a, now)
}
