// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
	"github.com/untilack/untilack/cache"
)

// troubled tells a story in which the store is to make trouble.
func troubled(t *testing.T, config untilack.Config, tell func(w *world, store *actionstest.FaultyStore)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		inner := actions.NewMemStore(nil)
		store := actionstest.NewFaultyStore(durable{inner})
		config.Store = store
		w := newWorld(t, config)
		w.store = inner
		tell(w, store)
		w.stop()
	})
}

// One message waits for a store that hangs. Those after it do not, and when the store is
// back it gets all of them.
func TestAStoreThatHangsDelaysOneMessage(t *testing.T) {
	troubled(t, untilack.Config{}, func(w *world, store *actionstest.FaultyStore) {
		c := w.online(throne, silent)
		w.pass(time.Second)
		release := make(chan struct{})
		store.Set(actionstest.Fault{Wait: release})
		begun := time.Now()
		w.sends("m1")
		if took := time.Since(begun); took < untilack.DefaultActionTimeout {
			t.Errorf("the first message took %v", took)
		}
		for i := range 100 {
			w.within(0, "a later message", func() { w.sends(fmt.Sprint("later", i)) })
			w.pass(100 * time.Millisecond)
		}
		if got := len(c.messages()); got != 101 {
			t.Errorf("the client has %d messages", got)
		}
		if n := store.Calls(actionstest.Put); n > 5 {
			t.Errorf("the store was called %d times while it was down", n)
		}
		close(release)
		store.Set()
		w.pass(untilack.DefaultActionTimeout + 2*untilack.DefaultRetryWait)
		if stored := len(storedIDs(w.t.Context(), w.store)); stored != 101 {
			t.Errorf("%d messages are in the store, want all", stored)
		}
	})
}

// So it is with mail for those who are not there: one message waits, those after it are refused
// at once until the store is back. How a message ends that can not be kept makes no difference.
func TestAStoreThatHangsDelaysOneForNobody(t *testing.T) {
	for name, chain := range map[string][]actions.Action{
		"by default": nil,
		"named":      {actions.Offline{}, actions.DeadLetter{Store: actions.NewMemStore(nil)}},
		"alone":      {actions.Offline{}},
		"says so":    {needy{}, actions.Offline{}, actions.Drop{}},
	} {
		t.Run(name, func(t *testing.T) { hangsForNobody(t, chain) })
	}
}

// needy is an action that needs the store, and takes nothing.
type needy struct{ actions.Action }

func (needy) NeedsStore() bool { return true }

func (needy) Act(context.Context, cache.Packet) (actions.Outcome, error) { return actions.Pass, nil }

func hangsForNobody(t *testing.T, chain []actions.Action) {
	troubled(t, untilack.Config{Actions: chain}, func(w *world, store *actionstest.FaultyStore) {
		release := make(chan struct{})
		store.Set(actionstest.Fault{Wait: release})
		err := w.keeper.Offline(w.t.Context(), []byte(chat("m0")))
		if !errors.Is(err, untilack.ErrRefused) {
			t.Errorf("got %v, want it refused", err)
		}
		for i := range 20 {
			w.within(0, "a later message", func() {
				later := strings.Replace(chat("m"), richard, fmt.Sprintf("nobody%d@"+england, i), 1)
				if err := w.keeper.Offline(w.t.Context(), []byte(later)); !errors.Is(err, untilack.ErrStoreDown) {
					t.Errorf("got %v, want the store to be known to be down", err)
				}
			})
		}
		close(release)
		store.Set()
		w.pass(untilack.DefaultActionTimeout + 2*untilack.DefaultRetryWait)
		if err := w.keeper.Offline(w.t.Context(), []byte(chat("m1"))); err != nil {
			t.Errorf("the store is back: %v", err)
		}
	})
}

