// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
)

// The scenarios that the packet cache is built to (docs/ARCHITECTURE.md), about
// deadlines, and about streams that end and begin.

// capable is a host that knows that all clients acknowledge.
func capable(string) bool { return true }

// T is the time by which the first deadline has passed.
const T = untilack.DefaultAckWait + time.Second

func TestS3AnAnsweredProbeParksTheMessageOfAClientThatAcknowledges(t *testing.T) {
	story(t, untilack.Config{Capable: capable}, func(w *world) {
		throne := w.online(throne, silent)
		w.sends("m1")
		w.pass(26 * time.Second)
		w.happened(map[untilack.Reason]int{untilack.Probed: 0})
		w.pass(6 * time.Second)
		w.waits("m1 read")
		w.happened(map[untilack.Reason]int{untilack.Probed: 1, untilack.Answered: 1, untilack.Parked: 1})
		w.pass(12 * time.Hour)
		throne.got("m1")
		w.happened(map[untilack.Reason]int{untilack.Probed: 1, untilack.Redelivered: 0})
		throne.says(receipt("m1"))
		w.nothingIsLeft()
	})
}

func TestS3AnUnansweredProbeEndsTheStream(t *testing.T) {
	for name, h := range map[string]habit{"a client in a tunnel": acknowledges, "a client that answers nothing": deaf} {
		t.Run(name, func(t *testing.T) {
			story(t, untilack.Config{}, func(w *world) {
				first := w.online(throne, h)
				first.goesDark()
				w.sends("m1")
				w.pass(T + untilack.DefaultProbeWait)
				first.wasEnded(untilack.Dead)
				w.stores("m1")
				second := w.online("throne2", acknowledges)
				w.pass(time.Second)
				second.gotLate(0, chat("m1"), w.start)
				w.nothingIsLeft()
			})
		})
	}
}

func TestS3RedeliverResendsOnTheSameStream(t *testing.T) {
	story(t, untilack.Config{Redeliver: &actions.Redeliver{Jitter: -1}}, func(w *world) {
		throne := w.online(throne, silent)
		stanza := message("chat", westminster, richard, "m1", speech+"<x xmlns='u:x' a='1'/>")
		if err := w.send(stanza); err != nil {
			t.Fatal(err)
		}
		w.pass(T)
		throne.gotPlain(0, stanza)
		throne.gotLate(1, stanza, w.start)
		throne.says(receipt("m1"))
		w.nothingIsLeft()
		w.happened(map[untilack.Reason]int{untilack.Probed: 0, untilack.Redelivered: 1})
	})
}

func TestS4AMessageInADeadStreamIsDeliveredAtOnceToTheNext(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		first := w.online(throne, silent)
		w.sends("m1")
		first.dies()
		w.pass(time.Minute)
		second := w.online("throne2", acknowledges)
		second.gotLate(0, chat("m1"), w.start)
		w.pass(time.Second)
		w.nothingIsLeft()
		w.happened(map[untilack.Reason]int{untilack.Settled: 1})
	})
}

func TestS5AClientNotKnownToAcknowledgeIsDoneOnceItHasRead(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		first := w.online(throne, silent)
		w.sends("m1")
		w.pass(T)
		w.nothingIsLeft()
		first.dies()
		next := w.online(crown, silent)
		w.pass(time.Hour)
		next.got()
		w.happened(map[untilack.Reason]int{untilack.Finished: 1, untilack.Acted: 0, untilack.Redelivered: 0})
	})
}

func TestS5ButItIsProtectedFromADarkLink(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		first := w.online(throne, silent)
		first.goesDark()
		w.sends("m1")
		w.pass(T + untilack.DefaultProbeWait)
		w.stores("m1")
		next := w.online(crown, silent)
		next.gotLate(0, chat("m1"), w.start)
	})
}

func TestS6ASenderWhoMayNotBeAnsweredIsTreatedLikeThatAndNeverBounced(t *testing.T) {
	var asked [2]string
	story(t, untilack.Config{
		Capable:    capable,
		Authorised: func(recipient, sender string) bool { asked = [2]string{recipient, sender}; return false },
	}, func(w *world) {
		first := w.online(throne, silent)
		w.sends("m1")
		w.pass(T)
		w.nothingIsLeft()
		first.got("m1")
		if asked != [2]string{richard, westminster} {
			t.Errorf("asked whether %q may, want recipient and sender", asked)
		}
	})
	var w *world
	story(t, untilack.Config{
		Authorised: func(string, string) bool { return false },
		Actions: []actions.Action{actions.Func(func(ctx ctx, p packet) (actions.Outcome, error) {
			return w.bounce(actions.Unanswered).Act(ctx, p)
		}), actions.Drop{}},
	}, func(it *world) {
		w = it
		first := w.online(throne, silent)
		w.sends("m1")
		first.dies()
		if len(w.sent) != 0 {
			t.Errorf("the sender was told %q, want nothing", w.sent)
		}
	})
}

