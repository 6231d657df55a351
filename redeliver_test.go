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

// What is redelivered, how often, and when it is over.

func TestARedeliveryToTheSameResourceIsSettledByItsReceipt(t *testing.T) {
	s := newStage(t, untilack.Config{})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.Close(s.now, first)
	s.pass(time.Second)
	s.stores("m1")
	second := s.enter(throne, nil)
	s.work()
	s.sees(second, "m1")
	s.ack(second, "m1")
	s.work()
	s.waits()
	s.stores()
}

func TestAStoredMessageIsNotGivenToAClientThatBlocksItsSender(t *testing.T) {
	blocked := false
	s := newStage(t, untilack.Config{Blocked: func(string, string) bool { return blocked }})
	if err := s.offline(chat("m1")); err != nil {
		t.Fatal(err)
	}
	blocked = true
	stream := s.enter(throne, nil)
	s.pass(time.Second)
	s.sees(stream)
}

func TestAMessageWrittenAfterErrBusyIsStillAFirstDelivery(t *testing.T) {
	s := newStage(t, untilack.Config{})
	stream := s.enter(throne, nil)
	s.work()
	admission := s.Outgoing(s.now, stream, []byte(chat("m1")))
	s.Failed(s.now, stream, admission, untilack.ErrBusy)
	s.work()
	s.sees(stream)
	s.Ready(s.now, stream)
	s.work()
	if got := s.wrote[stream]; len(got) != 1 || got[0] != chat("m1") {
		t.Errorf("wrote %q, want the message as it came", got)
	}
}

func TestRedeliverMakesAsManyAttemptsAsItWasGiven(t *testing.T) {
	s := newStage(t, untilack.Config{Redeliver: &actions.Redeliver{}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.pass(time.Hour)
	s.sees(stream, "m1", "m1", "m1", "m1")
	s.waits()
}

func TestOneSessionCountsOneAttempt(t *testing.T) {
	s := newStage(t, untilack.Config{})
	if err := s.offline(chat("m1")); err != nil {
		t.Fatal(err)
	}
	stream := s.enter(throne, nil)
	s.work()
	s.sees(stream, "m1")
	s.deliver(stream, chat("m1")) // a second copy
	s.Presence(s.now, stream, false, 0)
	s.Close(s.now, stream)
	for _, w := range s.Waiting(richard) {
		if w.Attempt > 1 {
			t.Errorf("attempt %d after one redelivery", w.Attempt)
		}
	}
}

func TestAReceiptDuringTheLastRedeliverLeavesNoRow(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting, Redeliver: &actions.Redeliver{Backoff: []time.Duration{}}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.now = s.now.Add(31 * time.Second)
	s.Tick(s.now)
	act := s.beginA(untilack.RunAction)
	s.ack(stream, "m1")
	s.Finish(s.now, act, s.call(act))
	s.work()
	s.waits()
	s.stores()
}

func TestResumeDoesNotTakeAPacketFromItsAction(t *testing.T) {
	s := newStage(t, untilack.Config{Redeliver: &actions.Redeliver{}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.now = s.now.Add(31 * time.Second)
	s.Tick(s.now)
	s.beginA(untilack.RunAction)
	s.Pause(s.now, stream)
	s.Resume(s.now, stream)
	s.waits("m1 in action")
}

func TestAStreamThatEndsDuringARedeliverActionActsAtOnce(t *testing.T) {
	s := newStage(t, untilack.Config{Redeliver: &actions.Redeliver{}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.now = s.now.Add(31 * time.Second)
	s.Tick(s.now)
	act := s.beginA(untilack.RunAction)
	s.Close(s.now, stream)
	s.Finish(s.now, act, s.call(act))
	s.pass(time.Second)
	s.stores("m1")
}

func TestAReadMessageForAnAbsentResourceDoesNotSpin(t *testing.T) {
	s := newStage(t, untilack.Config{Capable: func(string) bool { return true }})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, message("normal", westminster, richard+"/"+throne, "m1", speech))
	s.ReadUpTo(s.now, stream, s.Mark(stream))
	s.Close(s.now, stream)
	s.work()
	s.enter(crown, nil)
	s.work() // fails if there is no end
}

func TestTimedAttemptsIntoAStreamThatProvesDeadDoNotCount(t *testing.T) {
	s := newStage(t, untilack.Config{Redeliver: &actions.Redeliver{Rand: func() float64 { return 0 }}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.pass(2 * time.Minute)
	s.sees(stream, "m1", "m1", "m1", "m1")
	s.Close(s.now, stream)
	s.work()
	s.stores("m1")
}

func TestAnActionThatAsksForTimeUsesUpNoRedeliveries(t *testing.T) {
	asks := actions.Func(func(ctx, packet) (actions.Outcome, error) { return actions.Again(time.Minute), nil })
	s := newStage(t, untilack.Config{Actions: []actions.Action{asks, actions.Drop{}}})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.Close(s.now, first)
	s.pass(time.Hour)
	second := s.enter(crown, nil)
	s.work()
	s.sees(second, "m1")
}

func TestAMessageIsNotDeliveredAfterItsTime(t *testing.T) {
	for _, row := range []struct {
		name, rule string
	}{
		{"R106: jabber:x:expire", "<x xmlns='jabber:x:expire' seconds='60'/>"},
		{"R105: AMP expire-at", "<amp xmlns='http://jabber.org/protocol/amp'><rule condition='expire-at' action='drop' value='2026-03-01T12:01:00Z'/></amp>"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStage(t, untilack.Config{})
			for _, id := range []string{"stored", "waiting"} {
				if err := s.offline(message("chat", westminster, richard, id, speech+row.rule)); err != nil {
					t.Fatal(err)
				}
			}
			s.pass(59 * time.Second)
			first := s.enter(throne, nil)
			s.work()
			s.sees(first, "stored", "waiting")
			s.ack(first, "waiting")
			s.Close(s.now, first)
			s.pass(2 * time.Second)
			second := s.enter(throne, nil)
			s.pass(time.Second)
			s.sees(second)
			s.waits()
			s.stores()
			if n := s.Count(untilack.Expired); n != 1 {
				t.Errorf("%d messages expired, want 1", n)
			}
		})
	}
}

func TestAnActionThatIsQueuedDoesNotRunOnceAStreamHasCome(t *testing.T) {
	s := newStage(t, untilack.Config{Actions: []actions.Action{actions.Drop{}}})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.Close(s.now, first) // its action is queued
	second := s.enter(crown, nil)
	s.work()
	s.sees(second, "m1")
}

// A client that logs out becomes unavailable, and then its stream ends: that is one end, not
// two.
func TestWhatWasReadGetsItsOneMoreChanceAfterALogout(t *testing.T) {
	for name, config := range map[string]untilack.Config{"memory": {}, "store first": {Store: lasting}} {
		t.Run(name, func(t *testing.T) {
			config.Capable = func(string) bool { return true }
			s := newStage(t, config)
			first := s.sends("m1")
			s.now = s.now.Add(T)
			s.Tick(s.now)
			probe := s.beginA(untilack.ProbeStream)
			s.Finish(s.now, probe, untilack.Result{})
			s.Answered(s.now, first, probe.Probe)
			s.waits("m1 read")
			s.Presence(s.now, first, false, 0)
			s.Close(s.now, first)
			s.work()
			second := s.enter(throne, nil)
			s.work()
			s.sees(second, "m1")
		})
	}
}
