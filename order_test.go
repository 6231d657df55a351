// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// The order in which messages go out, whatever happens meanwhile.

func TestAQueuedMessageGoesOutOnceEvenIfItsDeadlinePasses(t *testing.T) {
	s := newStage(t, untilack.Config{Window: 1})
	s.fails[untilack.RunAction] = errBroken
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.deliver(first, chat("m2"))
	s.Close(s.now, first)
	s.work()
	second := s.enter(crown, nil)
	s.pass(4 * time.Second) // longer than the first RetryWait
	s.ack(second, "m1")
	s.pass(time.Second)
	s.ack(second, "m2")
	s.pass(time.Second)
	s.sees(second, "m1", "m2")
}

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

func TestOfflineMailKeepsTheOrderOfThePair(t *testing.T) {
	s := newStage(t, untilack.Config{Window: 1})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.Close(s.now, stream)
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

func TestAMessageWhoseActionIsQueuedIsNotOvertaken(t *testing.T) {
	s := newStage(t, untilack.Config{})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.Close(s.now, first) // the action is queued, and not begun
	s.now = s.now.Add(time.Second)
	second := s.enter(crown, nil)
	s.deliver(second, chat("m2"))
	s.work()
	s.sees(second, "m1", "m2")
}

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
	s.Close(s.now, stream)
	s.work()
	s.stores("m1", "m2")
}

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
	s.Close(s.now, stream)
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

func TestOfflineMailAtALimitKeepsTheOrder(t *testing.T) {
	s := newStage(t, untilack.Config{Window: 1, Cache: &cache.Options{Limits: cache.Limits{RecipientPackets: 1}}})
	stream := s.enter(throne, nil)
	s.work()
	s.Pause(s.now, stream)
	if err := s.offline(chat("m1")); err != nil { // waits in memory
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Second)
	if err := s.offline(chat("m2")); err != nil {
		t.Fatal(err)
	}
	s.Close(s.now, stream)
	s.work()
	s.stores("m1", "m2")
}

func TestABusyResourceDoesNotStopOfflineMail(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		below := w.login(&client{habit: silent, priority: -1}, richard+"/"+throne)
		below.fails(untilack.ErrBusy)
		if err := w.send(message("chat", westminster, richard+"/"+throne, "m1", speech)); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		w.within(untilack.DefaultActionTimeout, "Offline", func() { w.sends("m2", "m3") })
		w.stores("m2", "m3")
	})
}

func TestAMessageThatComesWhileAnotherOverflowsKeepsItsPlace(t *testing.T) {
	s := newStage(t, untilack.Config{Cache: &cache.Options{Limits: cache.Limits{PairPackets: 1}}})
	stream := s.enter(throne, nil) // its stored messages are not read yet
	s.deliver(stream, chat("m1"))
	second := s.Outgoing(s.now, stream, []byte(chat("m2")))
	s.deliver(stream, message("chat", tybalt, richard, "m3", speech))
	s.Persisted(s.now, stream, second, s.store.Put(t.Context(), second.Rows...))
	s.deliver(stream, message("chat", tybalt, richard, "m4", speech))
	s.Close(s.now, stream)
	s.work()
	s.stores("m1", "m2", "m3", "m4")
}

func TestAFailedActionIsNotOvertakenByThatOfAYoungerMessage(t *testing.T) {
	s := newStage(t, untilack.Config{})
	stream := s.enter(throne, nil)
	s.work()
	for _, id := range ids(3) {
		s.deliver(stream, chat(id))
	}
	s.Close(s.now, stream)
	first := s.beginA(untilack.RunAction)
	s.Finish(s.now, first, untilack.Result{Err: errBroken})
	s.work()
	s.stores(ids(3)...) // as copies: their actions wait
	s.waits("m1 in backlog", "m2 in backlog", "m3 in backlog")
	s.pass(10 * time.Second)
	s.waits()
	s.stores(ids(3)...)
}

