// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a recipient's server in virtual time: a Keeper that runs, a router
// that delivers as RFC 6121 says, and clients of all sorts.
type world struct {
	t      *testing.T
	keeper *untilack.Keeper
	store  *actions.MemStore
	start  time.Time
	stop   func() // ends Run and waits for it

	mu      sync.Mutex
	clients []*client // that were online, in the order in which they came
	told    []untilack.Event
	routed  []string // what clients of the recipient sent, and went on
	sent    []string // what the server itself sent to senders
}

// story tells a story in virtual time. A Config.Store stands for one that lasts;
// without it nothing is written before its time.
func story(t *testing.T, config untilack.Config, tell func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, config)
		tell(w)
		w.stop()
	})
}

// newWorld makes a world, in a bubble of synctest, and starts it.
func newWorld(t *testing.T, config untilack.Config) *world {
	w := &world{t: t, store: actions.NewMemStore(nil), start: time.Now()}
	config.Domain = england
	switch config.Store.(type) {
	case nil:
		config.Store, config.PersistAfter = w.store, -1
	case durable:
		config.Store = durable{w.store}
	}
	watch := config.Watch
	config.Watch = func(e untilack.Event) {
		w.mu.Lock()
		w.told = append(w.told, e)
		w.mu.Unlock()
		if watch != nil {
			watch(e)
		}
	}
	w.run(config)
	return w
}

// run starts a Keeper.
func (w *world) run(config untilack.Config) {
	keeper, err := untilack.New(config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.keeper = keeper
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- keeper.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			w.t.Errorf("Run returned %v, want the context's error", err)
		}
	}
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// send sends a message to the usual recipient, and has the host route it
// (RFC 6121 §8.5): to the addressed resource, to the best one, or to nobody.
func (w *world) send(stanza string) error {
	to := w.target(stanza)
	if to == nil {
		return w.keeper.Offline(w.t.Context(), []byte(stanza))
	}
	return to.session.Deliver(w.t.Context(), []byte(stanza))
}

func (w *world) target(stanza string) (best *client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	address := attribute(stanza, "to")
	for _, c := range w.clients {
		switch {
		case c.gone(), cache.Bare(c.address) != cache.Bare(address):
		case c.address == address:
			return c
		case !c.away && c.priority >= 0 && (best == nil || c.priority >= best.priority):
			best = c
		}
	}
	if address != cache.Bare(address) && attribute(stanza, "type") != "chat" {
		return nil
	}
	return best
}

// sends sends chat messages with these ids.
func (w *world) sends(ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		if err := w.send(chat(id)); err != nil {
			w.t.Errorf("%s was not delivered: %v", id, err)
		}
	}
}

// waits fails the test unless exactly these messages wait in memory, each with its
// state: "m1 on stream".
func (w *world) waits(want ...string) {
	w.t.Helper()
	synctest.Wait()
	var got []string
	for _, waiting := range w.keeper.Waiting(richard) {
		got = append(got, waiting.ID+" "+waiting.State.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("waiting (-want +got):\n%s", diff)
	}
}

// stores fails the test unless exactly these messages stand in the store.
func (w *world) stores(want ...string) {
	w.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, storedIDs(w.t.Context(), w.store)); diff != "" {
		w.t.Errorf("in the store (-want +got):\n%s", diff)
	}
}

// nothingIsLeft fails the test if anything waits or is stored.
func (w *world) nothingIsLeft() {
	w.t.Helper()
	w.waits()
	w.stores()
}

// happened fails the test unless each reason was told that often, and counted so.
func (w *world) happened(want map[untilack.Reason]int) {
	w.t.Helper()
	synctest.Wait()
	got := make(map[untilack.Reason]int)
	w.mu.Lock()
	for _, e := range w.told {
		if _, asked := want[e.Reason]; asked {
			got[e.Reason]++
		}
	}
	w.mu.Unlock()
	for reason, n := range want {
		if got[reason] != n {
			w.t.Errorf("%q happened %d times, want %d", reason, got[reason], n)
		}
		if counted := w.keeper.Count(reason); counted != uint64(n) {
			w.t.Errorf("%q was counted %d times, want %d", reason, counted, n)
		}
	}
}

// senderSaw fails the test unless exactly these stanzas went to senders.
func (w *world) senderSaw(want ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(want, w.routed); diff != "" {
		w.t.Errorf("routed to the sender (-want +got):\n%s", diff)
	}
}

// bounce is an action that sends errors to senders.
func (w *world) bounce(reason actions.Reason) actions.Bounce {
	return actions.Bounce{Reason: reason, Send: func(_ context.Context, _ string, stanza []byte) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.sent = append(w.sent, string(stanza))
		return nil
	}}
}

// within fails the test unless what is done takes no longer than d of the world's
// time.
func (w *world) within(d time.Duration, what string, do func()) {
	w.t.Helper()
	start := time.Now()
	do()
	if took := time.Since(start); took > d {
		w.t.Errorf("%s took %v, want at most %v", what, took, d)
	}
}
