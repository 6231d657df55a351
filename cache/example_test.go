// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"fmt"
	"time"

	"github.com/untilack/untilack/cache"
)

// A message is kept until its receipt comes, or until its deadline has passed.
func Example() {
	c := cache.New(nil)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

	// Two messages are about to be written to the recipient's stream.
	for _, id := range []string{"m1", "m2"} {
		ref, err := c.Put(now, cache.Packet{
			Key: cache.Key{
				To:   "kingrichard@royalty.england.lit",
				From: "northumberland@shakespeare.lit/westminster",
				ID:   id,
			},
			Stanza: []byte("<message>…</message>"),
		}, 30*time.Second)
		if err != nil {
			fmt.Println(err)
			return
		}
		c.Deliver(ref, cache.Copy{Resource: "throne", Stream: 1})
	}

	// The client acknowledges one of them.
	s := c.Settle(now.Add(time.Second), cache.Receipt{
		To:       "kingrichard@royalty.england.lit",
		Resource: "throne",
		From:     "northumberland@shakespeare.lit/westminster",
		ID:       "m1",
	})
	fmt.Println(s.Packet.Key.ID, "is", s.Verdict)

	// Half a minute later something has to be done about the other one.
	now = now.Add(31 * time.Second)
	for p := range c.Due(now) {
		p, ok := c.Take(p.Ref())
		if !ok {
			continue // its receipt came at the last moment
		}
		fmt.Println(p.Key.ID, "is due: store it")
		c.Drop(now, p.Ref())
	}
	fmt.Println(c.Len(), "wait")
	// Output:
	// m1 is settled
	// m2 is due: store it
	// 0 wait
}

// A stream ends: what was written to it has to go elsewhere, in its order.
func ExamplePacketCache_On() {
	c := cache.New(nil)
	for i, id := range []string{"m1", "m2", "m3"} {
		ref, _ := c.Put(time.Now(), cache.Packet{Key: cache.Key{
			To: "romeo@montague.lit", From: "juliet@capulet.lit/balcony", ID: id,
		}}, time.Minute)
		c.Deliver(ref, cache.Copy{Resource: "orchard", Stream: uint64(i % 2)})
	}
	for p := range c.On("romeo@montague.lit", 0) {
		fmt.Println(p.Key.ID)
	}
	// Output:
	// m1
	// m3
}