// What is to be done when a quota is used up is said of an Offline into the Keeper's own store, too.
func TestOfflineFull(t *testing.T) {
	var full []string
	refuse := actions.Func(func(_ context.Context, p cache.Packet) (actions.Outcome, error) {
		full = append(full, p.Key.ID)
		return actions.Done, nil
	})
	troubled(t, untilack.Config{Actions: []actions.Action{actions.Offline{Full: refuse}, actions.Drop{}}}, func(w *world, store *actionstest.FaultyStore) {
		store.Set(actionstest.Fault{Op: actionstest.Put, Err: actions.ErrQuota})
		if err := w.keeper.Offline(w.t.Context(), []byte(chat("m1"))); err != nil || !slices.Equal(full, []string{"m1"}) {
			t.Errorf("got %v, asked about %v, want m1", err, full)
		}
	})
}

// A store that fails is called thrice, and then once every RetryWait.
func TestAStoreThatFailsIsLeftAlone(t *testing.T) {
	var log bytes.Buffer
	config := untilack.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	troubled(t, config, func(w *world, store *actionstest.FaultyStore) {
		c := w.online(throne, silent)
		w.pass(time.Second)
		before := store.Calls("")
		store.Set(actionstest.Fault{Err: errBroken})
		for i := range 300 {
			w.sends(fmt.Sprint("m", i))
			w.pass(10 * time.Millisecond)
		}
		if calls := store.Calls("") - before; calls < 4 || calls > 8 {
			t.Errorf("the store was called %d times", calls)
		}
		if got := len(c.messages()); got != 300 {
			t.Errorf("the client has %d messages", got)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("it was warned %d times of it:\n%s", n, log.String())
		}
		store.Set()
		w.pass(10 * untilack.DefaultRetryWait) // and nobody sends anything
		if stored := len(storedIDs(w.t.Context(), w.store)); stored != 300 {
			t.Errorf("%d messages are in the store, want all", stored)
		}
		if !strings.Contains(log.String(), "store works again") {
			t.Errorf("nobody was told that it works again:\n%s", log.String())
		}
	})
}

// That a recipient has no room left is no reason to leave the store alone.
func TestAQuotaIsNoTrouble(t *testing.T) {
	troubled(t, untilack.Config{}, func(w *world, store *actionstest.FaultyStore) {
		w.online(throne, silent)
		w.pass(time.Second)
		store.Set(actionstest.Fault{Op: actionstest.Put, Err: actions.ErrQuota})
		before := store.Calls(actionstest.Put)
		for i := range 20 {
			w.sends(fmt.Sprint("m", i))
		}
		if calls := store.Calls(actionstest.Put) - before; calls != 20 {
			t.Errorf("the store was called %d times for 20 messages", calls)
		}
	})
}

// With FailClosed nothing is delivered that the store did not take.
func TestFailClosed(t *testing.T) {
	for name, fault := range map[string]actionstest.Fault{
		"it fails":        {Op: actionstest.Put, Err: errBroken},
		"it hangs":        {Op: actionstest.Put, Wait: make(chan struct{})},
		"it has no room":  {Op: actionstest.Put, Err: actions.ErrQuota},
		"its answer lies": {Op: actionstest.Put, Err: errBroken, Lie: true},
	} {
		t.Run(name, func(t *testing.T) {
			config := untilack.Config{FailClosed: true}
			if fault.Wait != nil {
				config.ActionTimeout = time.Second
			}
			synctest.Test(t, func(t *testing.T) {
				inner := actions.NewMemStore(nil)
				if fault.Wait != nil {
					bubble := make(chan struct{})
					defer close(bubble)
					fault.Wait = bubble
				}
				store := actionstest.NewFaultyStore(durable{inner})
				config.Store = store
				w := newWorld(t, config)
				w.store = inner
				c := w.online(throne, silent)
				w.pass(time.Second)
				store.Set(fault)
				for i := range 10 {
					if err := w.send(chat(fmt.Sprint("m", i))); !errors.Is(err, untilack.ErrRefused) {
						t.Errorf("message %d: %v, want ErrRefused", i, err)
					}
				}
				w.waits()
				if got := c.messages(); len(got) != 0 {
					t.Errorf("the client has %q", got)
				}
				store.Set()
				w.pass(3 * untilack.DefaultRetryWait)
				w.send(chat("trial")) // may be refused still
				w.pass(3 * untilack.DefaultRetryWait)
				before := len(c.messages())
				w.sends("at last")
				if got := c.messages(); len(got) != before+1 {
					t.Errorf("the client has %q", got)
				}
				for _, id := range storedIDs(t.Context(), inner) {
					if strings.HasPrefix(id, "m") {
						t.Errorf("%s was refused, and is in the store", id)
					}
				}
				w.stop()
			})
		})
	}
}

