// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"errors"
	"fmt"
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

// A budget is a limit over all shards, and what is used of it.
type budget struct {
	used  atomic.Int64
	limit int64
}

// reserve uses n more, unless that would pass the limit.
// What is used never passes it, not even for a moment, however many reserve at once.
func (b *budget) reserve(n int64) bool {
	for {
		used := b.used.Load()
		if n > b.limit-used {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// spend uses n more, whatever the limit.
func (b *budget) spend(n int64) { b.used.Add(n) }

// release gives n back.
func (b *budget) release(n int64) { b.used.Add(-n) }

// reserve makes room for a packet with this name and size, or says which limit forbids it.
// It is called with the lock of the account's shard.
func (c *PacketCache) reserve(s *shard, a *account, n *name, size int64) error {
	switch {
	case a.packets >= c.limits.RecipientPackets:
		return errRecipientPackets
	case size > c.limits.RecipientBytes-a.bytes:
		return errRecipientBytes
	case s.pairs[n.pair] >= c.limits.PairPackets:
		return errPairPackets
	case !c.packets.reserve(1):
		return errPackets
	case !c.bytes.reserve(size):
		c.packets.release(1)
		return errBytes
	}
	return nil
}
