// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import "math"

// Stats are numbers about a cache.
type Stats struct {
	Waiting    int   // packets that wait, those that are taken included
	Taken      int   // packets that are taken
	Bytes      int64 // bytes of their stanzas
	Recipients int   // accounts for which packets wait
	Tombstones int   // finished packets that are remembered

	Put       uint64 // packets that were put or restored
	Duplicate uint64 // packets that were not put because they waited already
	Full      uint64 // packets that were not put because of a limit
	Due       uint64 // packets that Due has yielded
	Dropped   uint64 // packets that ended by Drop

	Settled   uint64 // receipts by their verdict
	Late      uint64
	Absorbed  uint64
	Ambiguous uint64
	Unknown   uint64
}

// counters are what a shard counts, under its lock.
type counters struct {
	put, duplicate, full, due, dropped uint64
	verdicts                           [Ambiguous + 1]uint64
}

// Stats returns the numbers as they are.
// While others use the cache, they need not be those of one instant.
func (c *PacketCache) Stats() Stats {
	stats := Stats{Waiting: c.Len(), Bytes: c.budget.bytes.used.Load()}
	for i := range c.shards {
		c.shards[i].addTo(&stats, &c.graves)
	}
	return stats
}

// addTo adds the numbers of one shard.
func (s *shard) addTo(stats *Stats, g *graveyard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear(g, math.MinInt64, math.MaxInt)
	stats.Tombstones += s.graves.count
	n := &s.counters
	stats.Taken += s.taken
	stats.Recipients += s.accounts.count
	stats.Put += n.put
	stats.Duplicate += n.duplicate
	stats.Full += n.full
	stats.Due += n.due
	stats.Dropped += n.dropped
	stats.Settled += n.verdicts[Settled]
	stats.Late += n.verdicts[Late]
	stats.Absorbed += n.verdicts[Absorbed]
	stats.Ambiguous += n.verdicts[Ambiguous]
	stats.Unknown += n.verdicts[Unknown]
}