func TestWhatOtherSendersAreStoredAsComesAfterWhatIsHeld(t *testing.T) {
	s := newStage(t, untilack.Config{Window: 1, Actions: []actions.Action{actions.Offline{}}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.deliver(stream, message("chat", tybalt, richard, "m2", speech))
	s.deliver(stream, chat("m3"))
	s.Close(s.now, stream)
	first := s.beginA(untilack.RunAction)
	s.Finish(s.now, first, untilack.Result{Err: errBroken})
	s.work()
	s.waits("m1 in backlog", "m3 in backlog") // m2 was decided about
	if err := s.offline(message("chat", tybalt, richard, "m4", speech)); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Away(s.now, []byte(chat("m5"))); !errors.Is(err, untilack.ErrLater) {
		t.Errorf("m5 overtakes m1, which waits for its action: %v", err)
	}
	s.stores("m1", "m2", "m3", "m4")
	s.pass(10 * time.Second)
	s.waits()
	s.stores("m1", "m2", "m3", "m4")
}

func TestWhatAnEndedStreamLeavesComesBeforeYoungerActions(t *testing.T) {
	var acted []string
	s := newStage(t, untilack.Config{Actions: []actions.Action{actions.Func(func(_ ctx, p packet) (actions.Outcome, error) {
		acted = append(acted, p.Key.ID)
		return actions.Done, nil
	})}})
	first, second := s.enter(throne, nil), s.enter(crown, nil)
	s.work()
	s.deliver(first, message("normal", westminster, richard+"/"+throne, "m1", speech))
	s.deliver(second, message("normal", westminster, richard+"/"+crown, "m2", speech))
	s.Close(s.now, second) // its action is queued, and not begun
	s.Close(s.now, first)
	s.work()
	if diff := cmp.Diff([]string{"m1", "m2"}, acted); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
}

func TestOnlyItsOwnPairWaitsForAnActionThatTakesItsTime(t *testing.T) {
	s := newStage(t, untilack.Config{})
	gone, here := s.enter(throne, nil), s.enter(crown, nil)
	s.work()
	s.deliver(gone, message("normal", westminster, richard+"/"+throne, "m1", speech))
	s.Close(s.now, gone)
	act := s.beginA(untilack.RunAction)
	s.now = s.now.Add(time.Second)
	if v := s.deliver(here, chat("m2")); v != untilack.Queue {
		t.Errorf("m2 overtakes a message of its pair: %v", v)
	}
	fromTybalt := message("chat", tybalt, richard, "m3", speech)
	if v := s.deliver(here, fromTybalt); v != untilack.Write {
		t.Errorf("m3, of another sender: %v", v)
	}
	s.Failed(s.now, here, s.Outgoing(s.now, here, []byte(message("chat", tybalt, richard, "m4", speech))), untilack.ErrBusy)
	s.Ready(s.now, here)
	s.work()
	s.sees(here, "m3", "m4")
	s.Finish(s.now, act, s.call(act))
	s.work()
	s.sees(here, "m3", "m4", "m2")
}

func TestManyRowsForAPausedStreamHoldUpNoOtherStreamsMail(t *testing.T) {
	s := newStage(t, untilack.Config{Window: 1})
	for i := range 40 {
		s.now = s.now.Add(time.Second)
		if err := s.offline(message("chat", westminster, richard+"/"+throne, fmt.Sprint("t", i), speech)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.offline(message("chat", tybalt, richard, "m1", speech)); err != nil {
		t.Fatal(err)
	}
	hibernates := s.enter(throne, nil)
	s.Pause(s.now, hibernates)
	stream := s.enter(crown, nil)
	s.work()
	s.Incoming(s.now, stream, []byte(receiptTo(tybalt, "m1")))
	s.work()
	s.deliver(stream, message("chat", tybalt, richard, "m2", speech))
	s.sees(stream, "m1", "m2")
	s.Incoming(s.now, stream, []byte(receiptTo(tybalt, "m2")))
	s.deliver(hibernates, message("normal", westminster, richard+"/"+throne, "t40", speech))
	s.pass(time.Minute)
	s.Resume(s.now, hibernates)
	var want []string
	for i := range 41 {
		want = append(want, fmt.Sprint("t", i))
		s.work()
		s.sees(hibernates, want...)
		s.ack(hibernates, want[i])
	}
	s.work()
	s.stores()
}

func TestAMessageToBeSentAgainWhoseStreamEndsMeanwhileKeepsItsPlace(t *testing.T) {
	s := newStage(t, untilack.Config{Redeliver: &actions.Redeliver{}})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.now = s.now.Add(untilack.DefaultAckWait)
	s.Tick(s.now)
	again := s.beginA(untilack.RunAction)
	s.Close(s.now, first)
	second := s.enter(crown, nil)
	s.deliver(second, chat("m2"))
	s.work()
	s.Finish(s.now, again, untilack.Result{Err: errBroken})
	s.work()
	s.sees(second, "m1", "m2")
}

func TestRowsThatWereReadForAStreamGoBackWhenItPauses(t *testing.T) {
	s := newStage(t, untilack.Config{Window: 1})
	var want []string
	for i := range 40 {
		s.now = s.now.Add(time.Second)
		want = append(want, fmt.Sprint("t", i))
		if err := s.offline(message("chat", westminster, richard+"/"+throne, want[i], speech)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.offline(message("chat", tybalt, richard, "m1", speech)); err != nil {
		t.Fatal(err)
	}
	hibernates := s.enter(throne, &untilack.StreamOptions{Priority: -1})
	stream := s.enter(crown, nil)
	s.work()
	s.sees(stream) // as many as may be wait in memory for the first stream
	s.Pause(s.now, hibernates)
	s.work()
	s.sees(stream, "m1")
	s.Resume(s.now, hibernates)
	s.Incoming(s.now, stream, []byte(receiptTo(tybalt, "m1")))
	for i := range want {
		s.work()
		s.sees(hibernates, want[:i+1]...)
		s.ack(hibernates, want[i])
	}
	s.work()
	s.stores()
}

// The answer to a probe that is older than the message shows nothing about it: a
// new session that waits for the old one has to wait on.
func TestANewSessionWaitsForAnAnswerThatCoversWhatTheOldOneHas(t *testing.T) {
	s := newStage(t, untilack.Config{AckWait: 10 * time.Second, ProbeWait: 5 * time.Second, Jitter: -1})
	old := s.enter(throne, nil)
	s.work()
	s.deliver(old, chat("m1"))
	s.work()
	s.now = s.now.Add(10 * time.Second)
	s.Tick(s.now)
	probe := s.beginA(untilack.ProbeStream)
	s.Finish(s.now, probe, untilack.Result{})

	s.deliver(old, chat("m2")) // after the probe
	fresh := s.enter(crown, nil)
	s.work()
	if got := s.deliver(fresh, chat("m3")); got != untilack.Queue {
		t.Fatalf("a newer message: %v, want queue", got)
	}
	s.Incoming(s.now, old, []byte("<iq type='result' id='"+probe.Probe+"'/>"))
	s.work()
	s.sees(fresh) // nobody knows yet whether m2 was read

	s.pass(6 * time.Second) // the old session says nothing more
	s.sees(fresh, "m2", "m3")
}

// What is about to be written to an old session, and is not yet, counts for a new
// one as what is on it.
func TestANewSessionWaitsForWhatIsAboutToBeWrittenToAnOldOne(t *testing.T) {
	s := newStage(t, untilack.Config{})
	old := s.enter(throne, nil)
	s.work()
	second := s.enter(crown, nil)
	s.work()
	s.deliver(second, chat("m1"))
	s.Close(s.now, second) // m1 is to go to the old session
	fresh := s.enter("closet", nil)
	if got := s.deliver(fresh, chat("m2")); got != untilack.Queue {
		t.Errorf("a newer message: %v, want queue", got)
	}
	s.work()
	if len(s.wrote[old]) > 1 || len(s.wrote[old]) == 1 && len(idsOf(s.wrote[fresh])) > 0 {
		t.Errorf("written to the old session %q, and to the new one %q", s.wrote[old], s.wrote[fresh])
	}
}

// Mail that was stored while a stream opened keeps its place, even if the store can not be
// read at that moment.
func TestWhatIsStoredWhileAStreamOpensIsNotOvertaken(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.deliver(first, chat("m2"))
	s.Close(s.now, first)
	offline := s.beginA(untilack.RunAction) // of m1
	second := s.enter(crown, nil)
	s.fails[untilack.ListRows] = errBroken
	s.Finish(s.now, offline, s.call(offline))
	s.work()
	delete(s.fails, untilack.ListRows)
	s.pass(time.Minute)
	s.sees(second, "m1", "m2")
	s.ack(second, "m1")
	s.ack(second, "m2")
	s.work()
	s.stores()
	s.waits()
}

// The same when the action ends before the stream opens, and the store was down before: it
// can be read, for it has taken a row.
func TestAStoreThatTookMailIsRead(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting})
	first := s.enter(throne, nil)
	s.fails[untilack.ListRows] = errBroken
	s.work() // the next try comes later
	delete(s.fails, untilack.ListRows)
	s.deliver(first, chat("m1"))
	s.deliver(first, chat("m2"))
	s.Close(s.now, first)
	offline := s.beginA(untilack.RunAction) // of m1
	s.Finish(s.now, offline, s.call(offline))
	second := s.enter(crown, nil)
	s.work()
	s.sees(second, "m1", "m2")
}
