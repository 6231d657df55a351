// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
)

// subject returns the n-th recipient.
func subject(n int) string { return fmt.Sprintf("subject%d@%s", n, england) }

// subjects has n recipients log in, each with one client.
func (w *world) subjects(n int, h habit) (all []*client) {
	for i := range n {
		all = append(all, w.login(&client{habit: h}, subject(i)+"/home"))
	}
	return all
}

// speaks delivers a message to a client.
func (c *client) speaks(id string) error {
	return c.session.Deliver(context.Background(), []byte(message("chat", westminster, c.address, id, speech)))
}

// served fails the test unless each client gets one more message at once, and its
// receipt settles it, and, when its stream dies, another message is stored or given
// to the action at once.
func (w *world) served(clients []*client, id string) {
	w.t.Helper()
	for _, c := range clients {
		before := len(c.messages())
		w.within(0, "delivery to "+c.address, func() {
			if err := c.speaks(id); err != nil {
				w.t.Errorf("%s: %v", c.address, err)
			}
		})
		if len(c.messages()) != before+1 {
			w.t.Errorf("%s got nothing", c.address)
		}
	}
	w.pass(time.Second)
	for _, c := range clients {
		if left := w.keeper.Waiting(c.address); len(left) != 0 {
			w.t.Errorf("%s: %d packets wait, want none", c.address, len(left))
		}
	}
}

func TestARecipientThatReadsNothingDelaysNoOther(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		others := w.subjects(5, acknowledges)
		var stuck []*client
		for i := range 10 {
			c := w.login(&client{habit: silent}, fmt.Sprintf("stuck%d@%s/home", i, england))
			c.stalls()
			stuck = append(stuck, c)
			go c.speaks("m1") // blocks until the stream is ended
		}
		synctest.Wait()
		for i := range 60 {
			w.served(others, fmt.Sprint("m", i))
		}
		for _, c := range stuck {
			c.wasEnded(untilack.WriteFailed)
			if n := w.store.Used(c.address[:len(c.address)-len("/home")]).Messages; n != 1 {
				t.Errorf("%s has %d messages in the store, want 1", c.address, n)
			}
		}
	})
}

func TestAStoppedConnOfAnEffectDelaysNoOther(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		others := w.subjects(5, acknowledges)
		w.sends("m1", "m2")
		throne := &client{habit: silent, stalled: true}
		w.login(throne, richard+"/"+throneName) // its mail is written by the Keeper
		w.served(others, "m1")
		w.pass(untilack.DefaultWriteTimeout + time.Second)
		w.served(others, "m2")
		w.pass(time.Minute)
		throne.wasEnded(untilack.WriteFailed)
		w.stores("m1", "m2")
	})
}

const throneName = throne

// hanging is an action that ignores its context, for those recipients who begin
// with "stuck".
func hanging(release <-chan struct{}, then actions.Action) actions.Action {
	return actions.Func(func(ctx ctx, p packet) (actions.Outcome, error) {
		if p.Key.To[:5] == "stuck" {
			<-release
		}
		return then.Act(ctx, p)
	})
}

func TestAnActionThatHangsDelaysNoOtherRecipient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := newWorld(t, untilack.Config{Workers: 32, Actions: []actions.Action{hanging(release, actions.Drop{})}})
		var stuck []*client
		for i := range 10 {
			stuck = append(stuck, w.login(&client{habit: silent}, fmt.Sprintf("stuck%d@%s/home", i, england)))
		}
		others := w.subjects(5, acknowledges)
		for _, c := range stuck {
			if err := c.speaks("m1"); err != nil {
				t.Fatal(err)
			}
			c.dies()
		}
		// For an hour: an action that is tried again and again must not use up
		// what all the others need.
		for i := range 120 {
			w.served(others, fmt.Sprint("m", i))
			w.pass(30 * time.Second)
		}
		if n := w.keeper.Count(untilack.Dead) + w.keeper.Count(untilack.WriteFailed); n != 0 {
			t.Errorf("%d streams were ended, want none", n)
		}
		others[0].habit = silent
		if err := others[0].speaks("last"); err != nil {
			t.Error(err)
		}
		others[0].dies()
		if left := w.keeper.Waiting(subject(0)); len(left) != 0 {
			t.Errorf("%d packets wait for an action that does not hang", len(left))
		}
		close(release)
		w.pass(3 * time.Minute)
		for _, c := range stuck {
			if left := w.keeper.Waiting(c.address); len(left) != 0 {
				t.Errorf("%s: the action returned, and %d packets wait", c.address, len(left))
			}
		}
		w.stop()
	})
}

