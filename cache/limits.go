// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
)

// Errors of Put.
var (
	// ErrKey is returned when a packet's key lacks the recipient, the sender or
	// the id.
	ErrKey = errors.New("cache: incomplete key")
	// ErrDuplicate is returned when the same message waits already.
	ErrDuplicate = errors.New("cache: packet waits already")
	// ErrFinished is returned by Restore for a packet that has ended.
	ErrFinished = errors.New("cache: packet has ended")
	// ErrFull is returned, wrapped, when a limit would be passed. The text names
	// the limit.
	ErrFull = errors.New("cache: full")
)

// They are made beforehand, so that a flood costs no memory.
var (
	errRecipientPackets = fmt.Errorf("%w: packets for this recipient", ErrFull)
	errRecipientBytes   = fmt.Errorf("%w: bytes for this recipient", ErrFull)
	errPairPackets      = fmt.Errorf("%w: packets from this sender to this recipient", ErrFull)
	errPackets          = fmt.Errorf("%w: packets in all", ErrFull)
	errBytes            = fmt.Errorf("%w: bytes in all", ErrFull)
)

// A budget is what all shards share. It has memory of its own to itself, because all
// processors write it.
type budget struct {
	_       [64]byte
	seq     atomic.Uint64 // of the last packet that was put
	packets count
	bytes   count
	_       [64]byte
}

// A count is how much there is of something that has a limit.
type count struct {
	used  atomic.Int64
	limit int64
}

// reserve adds n unless the limit would be passed.
func (c *count) reserve(n int64) bool {
	if c.limit == math.MaxInt64 {
		c.used.Add(n)
		return true
	}
	for {
		used := c.used.Load()
		if n > c.limit-used {
			return false
		}
		if c.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// spend adds n, whatever the limit is.
func (c *count) spend(n int64) { c.used.Add(n) }

// release takes n away again.
func (c *count) release(n int64) { c.used.Add(-n) }

// reserve counts a packet of this size if no limit is passed.
func (c *PacketCache) reserve(s *shard, a *account, n *name, size int64) error {
	var packets int
	var bytes int64
	if a != nil {
		packets, bytes = int(a.packets), a.bytes
	}
	limits := &c.limits
	switch {
	case packets >= limits.RecipientPackets:
		return errRecipientPackets
	case size > limits.RecipientBytes-bytes:
		return errRecipientBytes
	case packets >= limits.PairPackets && (a == nil || s.fromSender(&c.hasher, a, n) >= limits.PairPackets):
		return errPairPackets
	case !c.budget.packets.reserve(1):
		return errPackets
	case !c.budget.bytes.reserve(size):
		c.budget.packets.release(1)
		return errBytes
	}
	return nil
}
