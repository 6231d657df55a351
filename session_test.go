// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
)

// bodiless is a message that no policy keeps.
func bodiless(id string) string { return message("headline", westminster, richard, id, speech) }

func TestDeliverSaysWhetherTheMessageIsWrittenOrKept(t *testing.T) {
	for _, row := range []struct {
		name   string
		stanza string
		broken error
		want   error // of Deliver
		waits  bool
		ended  bool
	}{
		{"a kept message on a good connection", chat("m1"), nil, nil, true, false},
		{"a kept message on a broken one is still kept", chat("m1"), errBroken, nil, false, true},
		{"a kept message on a busy one is still kept", chat("m1"), untilack.ErrBusy, nil, true, false},
		{"a message that is not kept on a good connection", bodiless("m1"), nil, nil, false, false},
		{"on a broken one its error is told", bodiless("m1"), errBroken, errBroken, false, true},
		{"on a busy one too, and the stream lives", bodiless("m1"), untilack.ErrBusy, untilack.ErrBusy, false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			story(t, untilack.Config{}, func(w *world) {
				c := w.online(throne, silent)
				c.fails(row.broken)
				if err := w.send(row.stanza); !errors.Is(err, row.want) {
					t.Errorf("Deliver: %v, want %v", err, row.want)
				}
				synctest.Wait()
				if got := len(w.keeper.Waiting(richard)) == 1; got != row.waits {
					t.Errorf("the message waits: %v, want %v", got, row.waits)
				}
				if row.ended {
					c.wasEnded(untilack.WriteFailed)
				} else if len(c.ended) != 0 {
					t.Error("the stream was ended")
				}
			})
		})
	}
}

func TestABusyConnGetsItsMessagesInOrderWhenItIsReady(t *testing.T) {
	for name, wakes := range map[string]func(c *client){
		"when it says so":   func(c *client) { c.session.Ready() },
		"or a second later": func(*client) { time.Sleep(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			story(t, untilack.Config{}, func(w *world) {
				c := w.online(throne, silent)
				c.fails(untilack.ErrBusy)
				w.sends("m1", "m2", "m3")
				w.waits("m1 in backlog", "m2 in backlog", "m3 in backlog")
				c.fails(nil)
				wakes(c)
				c.got("m1", "m2", "m3")
				c.gotPlain(0, chat("m1"))
				w.waits("m1 on stream", "m2 on stream", "m3 on stream")
			})
		})
	}
}

func TestDeliverDoesNotWaitForItsTurnBeyondItsContext(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		c := w.online(throne, silent)
		c.stalls()
		go c.session.Deliver(context.Background(), []byte(chat("m1")))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		w.within(time.Second, "Deliver", func() {
			if err := c.session.Deliver(ctx, []byte(chat("m2"))); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Deliver: %v, want the context's error", err)
			}
		})
		w.waits("m1 on stream")
		w.pass(time.Minute) // the probe finds it dead, End lets the write return
	})
}

func TestAMessageForASessionThatHasEndedGoesElsewhere(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		first, second := w.online(throne, silent), w.online(crown, silent)
		first.dies()
		if err := first.session.Deliver(w.t.Context(), []byte(chat("m1"))); err != nil {
			t.Error(err)
		}
		second.got("m1")
		second.dies()
		if err := first.session.Deliver(w.t.Context(), []byte(chat("m2"))); err != nil {
			t.Error(err)
		}
		w.stores("m1", "m2")
		first.session.Close()
		first.session.Presence(true, 0)
		first.session.Pause()
		first.session.Resume()
		first.session.Ready()
		w.stores("m1", "m2")
		w.waits()
	})
}

func TestANewStreamOfTheSameResourceReplacesTheOld(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		first := w.online(throne, silent)
		w.sends("m1")
		second := w.online(first.resource(), acknowledges)
		first.wasEnded(untilack.Replaced)
		second.gotLate(0, chat("m1"), w.start)
		w.pass(time.Second)
		w.nothingIsLeft()
		if a, b := first.session.Stream().ID(), second.session.Stream().ID(); a == b {
			t.Errorf("both streams have the number %d", a)
		}
	})
}