// A caller that gives up, or has no time left, says nothing about the store.
func TestACallerThatGivesUpIsNoTrouble(t *testing.T) {
	for name, row := range map[string]struct {
		hangs bool
		give  func(context.Context) (context.Context, context.CancelFunc)
	}{
		"before the call": {false, func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		}},
		"while the store hangs": {true, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Millisecond)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			troubled(t, untilack.Config{}, func(w *world, store *actionstest.FaultyStore) {
				c := w.online(throne, silent)
				w.pass(time.Second)
				release := make(chan struct{})
				if row.hangs {
					store.Set(actionstest.Fault{Wait: release})
				}
				for i := range 10 {
					ctx, cancel := row.give(w.t.Context())
					c.session.Deliver(ctx, []byte(chat(fmt.Sprint("m", i))))
					cancel()
				}
				close(release)
				store.Set()
				before := store.Calls(actionstest.Put)
				w.sends("after")
				if store.Calls(actionstest.Put) == before {
					t.Error("the store is left alone")
				}
			})
		})
	}
}

// Rows go out in the order in which they are put: what the store did not take is put before
// what comes later.
func TestOlderMessagesAreStoredFirst(t *testing.T) {
	troubled(t, untilack.Config{}, func(w *world, store *actionstest.FaultyStore) {
		w.online(throne, silent)
		w.pass(time.Second)
		store.Set(actionstest.Fault{Op: actionstest.Put, Err: errBroken})
		w.sends("m1", "m2")
		store.Set()
		w.sends("m3", "m4")
		w.stores("m1", "m2", "m3", "m4")
	})
}

// While the store is down messages do not ask for it, and when it is back they are stored in
// their order.
func TestOrderAfterTheStoreWasDown(t *testing.T) {
	troubled(t, untilack.Config{}, func(w *world, store *actionstest.FaultyStore) {
		w.online(throne, silent)
		w.pass(time.Second)
		store.Set(actionstest.Fault{Err: errBroken})
		var want []string
		send := func(n int) {
			for range n {
				want = append(want, fmt.Sprint("m", len(want)))
				w.sends(want[len(want)-1])
			}
		}
		send(600)
		store.Set()
		for range 50 {
			send(1)
			w.pass(100 * time.Millisecond)
		}
		w.pass(10 * time.Second)
		w.stores(want...)
	})
}

// One failure is enough to try again: nobody else may ever send to that recipient.
func TestARowThatFailedOnceIsPutLater(t *testing.T) {
	troubled(t, untilack.Config{}, func(w *world, store *actionstest.FaultyStore) {
		w.online(throne, silent)
		w.pass(time.Second)
		store.Set(actionstest.Fault{Op: actionstest.Put, Err: errBroken})
		w.sends("m1")
		store.Set()
		w.pass(2 * untilack.DefaultRetryWait)
		w.stores("m1")
	})
}