func TestS21AMessageTheStreamHasAcknowledgedIsParked(t *testing.T) {
	setup := untilack.Config{Capable: capable}
	story(t, setup, func(w *world) {
		first := w.online(throne, deaf)
		w.sends("m1")
		first.session.ReadUpTo(first.session.Mark()) // its h came
		w.pass(time.Hour)
		first.got("m1")
		w.waits("m1 read")
		first.dies()
		second := w.online("throne2", deaf)
		second.gotLate(0, chat("m1"), w.start)
		second.session.ReadUpTo(second.session.Mark())
		second.dies()
		third := w.online(crown, acknowledges)
		third.got() // once, and not again
		w.nothingIsLeft()
		w.happened(map[untilack.Reason]int{untilack.Unconfirmed: 1})
	})
	story(t, setup, func(w *world) { // both sessions last until it is parked
		w.online(throne, silent)
		w.sends("m1")
		w.pass(time.Minute)
		w.waits("m1 read")
		second := w.online(throne, silent)
		second.gotLate(0, chat("m1"), w.start)
		w.pass(time.Minute)
		third := w.online(throne, silent)
		w.pass(time.Minute)
		third.got() // once, and not again
		w.nothingIsLeft()
		w.happened(map[untilack.Reason]int{untilack.Unconfirmed: 1})
	})
	story(t, setup, func(w *world) {
		first := w.online(throne, deaf)
		w.sends("m1")
		first.session.ReadUpTo(first.session.Mark())
		w.pass(untilack.DefaultRetention + time.Minute)
		first.got("m1")
		w.nothingIsLeft()
		w.happened(map[untilack.Reason]int{untilack.Unconfirmed: 1})
	})
}

func TestS22NothingHappensWhileTheSessionHibernates(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		throne := w.online(throne, silent)
		w.sends("m1")
		throne.session.Pause()
		w.pass(3 * T)
		w.waits("m1 on stream")
		w.happened(map[untilack.Reason]int{untilack.Probed: 0, untilack.Acted: 0})
		throne.session.Resume()
		w.pass(20 * time.Second) // the deadline began anew
		w.happened(map[untilack.Reason]int{untilack.Probed: 0})
		if got := w.keeper.Waiting(richard)[0].Attempt; got != 0 {
			t.Errorf("%d attempts, want 0", got)
		}
		throne.says(receipt("m1"))
		w.nothingIsLeft()
		throne.got("m1")
	})
}

func TestS23ASessionThatExpiresLeavesExactlyOneOfflineCopy(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		first := w.online(throne, silent)
		w.sends("m1")
		first.session.Pause()
		w.pass(T)
		first.dies()
		w.stores("m1")
		w.waits()
		second := w.online("throne2", acknowledges)
		w.pass(time.Second)
		second.got("m1")
		second.gotLate(0, chat("m1"), w.start)
		w.nothingIsLeft()
	})
}

func TestS24WhenEveryTargetIsGoneTheMessageActsAtOnce(t *testing.T) {
	for name, goes := range map[string]func(c *client){
		"closed":      (*client).leaves,
		"broken":      (*client).dies,
		"unavailable": func(c *client) { c.presence(false, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			story(t, untilack.Config{}, func(w *world) {
				one, two := w.online(throne, silent), w.online(crown, silent)
				for _, c := range []*client{one, two} {
					if err := c.session.Deliver(t.Context(), []byte(chat("m1"))); err != nil {
						t.Fatal(err)
					}
				}
				goes(one)
				w.waits("m1 on stream") // the other has it
				w.stores()
				goes(two)
				w.waits()
				w.stores("m1")
			})
		})
	}
}

func TestS25AMessageSurvivesTheEndOfAllStreamsAndIsArmedAnew(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		first := w.online(throne, silent)
		w.sends("m1")
		first.dies()
		w.stores("m1")
		second := w.login(&client{habit: silent, away: true}, richard+"/"+throne)
		w.pass(time.Minute)
		second.got()
		second.presence(true, 0)
		second.gotLate(0, chat("m1"), w.start)
		second.goesDark()
		w.pass(T + untilack.DefaultProbeWait)
		second.wasEnded(untilack.Dead)
		w.stores("m1")
		third := w.online(throne, acknowledges)
		third.gotLate(0, chat("m1"), w.start)
		w.pass(time.Second)
		w.nothingIsLeft()
	})
}

func TestS35AndS36WhatWaitedComesBeforeWhatIsNew(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		w.sends("s1", "s2") // nobody is online
		w.pass(time.Second)
		first := w.online(throne, silent)
		w.sends("m1", "m2", "m3")
		first.goesDark()
		second := w.online(crown, acknowledges)
		w.sends("m4")
		second.got() // nobody knows yet whether the first is alive
		w.pass(untilack.DefaultProbeWait)
		second.got("s1", "s2", "m1", "m2", "m3", "m4")
		second.gotPlain(5, chat("m4"))
		w.pass(time.Second)
		w.nothingIsLeft()
	})
}

func TestS36AnAliveStreamKeepsWhatItHasAndTheNewOneGetsTheRest(t *testing.T) {
	story(t, untilack.Config{Capable: capable}, func(w *world) {
		first := w.online(throne, silent)
		w.sends("m1")
		second := w.online(crown, acknowledges)
		w.sends("m2")
		w.pass(time.Second)
		first.got("m1")
		second.got("m2")
		second.gotPlain(0, chat("m2"))
		w.waits("m1 on stream")
	})
}

func TestS50WhatIsHeldBackForAnInactiveClientHasNoDeadline(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		throne := w.online(throne, silent)
		throne.session.Pause() // CSI: what is written is held back
		w.sends("m1", "m2")
		w.pass(time.Hour)
		w.happened(map[untilack.Reason]int{untilack.Probed: 0, untilack.Acted: 0})
		w.sends("m3")
		throne.session.Resume()
		throne.got("m1", "m2", "m3")
		w.pass(20 * time.Second)
		w.happened(map[untilack.Reason]int{untilack.Probed: 0})
		w.pass(12 * time.Second)
		w.happened(map[untilack.Reason]int{untilack.Probed: 1})
	})
}
