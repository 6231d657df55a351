// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/untilacktest"
)

// A router is a server of somebody's own: a Keeper that runs, and a table of
// sessions.
type router struct {
	world  *untilacktest.World
	keeper *untilack.Keeper

	mu       sync.Mutex
	sessions map[string]*session
}

type session struct {
	*untilack.Session
	router  *router
	address string
}

func (r *router) Connect(address string, conn untilack.Conn) (untilacktest.Connection, error) {
	attached, err := r.keeper.Attach(address, conn, nil)
	if err != nil {
		return nil, err
	}
	s := &session{attached, r, address}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions[cache.Bare(address)] = s
	return s, nil
}

func (r *router) Route(stanza []byte) error {
	r.mu.Lock()
	s := r.sessions["juliet@capulet.example"]
	r.mu.Unlock()
	if s == nil {
		return r.keeper.Offline(context.Background(), stanza)
	}
	return s.Deliver(context.Background(), stanza)
}

func (s *session) Receive(stanza []byte) {
	if s.Session.Receive(stanza) {
		s.router.world.Routed(s.address, stanza)
	}
}

func (s *session) Close() {
	s.Session.Close()
	s.router.mu.Lock()
	defer s.router.mu.Unlock()
	if s.router.sessions[cache.Bare(s.address)] == s {
		delete(s.router.sessions, cache.Bare(s.address))
	}
}

// in tells a story around a router.
func in(t *testing.T, tell func(w *untilacktest.World)) {
	synctest.Test(t, func(t *testing.T) {
		keeper, err := untilack.New(untilack.Config{Domain: untilacktest.DefaultDomain})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = keeper.Run(ctx) })
		tell(untilacktest.Live(t, nil, func(w *untilacktest.World) untilacktest.Server {
			return &router{world: w, keeper: keeper, sessions: make(map[string]*session)}
		}))
		cancel()
		running.Wait()
	})
}

func TestSomebodysOwnServer(t *testing.T) {
	for name, trouble := range map[string]func(*untilacktest.Client){
		"dark":        (*untilacktest.Client).GoesDark,
		"half-open":   (*untilacktest.Client).GoesDeaf,
		"mute":        (*untilacktest.Client).GoesMute,
		"swallowed":   (*untilacktest.Client).Vanishes,
		"stalled":     (*untilacktest.Client).Stalls,
		"busy":        (*untilacktest.Client).GetsBusy,
		"broken":      (*untilacktest.Client).Disconnects,
		"dead":        (*untilacktest.Client).Dies,
		"logged out":  (*untilacktest.Client).LogsOut,
		"unavailable": (*untilacktest.Client).GoesAway,
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(world *untilacktest.World) {
				phone := world.Client(juliet + "/phone").LogsIn()
				first := world.Send(romeo, juliet, "But soft!")
				world.Wait(time.Second)
				phone.Got(first)
				trouble(phone)
				for range 5 {
					world.Send(romeo, juliet, "What light through yonder window breaks?")
					world.Wait(time.Second)
				}
				world.Wait(time.Minute)
				phone.ComesBack()
				world.Wait(time.Minute)
				world.EndsWell()
				for _, m := range world.Messages() {
					if m.Read() == 0 || m.Receipts() == 0 {
						t.Errorf("%s was read %d times, its sender saw %d receipts", m, m.Read(), m.Receipts())
					}
				}
				if late := world.OutOfOrder(); len(late) > 0 {
					t.Errorf("out of order: %v", late)
				}
			})
		})
	}
}
