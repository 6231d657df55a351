// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"runtime"
	"time"

	"github.com/untilack/untilack/cache"
)

// measureKept measures how much memory is left in use a minute after all that waited
// was settled.
func measureKept(c cell) (values, error) {
	before := heapInUse()
	u := filled(c.Waiting)
	peak := heapInUse() - before
	m := newMessage()
	for i := range c.Waiting {
		write(m.stanza, uint32(i), recipientsFor(c.Waiting))
		u.settle(epoch.Add(turnover), &m)
	}
	for second := range time.Duration(60) {
		u.tick(epoch.Add(turnover + (second+1)*time.Second))
	}
	kept := heapInUse() - before
	runtime.KeepAlive(u)
	return values{
		"peak":    float64(peak),
		"kept":    float64(kept),
		"percent": 100 * float64(kept) / float64(peak),
	}, allDue(u.Len())
}

// measureEmpty measures the memory of a cache in which nothing waits.
func measureEmpty(cell) (values, error) {
	var caches [64]*cache.PacketCache
	before := heapInUse()
	for i := range caches {
		caches[i] = cache.New(nil)
	}
	size := float64(heapInUse()-before) / float64(len(caches))
	runtime.KeepAlive(&caches)
	return values{"bytes": size}, nil
}
