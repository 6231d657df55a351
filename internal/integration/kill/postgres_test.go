// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package kill

import (
	"context"
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/untilack/untilack/internal/integration/crashtest"
	"github.com/untilack/untilack/internal/integration/postgres"
)

// TestPostgresDies kills the database under a relay that lives on, and so does what it
// has in memory.
func TestPostgresDies(t *testing.T) {
	r := newRun(t, newPostgres(t))
	if err := r.begin(); err != nil {
		t.Fatal(err)
	}
	for i := range *rounds {
		if err := r.surviveOnce(postgres.Need(t), i); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
	// What was refused and stored all the same comes with the next login.
	if err := r.logIn(); err != nil {
		t.Fatal(err)
	}
	if err := r.empty(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rounds, %s", *rounds, r.ledger)
}

// surviveOnce kills the database under load, has everybody come back, and waits for what
// was acknowledged.
func (r *run) surviveOnce(s *postgres.Server, round int) error {
	r.scatter(round)
	stop := r.load()
	r.someWork()
	fault := killBackend
	if round%2 == 1 {
		fault = killServer
	}
	err := fault(s, r.random)
	if err == nil {
		r.someWork()
	}
	stop()
	if err := errors.Join(err, r.logIn()); err != nil {
		return err
	}
	return r.settle()
}

// killBackend kills one of the processes that serve a client. The server then ends all
// others, and recovers.
func killBackend(s *postgres.Server, random *rand.Rand) error {
	backends, err := s.Backends()
	if err != nil || len(backends) == 0 {
		return err
	}
	return syscall.Kill(backends[random.IntN(len(backends))], syscall.SIGKILL)
}

// killServer kills all processes at once, and starts the server again after a moment.
func killServer(s *postgres.Server, random *rand.Rand) error {
	s.Kill()
	pause(random, 100*time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), crashtest.Patience)
	defer cancel()
	return s.Run(ctx)
}
