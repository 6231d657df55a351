// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// firstWait returns how long after its first delivery a packet is looked after.
func (k *Keeper) firstWait(p cache.Packet) time.Duration {
	if k.persistsLater() {
		return k.config.PersistAfter
	}
	return k.ackWait(p.Sum)
}

// queuedWait returns how long a packet that waits for its turn is left alone: until
// it is to be written to the store, or for ever.
func (k *Keeper) queuedWait() time.Duration {
	if k.persistsLater() {
		return k.config.PersistAfter
	}
	return 0
}

// persistsFirst reports whether p is written to the store before its first byte goes
// to the recipient: unless the store is down, for then it is put when that is back.
func (k *Keeper) persistsFirst(p cache.Packet) bool {
	return k.persist && k.config.PersistAfter == 0 && actions.MayKeep(p, k.lasting) && (k.config.FailClosed || !k.breaker.down.Load())
}

// persistsLater reports whether packets are written to the store a while after
// they came.
func (k *Keeper) persistsLater() bool { return k.persist && k.config.PersistAfter > 0 }

// ackWait returns how long to wait for a receipt: with jitter, which depends on
// the seed and n alone.
func (k *Keeper) ackWait(n uint64) time.Duration { return k.config.AckWait - k.jitter(n) }

func (k *Keeper) jitter(n uint64) time.Duration {
	most := k.config.Jitter * float64(k.config.AckWait)
	return time.Duration(most * float64(mix(k.config.Seed^n)>>11) / (1 << 53))
}

// mix is the finaliser of splitmix64: it makes neighbouring numbers unlike.
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}