func TestAnOverfullKeeperStillEndsStreamsAndGivesTurnsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := newWorld(t, untilack.Config{Workers: 1, Actions: []actions.Action{hanging(release, actions.Drop{})}})
		stuck := w.login(&client{habit: silent}, "stuck@"+england+"/home")
		if err := stuck.speaks("m1"); err != nil {
			t.Fatal(err)
		}
		stuck.dies()
		w.pass(untilack.DefaultActionTimeout + 2*time.Second) // the one call has overrun
		dark := w.login(&client{habit: deaf}, subject(0)+"/home")
		if err := dark.speaks("m1"); err != nil {
			t.Error(err)
		}
		w.pass(T + 2*untilack.DefaultProbeWait)
		if len(dark.ended) != 1 {
			t.Error("a stream that does not answer was not ended")
		}
		c := w.login(&client{habit: silent}, subject(1)+"/home")
		if err := c.speaks("m1"); err != nil {
			t.Error(err)
		}
		w.pass(T + untilack.DefaultProbeWait) // a probe is written in its turn
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := c.session.Deliver(ctx, []byte(message("chat", westminster, subject(1), "m2", speech))); err != nil {
			t.Errorf("the turn to write was not given back: %v", err)
		}
		close(release)
		w.stop()
	})
}

func TestRunReturnsWhenItsContextEndsWhateverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		store := actionstest.NewFaultyStore(actions.NewMemStore(nil), actionstest.Fault{Wait: release, Deaf: true})
		w := newWorld(t, untilack.Config{Store: store, PersistAfter: -1, Actions: []actions.Action{hanging(release, actions.Drop{})}})
		for i, name := range []string{"stuck", "stalls", "lists"} {
			c := w.login(&client{habit: silent}, name+"@"+england+"/home")
			go c.speaks("m1")
			w.pass(time.Minute)
			switch i {
			case 0:
				c.dies()
			case 1:
				c.stalls()
				go c.speaks("m2")
			}
		}
		w.within(30*time.Second, "the end of Run", w.stop)
		close(release)
		for _, c := range w.clients {
			c.End(t.Context(), untilack.Closed)
		}
	})
}

func TestDrainHandsOverWhatWaitsAndReportsWhatItCouldNot(t *testing.T) {
	volatile := message("chat", westminster, richard, "volatile", speech+"<no-permanent-store xmlns='urn:xmpp:hints'/>")
	story(t, untilack.Config{Store: lasting, PersistAfter: -1}, func(w *world) {
		w.online(throne, silent)
		w.sends(ids(600)...)
		if err := w.send(volatile); err != nil {
			t.Fatal(err)
		}
		w.stop()
		left, err := w.keeper.Drain(w.t.Context())
		if err != nil {
			t.Error(err)
		}
		if len(left) != 1 || left[0].Key.ID != "volatile" {
			t.Errorf("%d packets were left, want the one that may not be stored", len(left))
		}
		w.stores(ids(600)...)
		w.run(untilack.Config{Domain: england, Store: durable{w.store}})
	})
	for name, fault := range map[string]actionstest.Fault{
		"the store fails": {Op: actionstest.Put, Err: errBroken},
		"the store hangs": {Op: actionstest.Put, Err: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			store := actionstest.NewFaultyStore(durable{actions.NewMemStore(nil)}, fault)
			story(t, untilack.Config{Store: store, PersistAfter: -1}, func(w *world) {
				w.online(throne, silent)
				w.sends(ids(300)...)
				w.stop()
				left, err := w.keeper.Drain(w.t.Context())
				if len(left) != 300 || !errors.Is(err, fault.Err) {
					t.Errorf("%d packets were left with error %v, want 300 and the store's error", len(left), err)
				}
				store.Set()
				if left, err := w.keeper.Drain(w.t.Context()); len(left) != 0 || err != nil {
					t.Errorf("the second time %d packets were left with error %v", len(left), err)
				}
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				if _, err := w.keeper.Drain(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("with a context that has ended: %v", err)
				}
				w.run(untilack.Config{Domain: england})
			})
		})
	}
}

