// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"errors"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// B01
func TestARedeliveryToTheSameResourceIsSettledByItsReceipt(t *testing.T) {
	s := newStage(t, untilack.Config{})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.Close(s.now, first, false)
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

// B02
func TestAVolatileMessageIsNeverWrittenToAStoreThatLasts(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting, PersistAfter: 100 * time.Millisecond})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, message("chat", westminster, richard, "m1", speech+"<no-permanent-store xmlns='urn:xmpp:hints'/>"))
	s.pass(time.Second)
	s.stores()
}

// B03
func TestOlderPacketsAreNotTakenForStoredWhenTheStoreRefusedThem(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting, PersistAfter: -1, Cache: &cache.Options{Limits: cache.Limits{RecipientPackets: 1}}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	admission := s.Outgoing(s.now, stream, []byte(chat("m2")))
	if admission.Verdict != untilack.Persist {
		t.Fatal(admission.Verdict)
	}
	s.Persisted(s.now, stream, admission, []error{errBroken, errBroken})
	if _, err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.stores("m1")
}

// B04
func TestAStreamIsLookedAfterOnceAckWaitIsOverNotPersistAfter(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting, PersistAfter: 100 * time.Millisecond})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.pass(time.Second)
	s.Close(s.now, first, false)
	second := s.enter(crown, nil)
	s.pass(20 * time.Second)
	s.sees(second, "m1")
	if n := s.Count(untilack.Probed); n != 0 {
		t.Errorf("probed %d times within 20 s, want 0", n)
	}
}

// B06
func TestPersistAfterCountsForWhatWaitsInTheBacklogToo(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting, PersistAfter: 100 * time.Millisecond})
	stream := s.enter(throne, nil)
	s.work()
	s.Pause(s.now, stream)
	if err := s.offline(chat("m1")); err != nil {
		t.Fatal(err)
	}
	s.pass(time.Second)
	s.stores("m1")
}

// B07
func TestStoreFirstHoldsForAMessageThatFindsAStreamOnItsWayOffline(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting})
	stream := s.enter(throne, nil)
	s.work()
	s.Pause(s.now, stream)
	if err := s.offline(chat("m1")); err != nil {
		t.Fatal(err)
	}
	s.work()
	s.stores("m1")
}

// B08
func TestAnOldOfflineMessageOnADarkLinkIsNotDropped(t *testing.T) {
	s := newStage(t, untilack.Config{})
	if err := s.offline(chat("m1")); err != nil {
		t.Fatal(err)
	}
	s.pass(72 * time.Hour)
	dark := s.enter(throne, nil)
	s.pass(time.Minute)
	s.sees(dark, "m1")
	s.stores("m1")
}

// B09
func TestAQueuedMessageGoesOutOnceEvenIfItsDeadlinePasses(t *testing.T) {
	s := newStage(t, untilack.Config{Window: 1})
	s.fails[untilack.RunAction] = errBroken
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.deliver(first, chat("m2"))
	s.Close(s.now, first, false)
	s.work()
	second := s.enter(crown, nil)
	s.pass(4 * time.Second) // longer than the first RetryWait
	s.ack(second, "m1")
	s.pass(time.Second)
	s.ack(second, "m2")
	s.pass(time.Second)
	s.sees(second, "m1", "m2")
}

// B10
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

// B11
func TestNothingOvertakesAMessageThatTheConnWasTooBusyFor(t *testing.T) {
	s := newStage(t, untilack.Config{})
	for _, id := range []string{"m1", "m2"} {
		if err := s.offline(chat(id)); err != nil {
			t.Fatal(err)
		}
	}
	stream := s.enter(throne, nil)
	list := s.beginA(untilack.ListRows)
	s.Finish(s.now, list, s.call(list))
	first := s.beginA(untilack.WriteStanza)
	s.Finish(s.now, first, untilack.Result{Err: untilack.ErrBusy})
	s.work() // the conn has room again, but did not say so yet
	s.Ready(s.now, stream)
	s.work()
	s.sees(stream, "m1", "m2")
}

// B12
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

