// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions

import "github.com/untilack/untilack/cache"

// HardCap is how many redeliveries a packet gets at most, whatever was
// configured (XEP-0184 0.2 §6 rule 4: not more than five).
const HardCap = 5

// MaxAttempts returns how many redeliveries of p may count at most: HardCap, or
// one if it is encrypted, for a client that has decrypted it once drops the
// second copy silently (XEP-0384 §6).
func MaxAttempts(p cache.Packet) int {
	if p.Marks.Has(cache.Encrypted) {
		return 1
	}
	return HardCap
}

// MayStore reports whether p may become offline mail, in a store that lasts or
// in one that holds memory only.
//
// Mail are normal messages to the bare address and chat messages (RFC 6121
// §8.5.2.2.1, §8.5.3.2.1). A chat message to a full address is mail only when
// nobody is left to take it, which the caller has to know. Headlines, messages
// from a room's occupant, those for one resource only, those whose sender
// forbade it, and those that a client has read past are never mail.
// A message with no-permanent-store goes to no store that lasts (XEP-0334 §4.1).
// Whether a receipt was asked for makes no difference.
func MayStore(p cache.Packet, lasting bool) bool {
	const never = cache.Headline | cache.Room | cache.Pinned | cache.NeverStored | cache.Read
	if p.Marks&never != 0 {
		return false
	}
	if p.Resource != "" && !p.Marks.Has(cache.Chat) {
		return false
	}
	return MayKeep(p, lasting)
}

// MayKeep reports whether a row of p may be kept in custody, as a copy against
// a crash. Only no-permanent-store forbids it, and only in a store that lasts
// (XEP-0334 §4.1).
func MayKeep(p cache.Packet, lasting bool) bool {
	return !lasting || !p.Marks.Has(cache.Volatile)
}

// MayMoveTo reports whether a copy of p may go to one of the recipient's
// resources. Gone says that the addressed resource is not there any more.
//
// A message to the bare address may go to any, and the caller sees to it that
// the resource's priority is not negative. One to a full address may go to that
// one, and, if it is a chat message whose resource is gone, to any other (RFC
// 6121 §8.5.3.2.1). Messages for one resource only and those from a room's
// occupant go to no other in any case.
//
// It speaks of addresses alone. How often is said by MaxAttempts, and whether
// it may be the stream that has a copy already by MayRepeat. A packet that was
// read past goes to the next session once more and not again (XEP-0198 §4);
// that is the caller's to count.
func MayMoveTo(p cache.Packet, resource string, gone bool) bool {
	switch {
	case resource == "":
		return false
	case resource == p.Resource:
		return true
	case p.Marks&(cache.Pinned|cache.Room) != 0:
		return false
	case p.Resource == "":
		return true
	default:
		return gone && p.Marks.Has(cache.Chat)
	}
}

// MayRepeat reports whether one more copy of p may go to a stream that has one
// already: not after the client has read past that copy, and not when the
// attempts are used up.
func MayRepeat(p cache.Packet) bool {
	return !p.Marks.Has(cache.Read) && p.Attempt < MaxAttempts(p)
}

// MayBounce reports whether the sender may get an error because no receipt came
// for p.
//
// Never for a headline to the bare address (RFC 6121 §8.5.2.2.1), to a room or
// its occupants (XEP-0045 §18.1.2), for an encrypted message, for one that a
// client has read past, for one that asked for no receipt, since silence says
// nothing about it, nor to a sender who may not see the recipient's presence
// (RFC 6120 §13.10.2).
func MayBounce(p cache.Packet) bool {
	return !p.Marks.Has(cache.NotAsked) && mayRefuse(p)
}

// mayRefuse reports whether the sender may get an error because the server
// could not keep p. A message that asked for no receipt has that right too.
func mayRefuse(p cache.Packet) bool {
	const never = cache.Room | cache.Encrypted | cache.Read | cache.Unauthorised
	if p.Key.From == "" || p.Marks&never != 0 {
		return false
	}
	return p.Resource != "" || !p.Marks.Has(cache.Headline)
}
