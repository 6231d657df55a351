// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// identity returns what tells the message with an id from all others, from memory or the store.
func (s *stage) identity(id string) cache.Identity {
	s.t.Helper()
	for _, w := range s.Waiting(richard) {
		if w.ID == id {
			return w.Identity
		}
	}
	for row, err := range actions.All(s.t.Context(), s.store, richard) {
		if err == nil && row.Packet.Key.ID == id {
			return row.Packet.Identity()
		}
	}
	s.t.Fatalf("%s is nowhere", id)
	return cache.Identity{}
}

// drops is an operator giving m1 up.
func (s *stage) drops(wantInMemory bool) {
	s.t.Helper()
	if got := s.Drop(s.now, s.identity("m1")); got != wantInMemory {
		s.t.Errorf("m1 waited in memory: got %v, want %v", got, wantInMemory)
	}
}

// sends has messages go out to a new stream.
func (s *stage) sends(ids ...string) *untilack.Stream {
	s.t.Helper()
	stream := s.enter(crown, nil)
	s.work()
	for _, id := range ids {
		s.deliver(stream, chat(id))
	}
	return stream
}

// leaves leaves messages for a recipient who is not online.
func (s *stage) leaves(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		if err := s.offline(chat(id)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestDrop drops m1 wherever it may be: it is nowhere then, never comes again, and m2 comes.
func TestDrop(t *testing.T) {
	for name, drop := range map[string]func(s *stage){
		"on a stream": func(s *stage) {
			stream := s.sends("m1", "m2")
			s.drops(true)
			s.Close(s.now, stream)
		},
		"on a stream that is probed": func(s *stage) {
			stream := s.sends("m1", "m2")
			s.now = s.now.Add(T)
			s.Tick(s.now)
			s.work()
			s.waits("m1 in doubt", "m2 in doubt")
			s.drops(true)
			s.Close(s.now, stream)
		},
		"in the backlog": func(s *stage) {
			stream := s.sends("m1", "m2")
			s.Close(s.now, stream)
			s.waits("m1 in backlog", "m2 in backlog")
			s.drops(true)
		},
		"in the store": func(s *stage) {
			s.leaves("m1", "m2")
			s.drops(false)
		},
		"in the store, while its row is read": func(s *stage) {
			s.leaves("m1", "m2")
			stream := s.enter(crown, nil)
			list := s.beginA(untilack.ListRows)
			rows := s.call(list)
			s.drops(false)
			s.Finish(s.now, list, rows)
			s.work()
			s.sees(stream, "m2")
			s.Close(s.now, stream)
		},
		"while an action decides": func(s *stage) {
			stream := s.sends("m1", "m2")
			s.Close(s.now, stream)
			act := s.beginA(untilack.RunAction)
			s.waits("m1 in action", "m2 in backlog")
			s.drops(true)
			s.Finish(s.now, act, s.call(act))
		},
	} {
		for how, config := range map[string]untilack.Config{"memory": {}, "store first": {Store: lasting}} {
			t.Run(name+", "+how, func(t *testing.T) {
				s := newStage(t, config)
				drop(s)
				if got := s.Count(untilack.Dropped); got != 1 {
					t.Errorf("%d were dropped, want 1", got)
				}
				s.work()
				s.waits()
				s.stores("m2")
				last := s.enter(throne, nil)
				s.work()
				s.sees(last, "m2")
				s.ack(last, "m2")
				s.work()
				s.waits()
				s.stores()
			})
		}
	}
}

func TestDropBeforeTheStoreHasAnsweredLeavesNoRow(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting})
	stream := s.enter(throne, nil)
	s.work()
	admission := s.Outgoing(s.now, stream, []byte(chat("m1")))
	s.drops(true)
	admission = s.Persisted(s.now, stream, admission, s.store.Put(t.Context(), admission.Rows...))
	if admission.Verdict != untilack.Queue || admission.Kept {
		t.Errorf("got %v, kept %v, want nothing to be written or kept", admission.Verdict, admission.Kept)
	}
	s.work()
	s.stores()
}

func TestDropIsTriedAgainWhenTheStoreFails(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting})
	s.leaves("m1")
	s.fails[untilack.DeleteRows] = errBroken
	s.drops(false)
	s.work()
	s.stores("m1")
	stream := s.enter(throne, nil)
	s.work()
	s.sees(stream)
	delete(s.fails, untilack.DeleteRows)
	s.pass(time.Minute)
	s.stores()
}

func TestDropEndsOneOfTwoMessagesWithOneID(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.deliver(stream, message("chat", westminster, richard, "m1", speech+"<thread/>"))
	s.drops(true)
	s.waits("m1 on stream")
	s.work()
	s.stores("m1")
}

func TestAReceiptAfterDropIsRoutedOn(t *testing.T) {
	s := newStage(t, untilack.Config{})
	stream := s.sends("m1")
	s.drops(true)
	s.ack(stream, "m1") // which fails the test if it is not
	if got := s.Count(untilack.Settled); got != 0 {
		t.Errorf("%d were settled, want none", got)
	}
}

func TestProbeFindsOutAtOnceThatAStreamIsDead(t *testing.T) {
	s := newStage(t, untilack.Config{})
	dead := s.sends("m1")
	if got := s.Probe(s.now, richard); got != 1 {
		t.Fatalf("%d streams are probed, want 1", got)
	}
	s.work()
	s.waits("m1 in doubt")
	s.pass(untilack.DefaultProbeWait)
	if got := s.ended[dead]; got != untilack.Dead {
		t.Errorf("the stream was ended as %v, want dead", got)
	}
	s.stores("m1")
}

func TestProbeSendsNothingTwiceToAStreamThatAnswers(t *testing.T) {
	s := newStage(t, untilack.Config{})
	stream := s.sends("m1")
	s.Probe(s.now, richard)
	probe := s.beginA(untilack.ProbeStream)
	s.Finish(s.now, probe, untilack.Result{})
	s.Answered(s.now, stream, probe.Probe)
	s.pass(untilack.DefaultProbeWait)
	s.sees(stream, "m1")
	s.waits("m1 on stream")
}

func TestProbeAsksNobodyForWhomNothingWaits(t *testing.T) {
	s := newStage(t, untilack.Config{})
	s.sends()
	for _, recipient := range []string{richard, percy, "", "@"} {
		if got := s.Probe(s.now, recipient); got != 0 {
			t.Errorf("%q: %d streams are probed, want none", recipient, got)
		}
	}
}

func TestWaitingTellsDeadlines(t *testing.T) {
	s := newStage(t, untilack.Config{Jitter: -1})
	s.sends("m1")
	deadline := func(state string, want time.Duration) {
		t.Helper()
		s.waits("m1 " + state)
		if got := s.Waiting(richard)[0].Deadline.Sub(dawn); got < want || got > want+100*time.Millisecond {
			t.Errorf("%s: got a deadline after %v, want %v", state, got, want)
		}
	}
	deadline("on stream", untilack.DefaultAckWait)
	s.now = dawn.Add(T)
	s.Tick(s.now)
	deadline("in doubt", T+untilack.DefaultProbeWait)
}
