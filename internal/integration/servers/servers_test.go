// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers_test

import (
	"os"
	"testing"

	"github.com/untilack/untilack/internal/integration/servers"
)

func TestMain(m *testing.M) {
	code := m.Run()
	servers.StopShared()
	os.Exit(code)
}

func TestDial(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		romeo := s.Account(t, "romeo")
		session := servers.Dial(t, s, romeo)
		if got := session.LocalAddr(); !got.Bare().Equal(romeo.Address) || got.Resourcepart() == "" {
			t.Errorf("bound to %s, want a resource of %s", got, romeo.Address)
		}
	})
}
