// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/untilack/untilack/cache"
)

// measureBurst measures what it takes when all that waits is due at once.
func measureBurst(c cell) (values, error) {
	now := epoch.Add(2 * ackWait)
	u := filled(c.Waiting)
	drop, err := perPacket(c, func() error { return dropDue(u.PacketCache, now, c.Waiting) })
	if err != nil {
		return nil, err
	}
	u = filled(c.Waiting)
	loop, err := perPacket(c, func() error { return loopDue(u.PacketCache, now, c.Waiting) })
	if err != nil {
		return nil, err
	}
	u = filled(c.Waiting)
	longest, err := longestPair(u, c.Waiting, func() error { return dropDue(u.PacketCache, now, c.Waiting) })
	if err != nil {
		return nil, err
	}
	// How much of that is the machine's doing.
	idle, err := longestPair(u, c.Waiting, func() error { time.Sleep(time.Second / 2); return nil })
	return values{
		"drop cpu ns":            drop,
		"loop cpu ns":            loop,
		"longest wait ms":        milliseconds(longest),
		"longest wait, idle, ms": milliseconds(idle),
	}, err
}

// filled returns a cache in which so many packets wait with one deadline.
func filled(waiting int) *untilack {
	u := newUntilack(setting{expired: func([]byte) {}}).(*untilack)
	m := newMessage()
	for i := range waiting {
		write(m.stanza, uint32(i), recipientsFor(waiting))
		u.put(epoch, &m, ackWait)
	}
	runtime.GC()
	return u
}

func dropDue(c *cache.PacketCache, now time.Time, waiting int) error {
	for p := range c.Due(now) {
		if _, ok := c.Drop(now, p.Ref()); ok {
			waiting--
		}
	}
	return allDue(waiting)
}

func loopDue(c *cache.PacketCache, now time.Time, waiting int) error {
	for range c.Due(now) {
		waiting--
	}
	return allDue(waiting)
}

func allDue(left int) error {
	if left != 0 {
		return fmt.Errorf("%d packets were not due", left)
	}
	return nil
}

// perPacket returns how much processor time a function takes for each packet.
func perPacket(c cell, do func() error) (nanoseconds float64, err error) {
	before := cpuTime()
	err = do()
	return float64((cpuTime() - before).Nanoseconds()) / float64(c.Waiting), err
}

// longestPair returns how long it takes at most to put and settle a packet while
// another goroutine does something else.
func longestPair(u *untilack, waiting int, meanwhile func() error) (longest time.Duration, err error) {
	done := make(chan error)
	go func() { done <- meanwhile() }()
	m := newMessage()
	for number := uint32(waiting); ; number++ {
		select {
		case err := <-done:
			return longest, err
		default:
		}
		write(m.stanza, number, recipientsFor(waiting))
		start := time.Now()
		u.put(epoch.Add(2*ackWait), &m, ackWait)
		u.settle(epoch.Add(2*ackWait), &m)
		longest = max(longest, time.Since(start))
	}
}