// B13
func TestAMessageQueuedInStoreFirstModeIsStillAFirstDelivery(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting})
	stream := s.enter(throne, nil) // its stored messages are not read yet
	if v := s.deliver(stream, chat("m1")); v != untilack.Queue {
		t.Fatal(v)
	}
	s.work()
	if got := s.wrote[stream]; len(got) != 1 || got[0] != chat("m1") {
		t.Errorf("wrote %q, want the message as it came", got)
	}
}

// B14
func TestASettledMessageIsNotReadFromTheStoreAgain(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	second := s.enter(crown, nil)
	probe := s.beginA(untilack.ProbeStream)
	s.Finish(s.now, probe, untilack.Result{})
	s.Answered(s.now, first, probe.Probe) // now the rows are to be listed
	s.ack(first, "m1")
	s.work()
	s.sees(second)
	s.stores()
}

// B15
func TestPauseLetsAStreamThatWaitedForItGoOn(t *testing.T) {
	s := newStage(t, untilack.Config{})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	second := s.enter(crown, nil)
	s.deliver(second, chat("m2"))
	s.work()
	s.Pause(s.now, first)
	s.work()
	s.sees(second, "m2")
}

// B16
func TestRedeliverMakesAsManyAttemptsAsItWasGiven(t *testing.T) {
	s := newStage(t, untilack.Config{Redeliver: &actions.Redeliver{}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.pass(time.Hour)
	s.sees(stream, "m1", "m1", "m1", "m1")
	s.waits()
}

// B17
func TestAPausedStreamHoldsUpNoOtherStreamsMail(t *testing.T) {
	s := newStage(t, untilack.Config{Window: 2})
	hibernates := s.enter(throne, nil)
	s.work()
	s.Pause(s.now, hibernates)
	full := message("normal", westminster, richard+"/"+throne, "full", speech)
	if err := s.offline(full); err != nil {
		t.Fatal(err)
	}
	s.Presence(s.now, hibernates, true, -1)
	for _, id := range []string{"m1", "m2", "m3", "m4"} {
		s.now = s.now.Add(time.Second)
		if err := s.offline(chat(id)); err != nil {
			t.Fatal(err)
		}
	}
	stream := s.enter(crown, nil)
	s.work()
	for range 4 {
		for _, id := range idsOf(s.wrote[stream]) {
			s.ack(stream, id)
		}
		s.work()
	}
	s.sees(stream, "m1", "m2", "m3", "m4")
}

// B18
func TestARowThatIsPutWhileTheStoreIsListedIsReadToo(t *testing.T) {
	s := newStage(t, untilack.Config{})
	p, online, err := s.Away(s.now, []byte(chat("m1")))
	if online || err != nil {
		t.Fatal(online, err)
	}
	stream := s.enter(throne, nil)
	list := s.beginA(untilack.ListRows)
	empty := s.call(list)
	outcome, err := actions.Offline{Store: s.store}.Act(t.Context(), p)
	if err := s.Taken(s.now, p, outcome, err); err != nil {
		t.Fatal(err)
	}
	s.Finish(s.now, list, empty)
	s.pass(time.Minute)
	s.sees(stream, "m1")
}

// B19
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
	s.Close(s.now, stream, true)
	for _, w := range s.Waiting(richard) {
		if w.Attempt > 1 {
			t.Errorf("attempt %d after one redelivery", w.Attempt)
		}
	}
}

// B20
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

// B21
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

// B22
func TestAMessageToANegativeResourceOverALimitIsStillDelivered(t *testing.T) {
	s := newStage(t, untilack.Config{Cache: &cache.Options{Limits: cache.Limits{RecipientPackets: 1}}})
	stream := s.enter(throne, &untilack.StreamOptions{Priority: -1})
	s.work()
	for _, id := range []string{"m1", "m2"} {
		s.deliver(stream, message("chat", westminster, richard+"/"+throne, id, speech))
	}
	s.work()
	s.sees(stream, "m1", "m2")
}

// B23
func TestARowOfAMessagePurgedWhileItWasStoredGoesToo(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting})
	stream := s.enter(throne, nil)
	s.work()
	admission := s.Outgoing(s.now, stream, []byte(chat("m1")))
	s.Block(s.now, richard, percy)
	errs := s.store.Put(t.Context(), admission.Rows...)
	admission = s.Persisted(s.now, stream, admission, errs)
	s.work()
	s.stores()
}

