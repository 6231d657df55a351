// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions

import (
	"hash/maphash"
	"time"

	"github.com/untilack/untilack/cache"
)

// maxMarks is how many deletions a MemStore remembers.
const maxMarks = 1 << 16

// marks remember deletions, newest last. The zero value is ready to use.
//
// Only hashes are kept, for ids can be long. They have 128 bits and a random
// seed, because two identities with the same hash would cost a message.
type marks struct {
	seeds [2]maphash.Seed
	times map[digest]time.Time
	queue []deletion // may hold a digest twice; the newest in times counts
}

type digest [2]uint64

type deletion struct {
	digest digest
	at     time.Time
}

func (m *marks) digest(id cache.Identity) digest {
	return digest{maphash.Comparable(m.seeds[0], id), maphash.Comparable(m.seeds[1], id)}
}

// add remembers that id was deleted.
func (m *marks) add(id cache.Identity, at time.Time) {
	if m.times == nil {
		m.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
		m.times = make(map[digest]time.Time)
	}
	if len(m.queue) >= maxMarks {
		m.forgetFirst()
	}
	d := m.digest(id)
	m.times[d] = at
	m.queue = append(m.queue, deletion{digest: d, at: at})
}

// expire forgets the deletions before a time.
func (m *marks) expire(before time.Time) {
	for len(m.queue) > 0 && m.queue[0].at.Before(before) {
		m.forgetFirst()
	}
}

func (m *marks) forgetFirst() {
	first := m.queue[0]
	m.queue = m.queue[1:]
	if m.times[first.digest].Equal(first.at) {
		delete(m.times, first.digest)
	}
}

// covers reports whether id was deleted after the packet was received.
func (m *marks) covers(id cache.Identity, received time.Time) bool {
	if len(m.times) == 0 {
		return false
	}
	at, ok := m.times[m.digest(id)]
	return ok && received.Before(at)
}
