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

// Need returns the server that all tests of a program share, which the first call starts.
// Without PostgreSQL it skips the test, or fails it if UNTILACK_REQUIRE is "all". TestMain
// has to call StopShared.
func Need(t testing.TB) *Server {
	t.Helper()
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		shared.server, shared.err = Start(ctx)
	})
	if errors.Is(shared.err, ErrMissing) && os.Getenv("UNTILACK_REQUIRE") != "all" {
		t.Skip(shared.err)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// StopShared stops the server that Need has started, if it has.
func StopShared() {
	if shared.server != nil {
		shared.server.Stop()
	}
}
