// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/untilack/untilack/cache"
)

// maxNotified is how many packets a Notify remembers.
const maxNotified = 1 << 16

// Notify tells somebody that a packet waits, for instance a push service, and
// passes it on: a notification is not a delivery (XEP-0357 §7).
//
// A packet is told about once, not at every attempt: a Notify remembers the
// last 65,536 packets by their identity. It forgets them with the process, and
// other nodes have their own memory, so a packet may be told about again after
// a restart; who must not be told twice needs to look at the identity.
//
// A notification that fails is not tried again and does not stop the chain,
// since otherwise no mail could be stored while the push service is down.
//
// A Notify must not be copied after its first use.
type Notify struct {
	// Func tells about the packet. It must be safe for concurrent use. Required.
	Func func(ctx context.Context, p cache.Packet) error

	// Failed is called with the error of Func. Default: it is ignored.
	Failed func(p cache.Packet, err error)

	mu   sync.Mutex
	seed maphash.Seed
	told map[uint64]struct{}
	ring []uint64 // what is in told, to forget the oldest
	next int      // where in ring the next one goes once it is full
}

// Act calls Func if it did not do so before for p, and passes.
func (n *Notify) Act(ctx context.Context, p cache.Packet) (Outcome, error) {
	if n.Func == nil {
		return Pass, fmt.Errorf("Notify.Func: %w", errUnset)
	}
	// The one chance is not used up for a call that can not succeed.
	if err := ctx.Err(); err != nil {
		return Pass, err
	}
	if !n.first(p.Identity()) {
		return Pass, nil
	}
	if err := n.Func(ctx, p); err != nil && n.Failed != nil {
		n.Failed(p, err)
	}
	return Pass, nil
}

// first reports whether id comes for the first time, and remembers it.
// Hashes will do: two of them being the same costs one notification.
func (n *Notify) first(id cache.Identity) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.told == nil {
		n.seed = maphash.MakeSeed()
		n.told = make(map[uint64]struct{})
	}
	hash := maphash.Comparable(n.seed, id)
	if _, ok := n.told[hash]; ok {
		return false
	}
	n.told[hash] = struct{}{}
	if len(n.ring) < maxNotified {
		n.ring = append(n.ring, hash)
		return true
	}
	delete(n.told, n.ring[n.next])
	n.ring[n.next] = hash
	n.next = (n.next + 1) % maxNotified
	return true
}
