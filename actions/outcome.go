// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions

import "time"

// MinWait is the shortest wait that Again gives, so that an action which asks
// for no wait at all does not keep the keeper busy with one packet.
const MinWait = 100 * time.Millisecond

// An Outcome is the answer of an Action.
// Outcomes can be compared with ==; the zero Outcome is Pass.
type Outcome struct {
	verdict verdict
	wait    time.Duration
}

type verdict uint8

const (
	passed verdict = iota
	done
	stored
	again
)

// The outcomes without a number in them. They are not to be assigned to.
var (
	// Pass means: not mine, ask the next action.
	Pass = Outcome{verdict: passed}
	// Done means: the packet is finished. The keeper forgets it and deletes the
	// row that it may have in the keeper's own store.
	Done = Outcome{verdict: done}
	// Stored is Done, but the packet's row in the keeper's own store must stand:
	// it is offline mail from now on.
	Stored = Outcome{verdict: stored}
)

// Again means: keep the packet for that much longer, then run the whole chain
// once more. The keeper counts it as one attempt: the next run sees the packet
// with its Attempt one higher, which is how an action knows when to give up.
// A wait below MinWait becomes MinWait.
func Again(wait time.Duration) Outcome {
	return Outcome{verdict: again, wait: max(wait, MinWait)}
}

// IsPass reports whether the next action is to be asked.
func (o Outcome) IsPass() bool { return o.verdict == passed }

// IsDone reports whether the packet is finished. It is so for Stored too.
func (o Outcome) IsDone() bool { return o.verdict == done || o.verdict == stored }

// IsStored reports whether the packet is finished because it became offline
// mail, so that its row must not be deleted.
func (o Outcome) IsStored() bool { return o.verdict == stored }

// Wait returns how long the packet is to be kept, and whether o is an Again
// at all.
func (o Outcome) Wait() (wait time.Duration, ok bool) {
	return o.wait, o.verdict == again
}

// String returns the outcome in words, for logs and tests.
func (o Outcome) String() string {
	switch o.verdict {
	case done:
		return "done"
	case stored:
		return "stored"
	case again:
		return "again in " + o.wait.String()
	default:
		return "pass"
	}
}
