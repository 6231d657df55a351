// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions/actionstest"
	"github.com/untilack/untilack/cache"
)

// all returns stanzas as DeliverAll takes them.
func all(stanzas ...string) (list [][]byte) {
	for _, stanza := range stanzas {
		list = append(list, []byte(stanza))
	}
	return list
}

// Messages are in the store before any of them is written, and the store is called once.
func TestDeliverAllPutsOnce(t *testing.T) {
	troubled(t, untilack.Config{}, func(w *world, store *actionstest.FaultyStore) {
		c := w.online(throne, silent)
		w.pass(time.Second)
		release, calls := make(chan struct{}), store.Calls(actionstest.Put)
		store.Set(actionstest.Fault{Op: actionstest.Put, Wait: release})
		answers := make(chan []error)
		go func() { answers <- c.session.DeliverAll(w.t.Context(), all(chat("m1"), chat("m2"), chat("m3"))) }()
		w.pass(time.Second)
		if got := c.messages(); len(got) > 0 {
			t.Errorf("written before there were rows: %q", got)
		}
		close(release)
		if err := errors.Join(<-answers...); err != nil {
			t.Error(err)
		}
		c.got("m1", "m2", "m3")
		w.stores("m1", "m2", "m3")
		if got := store.Calls(actionstest.Put) - calls; got != 1 {
			t.Errorf("the store was called %d times, want once", got)
		}
		store.Set()
	})
}

// Whatever messages there are, what is written and what is stored is as if they came one by
// one.
func TestDeliverAllIsAsOneByOne(t *testing.T) {
	kinds := []func(id string) string{
		chat,
		func(string) string { return chat("again") },
		func(id string) string {
			return message("chat", westminster, richard, id, speech+"<no-permanent-store xmlns='urn:xmpp:hints'/>")
		},
		func(id string) string { return message("headline", westminster, richard, id, speech) },
		func(id string) string { return message("error", westminster, richard, id, speech) },
		func(id string) string { return message("chat", "", richard, id, speech) },
		func(string) string { return "<message" },
	}
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 0))
		config, kinds := untilack.Config{}, kinds
		if seed%2 == 0 {
			// What is not kept does not wait for what is read from the store, and what is sent again
			// is written again or not, as the store is slow or quick.
			config.Cache, kinds = &cache.Options{Limits: cache.Limits{RecipientPackets: 2 + int(seed%10)}}, kinds[:1]
		}
		var stanzas []string
		for i := range 12 {
			kind := 0
			if random.IntN(3) == 0 {
				kind = random.IntN(len(kinds))
			}
			stanzas = append(stanzas, kinds[kind](fmt.Sprint("m", i)))
		}
		outcome := func(deliver func(*client) []error) (written, stored []string) {
			troubled(t, config, func(w *world, store *actionstest.FaultyStore) {
				c := w.online(throne, silent)
				w.pass(time.Second)
				if err := errors.Join(deliver(c)...); err != nil {
					t.Error(err)
				}
				w.pass(time.Second)
				written, stored = c.messages(), storedIDs(w.t.Context(), store)
			})
			return written, stored
		}
		wantWritten, wantStored := outcome(func(c *client) (errs []error) {
			for _, stanza := range stanzas {
				errs = append(errs, c.session.Deliver(context.Background(), []byte(stanza)))
			}
			return errs
		})
		written, stored := outcome(func(c *client) []error { return c.session.DeliverAll(context.Background(), all(stanzas...)) })
		if diff := cmp.Diff(wantWritten, written); diff != "" {
			t.Errorf("seed %d: written (-one by one +all):\n%s", seed, diff)
		}
		if diff := cmp.Diff(wantStored, stored); diff != "" {
			t.Errorf("seed %d: stored (-one by one +all):\n%s", seed, diff)
		}
	}
}

// What the store does not take is refused, each message for itself, and not written.
func TestDeliverAllRefuses(t *testing.T) {
	troubled(t, untilack.Config{FailClosed: true}, func(w *world, store *actionstest.FaultyStore) {
		c := w.online(throne, silent)
		w.pass(time.Second)
		store.Set(actionstest.Fault{Op: actionstest.Put, Err: errBroken})
		errs := c.session.DeliverAll(w.t.Context(), all(chat("m1"), chat("m2")))
		for i, err := range errs {
			if !errors.Is(err, untilack.ErrRefused) {
				t.Errorf("message %d: %v, want a refusal", i, err)
			}
		}
		if got := c.messages(); len(got) > 0 || len(errs) != 2 {
			t.Errorf("%d answers, and written: %q", len(errs), got)
		}
		store.Set()
		w.pass(time.Minute)
		w.stores()
	})
}

// A stream that ends while the store decides takes nothing with it, nor does it change the order.
func TestDeliverAllToAStreamThatEnds(t *testing.T) {
	troubled(t, untilack.Config{}, func(w *world, store *actionstest.FaultyStore) {
		first := w.online(throne, silent)
		w.pass(time.Second)
		release := make(chan struct{})
		store.Set(actionstest.Fault{Op: actionstest.Put, Wait: release})
		answers := make(chan []error)
		go func() {
			answers <- first.session.DeliverAll(context.Background(), all(chat("m1"), chat("m2"), chat("m3")))
		}()
		synctest.Wait()
		first.dies()
		second := w.online(crown, acknowledges)
		store.Set()
		close(release)
		if err := errors.Join(<-answers...); err != nil {
			t.Error(err)
		}
		w.pass(time.Minute)
		second.got("m1", "m2", "m3")
		w.nothingIsLeft()
	})
}

func TestDeliverAllDoesNotWaitForItsTurnBeyondItsContext(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		c := w.online(throne, silent)
		c.stalls()
		go c.session.Deliver(context.Background(), []byte(chat("m1")))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		for i, err := range c.session.DeliverAll(ctx, all(chat("m2"), chat("m3"))) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("message %d: %v, want the context's error", i, err)
			}
		}
		w.waits("m1 on stream")
		w.pass(time.Minute)
	})
}
