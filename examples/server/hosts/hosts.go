// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package hosts counts clients by the hosts that they are at, so that none of them keeps all
// others out.
package hosts

import (
	"net"
	"net/netip"
	"sync"
)

// Of returns what stands for the host of a client: of IPv6 its network, for in that it may
// choose the rest.
func Of(client net.Addr) string {
	remote, err := netip.ParseAddrPort(client.String())
	if err != nil {
		return client.String()
	}
	address := remote.Addr().Unmap()
	if network, err := address.Prefix(64); err == nil && address.Is6() {
		return network.String()
	}
	return address.String()
}

// A Counter counts clients. It is safe for concurrent use by multiple goroutines.
type Counter struct {
	Max     int // how many there may be; required
	MaxEach int // how many of them at one host; required

	mutex sync.Mutex
	all   int
	each  map[string]int
}

// Enter counts a client, and reports whether it is within the limits. Leave has to follow, even
// if it is not.
func (c *Counter) Enter(client net.Addr) bool {
	host := Of(client)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.each == nil {
		c.each = make(map[string]int)
	}
	c.all++
	c.each[host]++
	return c.all <= c.Max && c.each[host] <= c.MaxEach
}

// Leave ends what Enter began.
func (c *Counter) Leave(client net.Addr) {
	host := Of(client)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.all--
	if c.each[host]--; c.each[host] == 0 {
		delete(c.each, host)
	}
}
