// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// The scenarios that the packet cache is built to (docs/ARCHITECTURE.md), about
// what becomes of a message in the end.

func TestS26AMessageThatIsArchivedNeedsNoOfflineCopy(t *testing.T) {
	archived := func(p packet) bool { return p.Key.ID == "archived" }
	store := actions.NewMemStore(nil)
	story(t, untilack.Config{Actions: []actions.Action{
		actions.When(archived, actions.Drop{}), actions.Offline{Store: store}, actions.Drop{}},
	}, func(w *world) {
		first := w.online(throne, silent)
		w.sends("archived", "m1")
		first.dies()
		w.waits()
		if diff := cmp.Diff([]string{"m1"}, storedIDs(t.Context(), store)); diff != "" {
			t.Errorf("in the offline store (-want +got):\n%s", diff)
		}
	})
}

func TestS26AMessageThatIsNotArchivedIsKeptForTheNextSession(t *testing.T) {
	keep := actions.Func(func(ctx, packet) (actions.Outcome, error) { return actions.Again(time.Hour), nil })
	story(t, untilack.Config{Actions: []actions.Action{keep, actions.Drop{}}}, func(w *world) {
		first := w.online(throne, silent)
		w.sends("m1")
		first.dies()
		w.waits("m1 in backlog")
		w.stores()
		second := w.online("throne2", acknowledges)
		w.pass(time.Second)
		second.gotLate(0, chat("m1"), w.start)
		w.nothingIsLeft()
	})
}

func TestS27ToS28WhoGetsWhatWasForAResourceThatIsGone(t *testing.T) {
	for _, row := range []struct {
		name        string
		kind, extra string
		crown       bool
		got, stored []string
	}{
		{"S27: a normal message is not given to another resource", "normal", "", true, nil, nil},
		{"S27: nor stored for whoever comes", "normal", "", false, nil, nil},
		{"S28: a chat message is given to another resource", "chat", "", true, []string{"m1"}, nil},
		{"S28: or stored, if there is none", "chat", "", false, nil, []string{"m1"}},
		{"R139: but not if it must not be copied", "chat", "<no-copy xmlns='urn:xmpp:hints'/>", true, nil, nil},
		{"R139: nor if it is private", "chat", "<private xmlns='urn:xmpp:carbons:2'/>", false, nil, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			story(t, untilack.Config{}, func(w *world) {
				other := &client{world: w}
				if row.crown {
					other = w.online(crown, silent)
				}
				old := w.online("old", silent)
				stanza := message(row.kind, westminster, richard+"/old", "m1", speech+row.extra)
				if err := w.send(stanza); err != nil {
					t.Fatal(err)
				}
				old.dies()
				other.got(row.got...)
				w.stores(row.stored...)
			})
		})
	}
}

func TestS27TheSenderOfANormalMessageMayGetAnErrorByPolicy(t *testing.T) {
	var w *world
	bounce := actions.Func(func(ctx ctx, p packet) (actions.Outcome, error) {
		return w.bounce(actions.Refused).Act(ctx, p)
	})
	story(t, untilack.Config{Actions: []actions.Action{actions.Offline{}, bounce, actions.Drop{}}}, func(it *world) {
		w = it
		old := w.online("old", silent)
		if err := w.send(message("normal", westminster, richard+"/old", "m1", speech)); err != nil {
			t.Fatal(err)
		}
		old.dies()
		if len(w.sent) != 1 || attribute(w.sent[0], "from") != richard+"/old" || !strings.Contains(w.sent[0], "service-unavailable") {
			t.Errorf("the sender was told %q, want one service-unavailable", w.sent)
		}
	})
}

func TestS29AMessageIsNotForAResourceOfNegativePriority(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		below := w.login(&client{habit: acknowledges, priority: -1}, richard+"/"+throne)
		w.sends("m1")
		below.got()
		w.stores("m1")
		w.waits()
		first := w.online(crown, silent)
		first.got("m1")
		first.dies()
		below.got()
		w.stores("m1")
		w.happened(map[untilack.Reason]int{untilack.Probed: 1}) // crown, after its mail
		// Its full address is another matter (R86).
		if err := w.send(message("chat", westminster, richard+"/"+throne, "m2", speech)); err != nil {
			t.Fatal(err)
		}
		below.got("m2")
		below.presence(true, 0)
		below.got("m2", "m1")
	})
}

func TestS30AHeadlineForNobodyIsRefusedAndLeavesNothing(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		if err := w.send(message("headline", westminster, richard, "m1", speech)); err == nil {
			t.Error("a headline for nobody was accepted")
		}
		w.nothingIsLeft()
	})
}

