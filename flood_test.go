// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
)

// A client that answers neither receipts nor pings can not be told from a dead link.
// What went out to it again and again in vain waits for a session that shows to be alive.

// mostCopies is how often a message goes out of which nobody was shown to have read a
// copy.
const mostCopies = 1 + actions.HardCap

// inVain has sessions of a client that answers nothing, and returns what was written to
// them.
func (s *stage) inVain(sessions int) (ids []string) {
	s.t.Helper()
	for range sessions {
		stream := s.enter(throne, nil)
		s.pass(6 * time.Second)
		ids = append(ids, idsOf(s.wrote[stream])...)
		s.Close(s.now, stream)
		s.work()
	}
	return ids
}

// finish carries out the next effect, which must be of a kind.
func (s *stage) finish(kind untilack.EffectKind) *untilack.Effect {
	s.t.Helper()
	e := s.beginA(kind)
	s.Finish(s.now, e, s.call(e))
	return e
}

func TestAClientThatAnswersNothingIsNotFlooded(t *testing.T) {
	for name, config := range map[string]untilack.Config{
		"in memory": {}, "store first": {Store: lasting}, "capable": {Capable: capable},
		"redeliver": {Redeliver: &actions.Redeliver{Jitter: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, config, func(w *world) {
				c := w.online(throne, deaf)
				w.sends("m1")
				copies := 0
				for range 1000 { // it logs in again as soon as it is disconnected
					if c.gone() {
						copies += len(c.messages())
						c = w.online(throne, deaf)
					}
					w.pass(time.Second)
				}
				if copies += len(c.messages()); copies != mostCopies {
					t.Errorf("%d copies, want %d", copies, mostCopies)
				}
				probes := w.keeper.Count(untilack.Probed)
				w.pass(time.Hour)
				if c.gone() || len(c.messages()) > 0 {
					t.Errorf("it was ended %v, and has read %q: want it left in peace", c.ended, c.messages())
				}
				if n := w.keeper.Count(untilack.Probed) - probes; n < 11 || n > 13 {
					t.Errorf("%d probes in an hour, want one each five minutes", n)
				}
			})
		})
	}
}

func TestAPhoneWithAFlappingLinkGetsItsMessageInTheEnd(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		w.sends("m1")
		for range 20 {
			dark := w.login(&client{habit: acknowledges, dark: true}, richard+"/"+throne)
			w.pass(time.Minute)
			dark.dies()
		}
		w.stores("m1")
		good := w.online(throne, acknowledges)
		w.sends("m2") // which keeps its place
		w.pass(time.Second)
		good.got("m1", "m2")
		w.nothingIsLeft()
	})
}

func TestALateAnswerIsASignOfLife(t *testing.T) {
	s := newStage(t, untilack.Config{})
	s.offline(chat("m1"))
	s.inVain(mostCopies)
	stream := s.enter(throne, nil)
	s.finish(untilack.ListRows)
	probe := s.finish(untilack.ProbeStream)
	s.pass(2 * untilack.DefaultProbeWait)
	s.sees(stream)
	s.Answered(s.now, stream, probe.Probe)
	s.work()
	s.sees(stream, "m1")
}

func TestAStreamThatGoesOnIsAskedAnewForASignOfLife(t *testing.T) {
	s := newStage(t, untilack.Config{})
	s.offline(chat("m1"))
	s.inVain(mostCopies)
	stream := s.enter(throne, nil)
	s.pass(untilack.DefaultProbeWait)
	s.Pause(s.now, stream)
	s.work()
	s.Resume(s.now, stream)
	probe := s.finish(untilack.ProbeStream)
	s.Answered(s.now, stream, probe.Probe)
	s.work()
	s.sees(stream, "m1")
}

func TestWhatWasReadIsASignOfLife(t *testing.T) {
	for name, reads := range map[string]func(s *stage, stream *untilack.Stream){
		"receipt":  func(s *stage, stream *untilack.Stream) { s.ack(stream, "m2") },
		"ReadUpTo": func(s *stage, stream *untilack.Stream) { s.ReadUpTo(s.now, stream, s.Mark(stream)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, untilack.Config{})
			s.offline(chat("m1"))
			s.inVain(mostCopies)
			stream := s.enter(throne, nil)
			s.pass(untilack.DefaultProbeWait)
			s.ReadUpTo(s.now, stream, s.Mark(stream)) // of nothing
			s.work()
			s.deliver(stream, chat("m2"))
			s.sees(stream, "m2")
			reads(s, stream)
			s.work()
			s.sees(stream, "m2", "m1")
		})
	}
}

