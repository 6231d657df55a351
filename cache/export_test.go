// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

// Narrow leaves only some bits of all hashes, so that they collide. The cache must be
// empty.
func (c *PacketCache) Narrow(bits uint64) { c.bits = bits }
