// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"time"

	"github.com/jellydator/ttlcache/v3"
)

// Beyond a million it takes minutes.
var ttlCacheEntrants = []entrant{{name: "ttlcache", clock: realClock, most: 1_000_000, build: newTTLCache}}

// A ttlCache is a cache whose entries expire, each in its own time.
type ttlCache struct {
	setting
	packets *ttlcache.Cache[string, []byte]
}

func newTTLCache(s setting) contender {
	t := &ttlCache{s, ttlcache.New(ttlcache.WithDisableTouchOnHit[string, []byte]())}
	t.packets.OnEviction(func(_ context.Context, reason ttlcache.EvictionReason, item *ttlcache.Item[string, []byte]) {
		if reason == ttlcache.EvictionReasonExpired {
			s.expired(item.Value())
		}
	})
	go t.packets.Start()
	return t
}

func (t *ttlCache) put(_ time.Time, m *message, wait time.Duration) {
	kept := t.keep(m)
	t.packets.Set(kept.key, kept.stanza, wait)
}

func (t *ttlCache) settle(_ time.Time, m *message) bool {
	_, ok := t.packets.GetAndDelete(m.key)
	return ok
}

func (t *ttlCache) waiting() int   { return t.packets.Len() }
func (t *ttlCache) tick(time.Time) {}
func (t *ttlCache) close()         { t.packets.Stop() }