func TestS31ABlockForgetsWhatWaits(t *testing.T) {
	for name, sender := range map[string]string{"by bare address": percy, "by full address": westminster} {
		t.Run(name, func(t *testing.T) {
			blocked := false
			story(t, untilack.Config{Store: lasting, Blocked: func(string, string) bool { return blocked }}, func(w *world) {
				first := w.online(throne, silent)
				w.sends("m1")
				if err := w.send(message("chat", tybalt, richard, "m2", speech)); err != nil {
					t.Fatal(err)
				}
				w.keeper.Block(time.Now(), richard, sender)
				w.waits("m2 on stream")
				w.stores("m2")
				first.dies()
				second := w.online(crown, silent)
				second.got("m2")
				w.happened(map[untilack.Reason]int{untilack.Purged: 1})
			})
		})
	}
}

func TestS31TheHookIsAskedBeforeEachRedelivery(t *testing.T) {
	blocked := false
	story(t, untilack.Config{Blocked: func(recipient, sender string) bool {
		return blocked && recipient == richard && sender == westminster
	}}, func(w *world) {
		first := w.online(throne, silent)
		w.sends("m1")
		blocked = true
		first.dies()
		second := w.online(crown, silent)
		second.got()
		w.nothingIsLeft()
	})
}

func TestS32ARoomGetsNoError(t *testing.T) {
	var w *world
	story(t, untilack.Config{
		Admit: func(c untilack.Candidate) untilack.Admit { return untilack.Admit{Keep: true} },
		Actions: []actions.Action{actions.Func(func(ctx ctx, p packet) (actions.Outcome, error) {
			return w.bounce(actions.Unanswered).Act(ctx, p)
		}), actions.Drop{}},
	}, func(it *world) {
		w = it
		first := w.online(throne, silent)
		private := message("chat", "room@muc.shakespeare.lit/nick", richard+"/"+throne, "m1", speech+
			"<x xmlns='http://jabber.org/protocol/muc#user'/>")
		if err := w.send(private); err != nil {
			t.Fatal(err)
		}
		w.waits("m1 on stream")
		first.dies()
		w.waits()
		if len(w.sent) != 0 {
			t.Errorf("the room was told %q, want nothing", w.sent)
		}
	})
}

func TestS33ACopyOfAnotherResourcesMessageIsNotKept(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		throne := w.online(throne, silent)
		carbon := message("chat", richard, richard+"/"+throne.resource(), "c1", "<received xmlns='urn:xmpp:carbons:2'>"+
			"<forwarded xmlns='urn:xmpp:forward:0'>"+chat("m1")+"</forwarded></received>")
		if err := throne.session.Deliver(t.Context(), []byte(carbon)); err != nil {
			t.Fatal(err)
		}
		throne.gotPlain(0, carbon)
		w.waits()
		w.happened(map[untilack.Reason]int{untilack.Untracked: 1})
	})
}

func TestS34ARedeliveryPassesNeitherRouterNorArchive(t *testing.T) {
	archive := 0
	story(t, untilack.Config{}, func(w *world) {
		stanza := message("chat", westminster, richard, "m1", speech+"<stanza-id xmlns='urn:xmpp:sid:0' id='a1' by='"+richard+"'/>")
		c := w.online(throne, silent)
		archive++ // the host's router
		if err := w.send(stanza); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			c.dies()
			c = w.online(throne, silent)
			c.gotLate(0, stanza, w.start)
		}
		w.senderSaw()
		if archive != 1 {
			t.Error("the message was archived again")
		}
	})
}

func TestS38ACrashLosesNothing(t *testing.T) {
	story(t, untilack.Config{Store: lasting}, func(w *world) {
		first := w.online(throne, silent)
		w.sends("m1", "m2")
		first.says(receipt("m2"))
		if err := w.send(message("chat", westminster, richard, "m3", speech+"<no-permanent-store xmlns='urn:xmpp:hints'/>")); err != nil {
			t.Fatal(err)
		}
		w.stores("m1") // m3 may not be there (R103)
		w.stop()       // as good as kill -9: nothing is handed over
		w.pass(time.Hour)
		w.run(untilack.Config{Domain: england, Store: durable{w.store}})
		second := w.online(throne, acknowledges)
		second.got("m1")
		second.gotLate(0, chat("m1"), w.start)
		w.pass(time.Second)
		w.nothingIsLeft()
	})
}

