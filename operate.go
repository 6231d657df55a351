// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"time"

	"github.com/untilack/untilack/cache"
)

// Drop is the event that an operator gives a packet up for good, wherever it waits: in
// memory, in the store, or both. It is not delivered any more and its row is deleted, which
// is tried until it succeeds; nobody is told, neither by a receipt nor by a bounce. It counts
// as Dropped. An action that is deciding about the packet goes on, and what it stores is
// withdrawn. A receipt of a client that has the packet already is routed on as ever.
//
// The identity is that of a Waiting, or of a row that the store has listed. Drop reports
// whether the packet waited in memory; if not, its row is deleted unseen, and it counts even
// if there is none, for it may have ended meanwhile. Another node that has it in memory finds
// its row gone before it redelivers it; see Config.PollEvery.
func (k *Keeper) Drop(now time.Time, packet cache.Identity) (waited bool) {
	a := k.enter(packet.To)
	defer k.leave(a)
	for p := range k.cache.Of(packet.To) {
		if p.Identity() == packet {
			k.finish(a, now, p, Dropped, nil)
			waited = true
		}
	}
	if !waited {
		k.notePacket(a, now, Dropped, nil, packet.Key)
		k.deleteRow(a, packet)
	}
	k.place(a, now)
	return waited
}

// Probe is the event that an operator does not want to wait for deadlines: each stream of a
// recipient on which something waits is probed at once. One that does not answer within
// Config.ProbeWait is ended, and what was on it goes out again; one that answers keeps what it
// has, for on an ordered stream it was not lost. It returns how many streams are being probed;
// one that is paused is not.
func (k *Keeper) Probe(now time.Time, recipient string) (probed int) {
	to, ok := parseAddress([]byte(recipient))
	if !ok {
		return 0
	}
	a := k.enter(to.bare)
	defer k.leave(a)
	for _, s := range a.streams {
		if !s.paused && k.hasWaiting(s) {
			k.ask(a, s)
			probed++
		}
	}
	k.place(a, now)
	return probed
}
