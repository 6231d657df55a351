// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// What stands in the store, and when.

func TestAVolatileMessageIsNeverWrittenToAStoreThatLasts(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting, PersistAfter: 100 * time.Millisecond})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, message("chat", westminster, richard, "m1", speech+"<no-permanent-store xmlns='urn:xmpp:hints'/>"))
	s.pass(time.Second)
	s.stores()
}

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

func TestAStreamIsLookedAfterOnceAckWaitIsOverNotPersistAfter(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting, PersistAfter: 100 * time.Millisecond})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.pass(time.Second)
	s.Close(s.now, first)
	second := s.enter(crown, nil)
	s.pass(20 * time.Second)
	s.sees(second, "m1")
	if n := s.Count(untilack.Probed); n != 1 { // after what was written again
		t.Errorf("probed %d times within 20 s, want once", n)
	}
}

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

func TestABlockDuringTheOfflineActionLeavesNoRow(t *testing.T) {
	s := newStage(t, untilack.Config{})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.Close(s.now, stream)
	act := s.beginA(untilack.RunAction)
	s.Block(s.now, richard, percy)
	s.Finish(s.now, act, s.call(act))
	s.work()
	s.stores()
}

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

func TestOverflowDoesNotDeleteTheMailOfAnOlderPacket(t *testing.T) {
	s := newStage(t, untilack.Config{Cache: &cache.Options{Limits: cache.Limits{RecipientPackets: 1}}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	admission := s.Outgoing(s.now, stream, []byte(chat("m2")))
	errs := s.store.Put(t.Context(), admission.Rows...)
	s.Close(s.now, stream)
	s.work()
	s.Persisted(s.now, stream, admission, errs)
	s.work()
	s.stores("m1", "m2")
}

func TestMailOfAMessageThatFoundNoRoomIsDelivered(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting, Cache: &cache.Options{Limits: cache.Limits{RecipientPackets: 1}}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	if err := s.offline(chat("m2")); err != nil { // a stream is there, and memory is full
		t.Fatal(err)
	}
	s.Close(s.now, stream)
	s.work()
	next := s.enter(crown, nil)
	s.pass(time.Second)
	s.sees(next, "m1", "m2")
	s.waits("m1 in doubt", "m2 in doubt")
}

func TestASettledMessageIsNotReadAgainWithoutATombstoneEither(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting, Cache: &cache.Options{Tombstones: -1}})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	second := s.enter(crown, nil)
	probe := s.beginA(untilack.ProbeStream)
	s.Finish(s.now, probe, untilack.Result{})
	s.Answered(s.now, first, probe.Probe)
	list := s.beginA(untilack.ListRows)
	rows := s.call(list)
	s.ack(first, "m1") // between the list and its answer
	s.Finish(s.now, list, rows)
	s.work()
	s.sees(second)
	s.stores()
}

func TestARowOfAnOverflowThatIsPutWhileTheStoreIsListedIsReadToo(t *testing.T) {
	s := newStage(t, untilack.Config{Cache: &cache.Options{Limits: cache.Limits{RecipientPackets: 1}}})
	stream := s.enter(throne, nil)
	list := s.beginA(untilack.ListRows)
	empty := s.call(list)
	s.deliver(stream, chat("m1"))
	s.deliver(stream, chat("m2")) // over the limit
	s.Finish(s.now, list, empty)
	s.work()
	s.ack(stream, "m1")
	s.work()
	s.sees(stream, "m1", "m2")
}

func TestAReceiptDuringTheOfflineActionLeavesNoMail(t *testing.T) {
	s := newStage(t, untilack.Config{})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.Close(s.now, stream)
	act := s.beginA(untilack.RunAction)
	s.ack(stream, "m1") // it had been on its way
	s.Finish(s.now, act, s.call(act))
	s.work()
	s.stores()
	s.waits()
	if n := s.Count(untilack.Late); n != 1 {
		t.Errorf("%d receipts were late, want 1", n)
	}
}

func TestARowThatWasPutWithAnErrorGoesWithItsPacket(t *testing.T) {
	for name, put := range map[string]func(s *stage, stream *untilack.Stream){
		"before the write": func(s *stage, stream *untilack.Stream) {
			admission := s.Outgoing(s.now, stream, []byte(chat("m1")))
			s.store.Put(s.t.Context(), admission.Rows...)
			admission = s.Persisted(s.now, stream, admission, []error{errBroken})
			s.wrote[stream] = append(s.wrote[stream], chat("m1"))
		},
		"for want of room": func(s *stage, stream *untilack.Stream) {
			s.deliver(stream, message("chat", york, richard, "m0", speech))
			admission := s.Outgoing(s.now, stream, []byte(chat("m1")))
			s.store.Put(s.t.Context(), admission.Rows...)
			s.Incoming(s.now, stream, []byte(receiptTo(york, "m0")))
			s.Persisted(s.now, stream, admission, []error{errBroken, errBroken})
		},
		"by an action": func(s *stage, stream *untilack.Stream) {
			s.deliver(stream, chat("m1"))
			s.Close(s.now, stream)
			act := s.beginA(untilack.RunAction)
			s.call(act)
			s.Finish(s.now, act, untilack.Result{Err: untilack.ErrOverran})
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := untilack.Config{Store: lasting, PersistAfter: -1}
			switch name {
			case "before the write":
				config.PersistAfter = 0
			case "for want of room":
				config.Cache = &cache.Options{Limits: cache.Limits{RecipientPackets: 1}}
			}
			s := newStage(t, config)
			stream := s.enter(throne, nil)
			s.work()
			put(s, stream)
			if n := s.store.Used(richard).Messages; n == 0 {
				t.Fatal("no row was put")
			}
			if len(s.Waiting(richard)) != 1 {
				t.Fatalf("%d packets wait, want one", len(s.Waiting(richard)))
			}
			next := s.enter(crown, nil)
			s.work()
			s.ack(next, "m1") // which had it from another stream, or has it now
			s.work()
			s.stores()
		})
	}
}

func TestARowThatIsPutWithAnErrorWhileItsReceiptComesGoes(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting, PersistAfter: 100 * time.Millisecond})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.now = s.now.Add(time.Second)
	s.Tick(s.now)
	put := s.beginA(untilack.StoreRows)
	s.call(put)
	s.ack(stream, "m1")
	s.Finish(s.now, put, untilack.Result{Err: untilack.ErrOverran})
	s.work()
	s.stores()
}

func TestNothingIsDeletedThatTheStoreHasRefused(t *testing.T) {
	for _, refusal := range []error{actions.ErrQuota, fmt.Errorf("no room: %w", actions.ErrFull)} {
		s := newStage(t, untilack.Config{Store: lasting})
		stream := s.enter(throne, nil)
		s.work()
		admission := s.Outgoing(s.now, stream, []byte(chat("m1")))
		s.Persisted(s.now, stream, admission, []error{refusal})
		s.ack(stream, "m1")
		if e := s.begin(); e != nil {
			t.Errorf("after %q: %v", refusal, e)
		}
	}
}
