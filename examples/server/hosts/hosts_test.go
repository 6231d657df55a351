// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package hosts

import (
	"net"
	"testing"
)

func TestOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:5222":          "192.0.2.1",
		"[::ffff:192.0.2.1]:5222": "192.0.2.1",
		"[2001:db8:1:2:3::4]:80":  "2001:db8:1:2::/64",
	} {
		if got := Of(tcp(t, remote)); got != want {
			t.Errorf("%s: got %s, want %s", remote, got, want)
		}
	}
	if got := Of(&net.UnixAddr{Name: "x"}); got != "x" {
		t.Errorf("got %s, want x", got)
	}
}

func tcp(t *testing.T, address string) net.Addr {
	t.Helper()
	remote, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return remote
}

// TestCounter checks that one host does not keep another one out, and that all together have a
// limit as well.
func TestCounter(t *testing.T) {
	c := Counter{Max: 4, MaxEach: 2}
	enter := func(address string, want bool) {
		t.Helper()
		if got := c.Enter(tcp(t, address)); got != want {
			t.Errorf("%s: got %v, want %v", address, got, want)
		}
	}
	enter("192.0.2.1:1", true)
	enter("192.0.2.1:2", true)
	enter("192.0.2.1:3", false)
	enter("192.0.2.2:1", true)
	c.Leave(tcp(t, "192.0.2.1:3"))
	enter("192.0.2.3:1", true)
	enter("192.0.2.4:1", false)
	for _, address := range []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "192.0.2.3:1", "192.0.2.4:1"} {
		c.Leave(tcp(t, address))
	}
	enter("192.0.2.1:4", true)
	if len(c.each) != 1 {
		t.Errorf("%d hosts are remembered, want one", len(c.each))
	}
}