// A message that was refused and is sent again must not lose its row to the deletion of the
// first one's.
func TestRefusedThenSentAgain(t *testing.T) {
	troubled(t, untilack.Config{FailClosed: true}, func(w *world, store *actionstest.FaultyStore) {
		w.online(throne, silent)
		w.pass(time.Second)
		store.Set(actionstest.Fault{Err: errBroken})
		if err := w.send(chat("m1")); !errors.Is(err, untilack.ErrRefused) {
			t.Fatal(err)
		}
		store.Set()
		taken := false
		for range 20 {
			if w.send(chat("m1")) == nil {
				taken = true
				break
			}
			w.pass(time.Second)
		}
		w.pass(5 * time.Second)
		if !taken {
			t.Fatal("it is refused for ever")
		}
		w.stores("m1")
	})
}

// A store that was down for long is found to be back within RetryWait, though all that has
// failed is tried but once a minute by now.
func TestAStoreIsSoonFoundToBeBack(t *testing.T) {
	troubled(t, untilack.Config{}, func(w *world, store *actionstest.FaultyStore) {
		store.Set(actionstest.Fault{Err: errBroken})
		w.online(throne, silent)
		w.pass(4*time.Minute + 30*time.Second)
		w.sends("m1")
		w.stores()
		store.Set()
		w.pass(3 * untilack.DefaultRetryWait)
		w.stores("m1")
	})
}

// A message that came while its recipient was taken to be away is refused like any other if
// the store does not take it, whatever stream has opened meanwhile.
func TestOfflineIsRefusedToo(t *testing.T) {
	faults := map[string]func() actionstest.Fault{
		"fails": func() actionstest.Fault { return actionstest.Fault{Op: actionstest.Put, Err: errBroken} },
		"hangs": func() actionstest.Fault { return actionstest.Fault{Op: actionstest.Put, Wait: make(chan struct{})} },
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			for _, failClosed := range []bool{true, false} {
				troubled(t, untilack.Config{FailClosed: failClosed}, func(w *world, store *actionstest.FaultyStore) {
					c := w.online(throne, silent)
					w.pass(time.Second)
					store.Set(fault())
					err := w.keeper.Offline(w.t.Context(), []byte(chat("m1")))
					if got := errors.Is(err, untilack.ErrRefused); got != failClosed || !got && err != nil {
						t.Errorf("fail closed %v: %v", failClosed, err)
					}
					store.Set()
					w.pass(untilack.DefaultActionTimeout)
					if got := len(c.messages()) == 0; got != failClosed {
						t.Errorf("fail closed %v: the client has %q", failClosed, c.messages())
					}
				})
			}
		})
	}
}

// A message goes to no session before its row stands, also if it is on its way to two. One row
// is enough for both; who is refused although the other one is not gets no copy.
func TestTwoSessionsWaitForOneRow(t *testing.T) {
	broken, fine := actionstest.Fault{Op: actionstest.Put, Err: errBroken}, actionstest.Fault{Op: actionstest.Put}
	for name, test := range map[string]struct {
		first, second actionstest.Fault
		refused       [2]bool
		failOpen      bool
	}{
		"both are stored":     {first: fine, second: fine},
		"neither is":          {first: broken, second: broken, refused: [2]bool{true, true}},
		"the first is not":    {first: broken, second: fine, refused: [2]bool{true, false}},
		"the second is not":   {first: fine, second: broken},
		"neither is, and yet": {first: broken, second: broken, failOpen: true},
	} {
		t.Run(name, func(t *testing.T) {
			troubled(t, untilack.Config{FailClosed: !test.failOpen}, func(w *world, store *actionstest.FaultyStore) {
				clients := [2]*client{w.online(throne, silent), w.online("tablet", silent)}
				w.pass(time.Second)
				release := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
				calls := store.Calls(actionstest.Put)
				for i, fault := range []*actionstest.Fault{&test.first, &test.second} {
					fault.Nth, fault.Wait = calls+1+i, release[i]
				}
				store.Set(test.first, test.second)
				var answers [2]chan error
				for i, c := range clients {
					answers[i] = make(chan error, 1)
					go func() { answers[i] <- c.session.Deliver(w.t.Context(), []byte(chat("m1"))) }()
					synctest.Wait()
				}
				if got := len(clients[0].messages()) + len(clients[1].messages()); got != 0 {
					t.Errorf("%d copies were written before there was a row", got)
				}
				for i := range clients {
					close(release[i])
					synctest.Wait()
				}
				for i, c := range clients {
					err := <-answers[i]
					if refused := errors.Is(err, untilack.ErrRefused); refused != test.refused[i] || !refused && err != nil {
						t.Errorf("session %d: %v, want refused: %v", i, err, test.refused[i])
					}
					if got := len(c.messages()) == 0; got != test.refused[i] {
						t.Errorf("session %d has %d copies", i, len(c.messages()))
					}
				}
				store.Set()
			})
		})
	}
}