// A prober is a client whose connection has means of its own to find out whether it
// reads.
type prober struct {
	*client
	probes []string
	err    error
}

func (p *prober) Probe(_ context.Context, id string) error {
	p.probes = append(p.probes, id)
	return p.err
}

func TestAProberIsAskedInsteadOfPinged(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		p := &prober{client: &client{habit: silent, world: w, address: richard + "/" + throne, end: make(chan struct{})}}
		session, err := w.keeper.Attach(p.address, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Deliver(w.t.Context(), []byte(chat("m1"))); err != nil {
			t.Fatal(err)
		}
		w.pass(T)
		if len(p.probes) != 1 || len(p.inbox) != 1 {
			t.Fatalf("%d probes and %d stanzas, want one of each", len(p.probes), len(p.inbox))
		}
		for _, wrong := range []string{"", "x", p.probes[0] + "x"} {
			if session.Answered(wrong) {
				t.Errorf("%q was taken for an answer", wrong)
			}
		}
		if !session.Answered(p.probes[0]) || session.Answered(p.probes[0]) {
			t.Error("the answer does not count, or counts twice")
		}
		w.nothingIsLeft()
		p.err = errBroken
		if err := session.Deliver(w.t.Context(), []byte(chat("m2"))); err != nil {
			t.Fatal(err)
		}
		w.pass(T)
		p.wasEnded(untilack.WriteFailed)
		w.stores("m2")
	})
}

func TestOnlyTheAnswerToItsOwnPingIsKeptFromTheRouter(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		c := w.online(throne, deaf)
		w.sends("m1")
		w.pass(T)
		ping := ""
		for _, stanza := range c.inbox {
			if stanza[:3] == "<iq" {
				ping = attribute(stanza, "id")
			}
		}
		for _, stanza := range []string{
			"<iq type='result' id='" + ping + "x'/>",
			"<iq type='result' id='" + ping + "' to='romeo@montague.lit'/>",
			"<iq type='get' id='" + ping + "'><ping xmlns='urn:xmpp:ping'/></iq>",
			"<iq type='set' id='" + ping + "'/>",
			"<presence/>", "<message><body/></message>", "<r xmlns='urn:xmpp:sm:3'/>", "not XML",
		} {
			if !c.session.Receive([]byte(stanza)) {
				t.Errorf("%s was kept from the router", stanza)
			}
		}
		w.waits("m1 in doubt")
		if c.session.Receive([]byte("<iq type='error' id='" + ping + "' to='" + england + "'/>")) {
			t.Error("the answer was routed on")
		}
		w.nothingIsLeft() // an error is an answer too
	})
}

func TestAStreamWithoutAConnectionFailsItsEffects(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		w.sends("m1")
		if _, err := w.keeper.Open(time.Now(), richard+"/"+throne, nil); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		w.happened(map[untilack.Reason]int{untilack.WriteFailed: 1})
		w.stores("m1")
		detached := false
		for _, e := range w.told {
			detached = detached || errors.Is(e.Err, untilack.ErrDetached)
		}
		if !detached {
			t.Error("nobody was told why")
		}
	})
}

func TestASlowStoreHoldsUpNoOtherMessageOfTheStream(t *testing.T) {
	store := actionstest.NewFaultyStore(actions.NewMemStore(nil))
	story(t, untilack.Config{Store: store}, func(w *world) {
		c := w.online(throne, silent)
		slow := make(chan struct{})
		store.Set(actionstest.Fault{Op: actionstest.Put, Wait: slow})
		go c.session.Deliver(context.Background(), []byte(chat("m1")))
		synctest.Wait()
		w.waits("m1 in store")
		w.within(0, "a message that is not kept", func() {
			if err := w.send(bodiless("m2")); err != nil {
				t.Error(err)
			}
		})
		c.got("m2")
		close(slow)
		c.got("m2", "m1")
	})
}
