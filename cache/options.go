// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"math"
	"time"
)

// Limits bound what may wait in a cache (RFC 6120 §13.12).
// A negative limit means that there is none.
// Bytes are those of the stanzas; a packet needs some 500 bytes more for itself.
type Limits struct {
	RecipientPackets int   // packets for one account; default 10,000
	RecipientBytes   int64 // bytes for one account; default 16 MiB
	PairPackets      int   // packets from one account to one other; default 5,000
	Packets          int   // packets in all; default none
	Bytes            int64 // bytes in all; default 1 GiB
}

// Options are the settings of a cache. The zero value is a sensible choice.
type Options struct {
	// Limits bound what may wait.
	Limits Limits

	// Tick is the precision of deadlines: each is rounded up to a multiple of it.
	// The default is 10 ms.
	Tick time.Duration

	// Tombstones is how many finished packets are remembered, at most, so that a
	// receipt that comes again or late is not taken for that of a younger message
	// with the same id. Those with long addresses and ids count for more than one.
	// The default is 65,536; a negative number means none.
	Tombstones int

	// Brief leaves Stanza and Copies out of the Packet that a Settlement brings of a
	// message that is finished: for those who need neither, it saves copying them.
	Brief bool

	// TombstoneAge is how long they are remembered after their last receipt.
	// The default is 15 min; a negative duration means without end.
	TombstoneAge time.Duration
}

// withDefaults returns the settings that o stands for, with the largest number in
// the place of each limit that there is not.
func (o *Options) withDefaults() Options {
	var options Options
	if o != nil {
		options = *o
	}
	limits := &options.Limits
	limits.RecipientPackets = limitOr(limits.RecipientPackets, 10_000, math.MaxInt)
	limits.RecipientBytes = limitOr(limits.RecipientBytes, 16<<20, math.MaxInt64)
	limits.PairPackets = limitOr(limits.PairPackets, 5_000, math.MaxInt)
	limits.Packets = limitOr(limits.Packets, math.MaxInt, math.MaxInt)
	limits.Bytes = limitOr(limits.Bytes, 1<<30, math.MaxInt64)
	options.Tombstones = limitOr(options.Tombstones, 65_536, 0)
	options.TombstoneAge = limitOr(options.TombstoneAge, 15*time.Minute, math.MaxInt64)
	if options.Tick <= 0 {
		options.Tick = 10 * time.Millisecond
	}
	return options
}

// limitOr returns n, or what zero or a negative number in its place stands for.
func limitOr[N int | int64 | time.Duration](n, zero, negative N) N {
	switch {
	case n == 0:
		return zero
	case n < 0:
		return negative
	}
	return n
}