// Who gives up before the store has answered is told that the message is refused, and so it
// is, whatever the store says then.
func TestOfflineGivenUp(t *testing.T) {
	troubled(t, untilack.Config{FailClosed: true}, func(w *world, store *actionstest.FaultyStore) {
		c := w.online(throne, silent)
		w.pass(time.Second)
		release := make(chan struct{})
		store.Set(actionstest.Fault{Op: actionstest.Put, Wait: release})
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		if err := w.keeper.Offline(ctx, []byte(chat("m1"))); !errors.Is(err, untilack.ErrRefused) {
			t.Errorf("%v, want a refusal", err)
		}
		close(release)
		w.pass(time.Second)
		if len(c.messages()) != 0 {
			t.Errorf("the client has %q", c.messages())
		}
		w.stores()
		store.Set()
	})
}

// A store that was down is back, and actions are the first to see it: they put mail while a
// stream opens, and younger messages of the same sender wait in memory alone. Whichever of
// the actions takes its time, the order is kept.
func TestOrderWhenActionsFindTheStoreBack(t *testing.T) {
	for slow := range 3 {
		troubled(t, untilack.Config{}, func(w *world, store *actionstest.FaultyStore) {
			first := w.online(throne, deaf)
			w.pass(time.Second)
			w.sends("m1", "m2")
			store.Set(actionstest.Fault{Err: errBroken})
			w.sends("m3", "m4", "m5", "m6")
			release := make(chan struct{})
			store.Set(actionstest.Fault{Op: actionstest.Put, Nth: store.Calls(actionstest.Put) + 1 + slow, Wait: release})
			first.dies()
			second := w.online(crown, acknowledges)
			close(release)
			w.pass(time.Minute)
			second.got("m1", "m2", "m3", "m4", "m5", "m6")
			w.nothingIsLeft()
		})
	}
}

// A message that is sent again while the store has not answered is not taken for one that is
// kept, whichever way it comes.
func TestSentAgainWhileTheStoreDecides(t *testing.T) {
	for _, ways := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
		troubled(t, untilack.Config{FailClosed: true}, func(w *world, store *actionstest.FaultyStore) {
			c := w.online(throne, silent)
			w.pass(time.Second)
			release := make(chan struct{})
			store.Set(actionstest.Fault{Op: actionstest.Put, Wait: release, Err: errBroken})
			answers := make(chan error, len(ways))
			for _, offline := range ways {
				go func() {
					if offline {
						answers <- w.keeper.Offline(w.t.Context(), []byte(chat("m1")))
					} else {
						answers <- c.session.Deliver(w.t.Context(), []byte(chat("m1")))
					}
				}()
				synctest.Wait()
			}
			if len(answers) > 0 {
				t.Errorf("by Offline %v: somebody has an answer before the store has one", ways)
			}
			close(release)
			for range ways {
				if err := <-answers; !errors.Is(err, untilack.ErrRefused) {
					t.Errorf("by Offline %v: %v, want a refusal", ways, err)
				}
			}
			store.Set()
			w.pass(time.Minute)
			if got := c.messages(); len(got) != 0 {
				t.Errorf("by Offline %v: the client has %q", ways, got)
			}
			w.stores()
		})
	}
}