func TestAReceiptForOthersIsASignOfLifeOnce(t *testing.T) {
	s := newStage(t, untilack.Config{})
	s.offline(chat("m1"))
	s.inVain(mostCopies)
	copies := 0
	for n := range 10 { // sessions of a client that acknowledges others, and answers no pings
		stream := s.enter(throne, nil)
		s.pass(untilack.DefaultProbeWait)
		other := fmt.Sprint("other", n)
		s.deliver(stream, chat(other))
		s.ack(stream, other)
		s.pass(untilack.DefaultProbeWait)
		copies += len(idsOf(s.wrote[stream])) - 1
		s.Close(s.now, stream)
		s.work()
	}
	if copies != 1 {
		t.Errorf("%d copies, want one", copies)
	}
	s.stores("m1")
}

func TestNewMessagesPassWhatWaitsForASignOfLife(t *testing.T) {
	story(t, untilack.Config{Window: 1}, func(w *world) {
		w.sends("m1")
		c := w.online(throne, deaf)
		for range 1000 {
			if c.gone() {
				c = w.online(throne, deaf)
			}
			w.pass(time.Second)
		}
		w.sends("m2", "m3")
		c.got("m2", "m3")
		w.pass(time.Minute)
		c.wasEnded(untilack.Dead) // they are in doubt
		next := w.online(throne, deaf)
		w.sends("m4")
		next.got()
		w.pass(untilack.DefaultProbeWait + time.Second)
		next.got("m2") // the window is full
	})
}

func TestMailPassesWhatWaitsForASignOfLife(t *testing.T) {
	s := newStage(t, untilack.Config{Window: 1})
	var old []string
	for n := range 20 { // more than is read into memory
		old = append(old, fmt.Sprint("old", n))
		if err := s.offline(chat(old[n])); err != nil {
			t.Fatal(err)
		}
	}
	copies := make(map[string]int)
	for _, id := range s.inVain(20 * mostCopies) {
		copies[id]++
	}
	if err := s.offline(chat("new")); err != nil {
		t.Fatal(err)
	}
	stream := s.enter(throne, nil)
	s.pass(2*untilack.DefaultProbeWait - time.Second)
	for id, n := range copies {
		if n != mostCopies {
			t.Errorf("%s went out %d times, want %d", id, n, mostCopies)
		}
	}
	s.sees(stream, "new")
	s.ack(stream, "new")
	s.work()
	if diff := cmp.Diff(append([]string{"new"}, old[0]), idsOf(s.wrote[stream])); diff != "" {
		t.Errorf("written after a sign of life (-want +got):\n%s", diff)
	}
	for _, id := range old {
		s.ack(stream, id)
		s.work()
	}
	s.sees(stream, slices.Concat([]string{"new"}, old)...)
	s.stores()
	s.waits()
}

func TestWhatWentOutInVainIsKnownAfterARestart(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting})
	s.offline(chat("m1"))
	s.inVain(mostCopies)
	s.start(untilack.Config{Store: durable{s.store}})
	if ids := s.inVain(1); len(ids) > 0 {
		t.Errorf("%q went out after a restart, want nothing", ids)
	}
	s.stores("m1")
}

func TestWhatNeverLeavesMemoryIsNotWrittenForEver(t *testing.T) {
	s := newStage(t, untilack.Config{})
	before := s.enter(throne, nil)
	s.work()
	s.deliver(before, chat("m1"))
	copies := 1
	for range 20 {
		next := s.enter(throne, nil) // in the place of the one before
		s.work()
		copies += len(idsOf(s.wrote[next]))
	}
	if copies != mostCopies {
		t.Errorf("%d copies, want %d", copies, mostCopies)
	}
	s.waits("m1 in backlog")
}

func TestAStreamIsEndedThatLeavesNewMessagesUnanswered(t *testing.T) {
	s := newStage(t, untilack.Config{})
	s.offline(chat("m1"))
	s.inVain(mostCopies)
	stream := s.enter(throne, nil)
	s.pass(time.Hour) // it is sounded now and then
	s.deliver(stream, chat("m2"))
	s.pass(untilack.DefaultAckWait + untilack.DefaultProbeWait)
	if got := s.ended[stream]; got != untilack.Dead {
		t.Errorf("the stream was ended as %v, want %v", got, untilack.Dead)
	}
}