// B24
func TestABlockDuringTheOfflineActionLeavesNoRow(t *testing.T) {
	s := newStage(t, untilack.Config{})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.Close(s.now, stream, false)
	act := s.beginA(untilack.RunAction)
	s.Block(s.now, richard, percy)
	s.Finish(s.now, act, s.call(act))
	s.work()
	s.stores()
}

// B25
func TestAQueuedBareMessageIsNotWrittenToAStreamThatWentAway(t *testing.T) {
	s := newStage(t, untilack.Config{})
	stream := s.enter(throne, nil)
	s.work()
	admission := s.Outgoing(s.now, stream, []byte(chat("m1")))
	s.Failed(s.now, stream, admission, untilack.ErrBusy)
	s.Presence(s.now, stream, false, 0)
	s.pass(time.Minute)
	s.sees(stream)
	s.stores("m1")
}

// B26
func TestTheDeadlineCountsFromTheWriteNotFromTheStore(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting})
	stream := s.enter(throne, nil)
	s.work()
	admission := s.Outgoing(s.now, stream, []byte(chat("m1")))
	errs := s.store.Put(t.Context(), admission.Rows...)
	s.now = s.now.Add(9 * time.Second)
	s.Persisted(s.now, stream, admission, errs)
	s.pass(26 * time.Second)
	if n := s.Count(untilack.Probed); n != 0 {
		t.Error("probed before AckWait was over")
	}
}