func TestAStreamIsEndedThoughTheConnectionsOfOthersHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, untilack.Config{Workers: 1})
		bad := &client{habit: silent, stalled: true, hangs: true}
		if err := w.keeper.Offline(t.Context(), []byte(message("chat", westminster, subject(0), "m1", speech))); err != nil {
			t.Fatal(err)
		}
		w.login(bad, subject(0)+"/home") // neither Write nor End returns
		w.pass(time.Minute)
		dark := w.login(&client{habit: deaf}, subject(1)+"/home")
		if err := dark.speaks("m1"); err != nil {
			t.Error(err)
		}
		w.pass(T + 3*untilack.DefaultProbeWait)
		if len(dark.ended) != 1 {
			t.Errorf("a stream that does not answer was ended %d times, want once", len(dark.ended))
		}
		close(bad.end)
		w.stop()
	})
}

func TestAnActionThatFailsForOnePacketHoldsUpNoOtherForEver(t *testing.T) {
	poisoned := actions.Func(func(_ ctx, p packet) (actions.Outcome, error) {
		if p.Key.ID == "poison" {
			return actions.Pass, errBroken
		}
		return actions.Pass, nil
	})
	store := actions.NewMemStore(nil)
	chain := []actions.Action{poisoned, actions.Offline{Store: store}, actions.Drop{}}
	story(t, untilack.Config{Store: store, PersistAfter: -1, Actions: chain}, func(w *world) {
		w.store = store
		first := w.online(throne, silent)
		w.sends("poison")
		if err := w.send(message("chat", tybalt, richard, "m2", speech)); err != nil {
			t.Fatal(err)
		}
		first.dies()
		w.pass(time.Minute)
		w.stores("poison", "m2") // of another sender: nothing is owed about its order but that of the copies
		if err := w.send(message("chat", tybalt, richard, "m3", speech)); err != nil {
			t.Errorf("mail of another sender: %v", err)
		}
		w.stores("poison", "m2", "m3")
		w.pass(untilack.DefaultRetention + time.Hour)
		w.waits() // its retention is over: the last action has ended it
		w.happened(map[untilack.Reason]int{untilack.Unconfirmed: 1})
	})
}

func TestAnActionThatHangsDelaysNoLiveDeliveryOfTheSameRecipient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := newWorld(t, untilack.Config{Actions: []actions.Action{actions.Func(func(ctx, packet) (actions.Outcome, error) {
			<-release
			return actions.Done, nil
		})}})
		old, here := w.online(throne, silent), w.online(crown, acknowledges)
		if err := w.send(message("normal", westminster, old.address, "m1", speech)); err != nil {
			t.Fatal(err)
		}
		old.dies() // the message is for nobody else
		for _, id := range ids(60) {
			if err := w.send(message("chat", tybalt, richard, id, speech)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if n := len(here.messages()); id != "m"+fmt.Sprint(n) {
				t.Errorf("%s is not delivered at once: %d messages were", id, n)
				break
			}
			w.pass(time.Second)
		}
		close(release)
		w.stop()
	})
}
