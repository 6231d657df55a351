// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"math"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// overflow is what becomes of a packet over a limit in memory: it goes to the
// store and from there, in its turn, to the stream. With no room there either
// it is delivered without being kept: tracking never stops delivery.
//
// The store gives numbers in the order in which rows are put, and that is the
// order in which they go out. So the older packets that wait in memory alone
// are put first, as copies, and until all rows were read again no packet waits
// in memory alone.
func (k *Keeper) overflow(a *account, now time.Time, s *Stream, p cache.Packet, admit Admit) Admission {
	if !actions.MayKeep(p, k.lasting) {
		k.notePacket(a, now, Uncovered, s, p.Key)
		return Admission{Verdict: Write, Why: "no room"}
	}
	var rows []actions.Row
	var refs []cache.Ref
	if !a.spilling || a.loose {
		rows, refs = k.unsaved(a, math.MaxInt)
	}
	s.rowsFirst++
	return Admission{
		Verdict: Persist, Kept: true, Why: admit.Why,
		Rows: append(rows, row(p)), older: refs, overflow: true,
	}
}

// overflowed goes by what the store said of a packet over a limit.
func (k *Keeper) overflowed(a *account, now time.Time, s *Stream, p cache.Packet, admission Admission, err error) Admission {
	if err != nil {
		return k.uncovered(a, now, s, p, admission.Why, err)
	}
	k.notePacket(a, now, Overflowed, s, p.Key)
	if !s.usable() && !s.ended {
		// Rows are read for streams that may have mail. This one gets its own
		// message now, and the copy goes to whoever comes next.
		admission.Verdict = Write
		return admission
	}
	a.spilling = true
	if a.loose {
		_, refs := k.unsaved(a, 1)
		a.loose = len(refs) > 0
	}
	a.readOn()
	admission.Verdict = Queue
	return admission
}

// uncovered is what becomes of a packet that the store did not take. Memory may
// have room again.
func (k *Keeper) uncovered(a *account, now time.Time, s *Stream, p cache.Packet, why string, refusal error) Admission {
	queue := k.behind(a, s, p.Key.Sender())
	ref, err := k.put(now, p, k.queuedWait())
	if err != nil {
		k.notePacket(a, now, Uncovered, s, p.Key)
		return Admission{Verdict: Write, Why: "no room"}
	}
	k.notePacket(a, now, Admitted, s, p.Key)
	k.doubt(a, ref, refusal)
	if !queue {
		k.again(now, ref, k.firstWait(p))
	}
	return Admission{Verdict: k.route(a, now, s, ref, p, queue), Kept: true, Why: why, ref: ref}
}