// B27
func TestAStreamThatEndsDuringARedeliverActionActsAtOnce(t *testing.T) {
	s := newStage(t, untilack.Config{Redeliver: &actions.Redeliver{}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.now = s.now.Add(31 * time.Second)
	s.Tick(s.now)
	act := s.beginA(untilack.RunAction)
	s.Close(s.now, stream, false)
	s.Finish(s.now, act, s.call(act))
	s.pass(time.Second)
	s.stores("m1")
}

// B28
func TestAReadMessageForAnAbsentResourceDoesNotSpin(t *testing.T) {
	s := newStage(t, untilack.Config{Capable: func(string) bool { return true }})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, message("normal", westminster, richard+"/"+throne, "m1", speech))
	s.ReadUpTo(s.now, stream, s.Mark(stream))
	s.Close(s.now, stream, false)
	s.work()
	s.enter(crown, nil)
	s.work() // fails if there is no end
}

// B29
func TestAQueuedWriteIsNotCarriedOutOnAStreamThatWentAway(t *testing.T) {
	s := newStage(t, untilack.Config{})
	if err := s.offline(chat("m1")); err != nil {
		t.Fatal(err)
	}
	stream := s.enter(throne, nil)
	list := s.beginA(untilack.ListRows)
	s.Finish(s.now, list, s.call(list)) // the write is enqueued
	s.Presence(s.now, stream, true, -1)
	s.work()
	s.sees(stream)
	s.stores("m1")
}

// B30
func TestOfflineMailKeepsTheOrderOfThePair(t *testing.T) {
	s := newStage(t, untilack.Config{Window: 1})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.Close(s.now, stream, false)
	act := s.beginA(untilack.RunAction)
	s.now = s.now.Add(time.Second)
	if _, _, err := s.Away(s.now, []byte(chat("m2"))); !errors.Is(err, untilack.ErrLater) { // the store has not answered yet
		t.Fatalf("m2 does not wait for m1: %v", err)
	}
	s.Finish(s.now, act, s.call(act))
	if err := s.offline(chat("m2")); err != nil {
		t.Fatal(err)
	}
	s.work()
	next := s.enter(throne, nil)
	s.work()
	s.ack(next, "m1")
	s.work()
	s.sees(next, "m1", "m2")
}

// B32
func TestAMessageWhoseActionIsQueuedIsNotOvertaken(t *testing.T) {
	s := newStage(t, untilack.Config{})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.Close(s.now, first, false) // the action is queued, and not begun
	s.now = s.now.Add(time.Second)
	second := s.enter(crown, nil)
	s.deliver(second, chat("m2"))
	s.work()
	s.sees(second, "m1", "m2")
}

// B33
func TestOverflowDoesNotDeleteTheMailOfAnOlderPacket(t *testing.T) {
	s := newStage(t, untilack.Config{Cache: &cache.Options{Limits: cache.Limits{RecipientPackets: 1}}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	admission := s.Outgoing(s.now, stream, []byte(chat("m2")))
	errs := s.store.Put(t.Context(), admission.Rows...)
	s.Close(s.now, stream, false)
	s.work()
	s.Persisted(s.now, stream, admission, errs)
	s.work()
	s.stores("m1", "m2")
}

// B34
func TestQueuedWritesGoBackBeforeWhatCameAfterThem(t *testing.T) {
	s := newStage(t, untilack.Config{Window: 1})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.deliver(first, chat("m2"))
	stream := s.enter(crown, nil) // takes over both when the first is found dead
	probe := s.beginA(untilack.ProbeStream)
	s.Finish(s.now, probe, untilack.Result{Err: errBroken})
	s.Finish(s.now, s.beginA(untilack.EndStream), untilack.Result{})
	list := s.beginA(untilack.ListRows)
	s.Finish(s.now, list, s.call(list)) // now m1 is to be written
	s.Close(s.now, stream, false)
	s.work()
	s.stores("m1", "m2")
}

// B37
func TestTimedAttemptsIntoAStreamThatProvesDeadDoNotCount(t *testing.T) {
	s := newStage(t, untilack.Config{Redeliver: &actions.Redeliver{Rand: func() float64 { return 0 }}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.pass(2 * time.Minute)
	s.sees(stream, "m1", "m1", "m1", "m1")
	s.Close(s.now, stream, false)
	s.work()
	s.stores("m1")
}

// B42
func TestAwayWaitsForWhatIsStillToBeWritten(t *testing.T) {
	s := newStage(t, untilack.Config{Window: 1})
	if err := s.offline(chat("m1")); err != nil {
		t.Fatal(err)
	}
	stream := s.enter(throne, nil)
	list := s.beginA(untilack.ListRows)
	s.deliver(stream, chat("m2"))
	s.Finish(s.now, list, s.call(list)) // m1 is to be written, m2 waits for room
	s.Presence(s.now, stream, true, -1)
	s.now = s.now.Add(time.Second)
	if _, _, err := s.Away(s.now, []byte(chat("m3"))); !errors.Is(err, untilack.ErrLater) {
		t.Errorf("older messages are not stored yet: %v, want ErrLater", err)
	}
	s.work()
	if err := s.offline(chat("m3")); err != nil {
		t.Fatal(err)
	}
	s.stores("m1", "m2", "m3")
}

// B44
func TestTwoOverflowsAtOnceKeepTheOrder(t *testing.T) {
	s := newStage(t, untilack.Config{Window: 1, Cache: &cache.Options{Limits: cache.Limits{RecipientPackets: 2}}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.deliver(stream, chat("m2"))
	first := s.Outgoing(s.now, stream, []byte(message("chat", york, richard, "m3", speech)))
	second := s.Outgoing(s.now, stream, []byte(chat("m4")))
	secondErrs := s.store.Put(t.Context(), second.Rows...)
	firstErrs := s.store.Put(t.Context(), first.Rows...)
	s.Persisted(s.now, stream, second, secondErrs)
	s.Persisted(s.now, stream, first, firstErrs)
	s.Close(s.now, stream, false)
	s.work()
	next := s.enter(crown, nil)
	for range 5 {
		s.work()
		for _, stanza := range s.wrote[next] {
			s.Incoming(s.now, next, []byte(receiptTo(attribute(stanza, "from"), attribute(stanza, "id"))))
		}
	}
	s.sees(next, "m1", "m2", "m4", "m3")
}

// B45
func TestAnActionThatAsksForTimeUsesUpNoRedeliveries(t *testing.T) {
	asks := actions.Func(func(ctx, packet) (actions.Outcome, error) { return actions.Again(time.Minute), nil })
	s := newStage(t, untilack.Config{Actions: []actions.Action{asks, actions.Drop{}}})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.Close(s.now, first, false)
	s.pass(time.Hour)
	second := s.enter(crown, nil)
	s.work()
	s.sees(second, "m1")
}
