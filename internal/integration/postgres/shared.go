// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package postgres

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"
)

// shared is the server of all tests of a program.
var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Shared returns the server that all tests of a program share, which the first call starts.
// TestMain has to call StopShared.
func Shared() (*Server, error) {
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		shared.server, shared.err = Start(ctx)
	})
	return shared.server, shared.err
}

// Required reports whether tests without PostgreSQL have to fail: if UNTILACK_REQUIRE is
// "all".
func Required() bool { return os.Getenv("UNTILACK_REQUIRE") == "all" }

// Need is Shared for a test, which it skips without PostgreSQL, unless that is required.
func Need(t testing.TB) *Server {
	t.Helper()
	s, err := Shared()
	if errors.Is(err, ErrMissing) && !Required() {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// StopShared stops the server that Shared has started, if it has.
func StopShared() {
	if shared.server != nil {
		shared.server.Stop()
	}
}