func TestS39TimedRedeliveriesAreBoundedWithGrowingIntervals(t *testing.T) {
	for _, row := range []struct {
		name   string
		config untilack.Config
		extra  string
		want   []time.Duration // of the copies, from the first on
	}{
		{"three by default, after 30, 30, 60 seconds", untilack.Config{Redeliver: &actions.Redeliver{Jitter: -1}, Jitter: -1}, "",
			[]time.Duration{0, 30 * time.Second, time.Minute, 2 * time.Minute}},
		{"never more than five", untilack.Config{Redeliver: &actions.Redeliver{Jitter: -1, Backoff: make([]time.Duration, 9)}, Jitter: -1}, "",
			[]time.Duration{0, 30 * time.Second, 30*time.Second + 100*time.Millisecond, 30*time.Second + 200*time.Millisecond,
				30*time.Second + 300*time.Millisecond, 30*time.Second + 400*time.Millisecond}},
		{"S40: one if it is encrypted end to end", untilack.Config{Redeliver: &actions.Redeliver{Jitter: -1}, Jitter: -1},
			"<encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl'/>",
			[]time.Duration{0, 30 * time.Second}},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.config.Cache = &cache.Options{Tick: time.Millisecond}
			story(t, row.config, func(w *world) {
				c := w.online(throne, silent)
				if err := w.send(message("chat", westminster, richard, "m1", speech+row.extra)); err != nil {
					t.Fatal(err)
				}
				var got []time.Duration
				for n := 0; time.Since(w.start) < 10*time.Minute; w.pass(10 * time.Millisecond) {
					for ; n < len(c.messages()); n++ {
						got = append(got, time.Since(w.start).Truncate(50*time.Millisecond))
					}
				}
				if diff := cmp.Diff(row.want, got); diff != "" {
					t.Errorf("copies were written after (-want +got):\n%s", diff)
				}
				w.waits() // the last action has ended it, once
				w.happened(map[untilack.Reason]int{untilack.Redelivered: len(row.want) - 1})
			})
		})
	}
}

// It counts for one thing alone: after so many the next session has to show first that
// it is alive.
func TestS39AnAttemptThatNobodyReadUsesNothingUp(t *testing.T) {
	for name, h := range map[string]func(c *client){"dead": (*client).dies, "closed": (*client).leaves} {
		t.Run(name, func(t *testing.T) {
			story(t, untilack.Config{}, func(w *world) {
				w.sends("m1")
				deliveries := 0
				for range 20 {
					c := w.online(throne, silent)
					deliveries += len(c.messages())
					h(c)
				}
				if deliveries != 1+actions.HardCap {
					t.Errorf("%d deliveries, want %d", deliveries, 1+actions.HardCap)
				}
				last := w.online(throne, acknowledges)
				w.pass(time.Second)
				last.got("m1")
				w.nothingIsLeft()
			})
		})
	}
}

func TestS40AnEncryptedMessageIsRedeliveredOnceAtMost(t *testing.T) {
	story(t, untilack.Config{Capable: capable}, func(w *world) {
		c := w.online(throne, silent)
		if err := w.send(message("chat", westminster, richard, "m1", speech+"<encryption xmlns='urn:xmpp:eme:0' namespace='x'/>")); err != nil {
			t.Fatal(err)
		}
		copies := 1
		for range 5 {
			w.pass(T) // it is read: the probe is answered
			c.dies()
			c = w.online(throne, silent)
			copies += len(c.messages())
		}
		if copies != 2 {
			t.Errorf("%d copies, want 2", copies)
		}
		w.nothingIsLeft()
	})
}

func TestS42AndS43WhatASenderIsToldOfATimeout(t *testing.T) {
	for _, row := range []struct {
		name, to   string
		authorised bool
		want       []string
	}{
		{"an authorised one that the recipient is unavailable", richard, true, []string{"recipient-unavailable"}},
		{"the same of a full address", richard + "/" + throne, true, []string{"recipient-unavailable"}},
		{"any other nothing", richard, false, nil},
		{"of a full address neither", richard + "/" + throne, false, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			var w *world
			story(t, untilack.Config{
				Authorised: func(string, string) bool { return row.authorised },
				Actions: []actions.Action{actions.Func(func(ctx ctx, p packet) (actions.Outcome, error) {
					return w.bounce(actions.Unanswered).Act(ctx, p)
				}), actions.Drop{}},
			}, func(it *world) {
				w = it
				first := w.online(throne, silent)
				if err := w.send(message("chat", westminster, row.to, "m1", speech)); err != nil {
					t.Fatal(err)
				}
				first.dies()
				var got []string
				for _, stanza := range w.sent {
					if attribute(stanza, "id") != "m1" || attribute(stanza, "from") != row.to || attribute(stanza, "to") != westminster {
						t.Errorf("the error is %s", stanza)
					}
					if strings.Contains(stanza, `type="wait"`) && strings.Contains(stanza, "recipient-unavailable") {
						got = append(got, "recipient-unavailable")
					}
				}
				if diff := cmp.Diff(row.want, got); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestRedeliverIntoADarkLinkLosesNothing(t *testing.T) {
	story(t, untilack.Config{Redeliver: &actions.Redeliver{}}, func(w *world) {
		first := w.online(throne, acknowledges)
		first.goesDark()
		w.sends("m1")
		w.pass(time.Hour)
		first.dies()
		second := w.online(crown, acknowledges)
		w.pass(time.Second)
		second.got("m1")
		w.nothingIsLeft()
	})
}
