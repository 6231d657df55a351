// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"math/rand/v2"
	"time"
)

// A fault is a way in which a line fails.
type fault int

const (
	resetBoth   fault = iota // both sides see a reset
	resetClient              // the client sees a reset, the server nothing
	resetServer              // the server sees a reset, the client nothing
	finishBoth               // both sides see an orderly end
	swallowBoth              // bytes vanish; TCP goes on acknowledging them
	swallowUp                // those of the client do
	swallowDown              // those of the server do
	stallBoth                // nobody reads any more
	stallUp
	stallDown
	holdBoth // bytes arrive late, when there may be a newer connection
	holdUp
	holdDown
	faults
)

var faultNames = [faults]string{
	"reset", "reset client", "reset server", "close", "swallow", "swallow up", "swallow down",
	"stall", "stall up", "stall down", "late", "late up", "late down",
}

func (f fault) String() string { return faultNames[f] }

// modes returns what the two directions do from now on.
func (f fault) modes() (up, down mode) {
	switch f {
	case swallowBoth, resetClient, resetServer, resetBoth:
		return swallow, swallow
	case swallowUp:
		return swallow, pass
	case swallowDown:
		return pass, swallow
	case stallBoth:
		return stall, stall
	case stallUp:
		return stall, pass
	case stallDown:
		return pass, stall
	case holdBoth:
		return hold, hold
	case holdUp:
		return hold, pass
	case holdDown:
		return pass, hold
	}
	return swallow, swallow
}

// A blow is a fault, with all that was left to chance about it.
type blow struct {
	fault  fault
	after  int           // it strikes when that many more bytes have passed; negative: at once
	hold   time.Duration // how late bytes are
	remove time.Duration // after it both sides see a reset, unless the fault passes
	notice time.Duration // until the client turns to a new connection; negative: it sees to that itself
	away   time.Duration // how long it then stays away
}

// passes reports whether the line works again afterwards, for good.
func (b blow) passes() bool {
	late := b.fault == holdBoth || b.fault == holdUp || b.fault == holdDown
	return late && b.notice < 0
}

// draw picks a blow.
func draw(random *rand.Rand) blow {
	b := blow{
		fault:  fault(random.IntN(int(faults))),
		after:  -1,
		hold:   time.Second + fraction(random, 5*time.Second),
		remove: 5*time.Second + fraction(random, 20*time.Second),
		notice: fraction(random, 4*time.Second),
		away:   fraction(random, 300*time.Millisecond),
	}
	if random.IntN(2) == 0 {
		b.after = random.IntN(1500)
	}
	if random.IntN(4) == 0 {
		b.notice = -1
	}
	if random.IntN(8) == 0 {
		b.away = 2*time.Second + fraction(random, 13*time.Second)
	}
	return b
}
