// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/receipts"
)

// Tests that were missing: without them one of the bugs of internal/mutants survived.

// What a receipt says of its origin counts for nothing: of two messages with one id it
// settles the one that went to its stream (RFC 6120 §8.1.2.1).
func TestTheResourceThatAReceiptClaimsCountsForNothing(t *testing.T) {
	s := newStage(t, untilack.Config{})
	first, second := s.enter(throne, nil), s.enter(crown, nil)
	s.work()
	s.deliver(first, message("chat", westminster, richard+"/"+throne, "m1", speech))
	s.deliver(second, message("chat", westminster, richard+"/"+crown, "m1", "<body>Farewell.</body>"+request))
	s.Incoming(s.now, second, []byte(strings.Replace(receipt("m1"), "<message", "<message from='"+richard+"/"+throne+"'", 1)))
	s.Close(s.now, second)
	s.work()
	s.sees(first, "m1")
	s.waits("m1 on stream")
	if waiting := s.Waiting(richard); len(waiting) == 1 && waiting[0].Resources[0] != throne {
		t.Errorf("what waits went to %q, want %q", waiting[0].Resources, throne)
	}
}

// The host may use its buffer again as soon as the call is over.
func TestTheCallersBytesAreNotKept(t *testing.T) {
	s := newStage(t, untilack.Config{})
	first := s.enter(throne, nil)
	s.work()
	buffer := []byte(chat("m1"))
	s.Outgoing(s.now, first, buffer)
	copy(buffer, strings.Repeat(" ", len(buffer)))
	s.Close(s.now, first)
	second := s.enter(throne, nil)
	s.work()
	s.sees(second, "m1")
	for _, stanza := range s.wrote[second] {
		if plain, _ := undelayed(stanza); plain != chat("m1") {
			t.Errorf("wrote %s, want %s", plain, chat("m1"))
		}
	}
}

// Whatever the policy keeps, nothing is to be expected for a receipt, with a body or
// with a request of its own (XEP-0184 §5.4).
func TestAReceiptIsNotKeptWhateverThePolicy(t *testing.T) {
	s := newStage(t, untilack.Config{Admit: func(untilack.Candidate) untilack.Admit { return untilack.Admit{Keep: true} }})
	stream := s.enter(throne, nil)
	s.work()
	for _, children := range []string{received("q1"), received("q1") + "<body>Thanks.</body>", received("q1") + request} {
		if v := s.deliver(stream, message("chat", westminster, richard, "m1", children)); v != untilack.Write {
			t.Errorf("%s: %v, want it written", children, v)
		}
		s.waits()
	}
}

// What the store has refused waits in memory alone, and is handed over at the end.
func TestARowThatTheStoreRefusedIsHandedOverAtTheEnd(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting})
	stream := s.enter(throne, nil)
	s.work()
	admission := s.Outgoing(s.now, stream, []byte(chat("m1")))
	s.Persisted(s.now, stream, admission, []error{actions.ErrFull})
	s.waits("m1 on stream")
	if waiting := s.Waiting(richard); len(waiting) == 1 && waiting[0].Stored {
		t.Error("the row counts as stored")
	}
	if left, err := s.Drain(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("Drain left %v, %v", left, err)
	}
	s.stores("m1")
}

// A row that the store could not delete is deleted later.
func TestARowThatCouldNotBeDeletedIsTriedAgain(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.fails[untilack.DeleteRows] = errBroken
	s.ack(stream, "m1")
	s.work()
	s.stores("m1")
	delete(s.fails, untilack.DeleteRows)
	s.pass(time.Minute)
	s.stores()
}

// A probe that is not answered ends its stream, but not one that has been replaced
// meanwhile.
func TestAReplacedStreamIsEndedOnce(t *testing.T) {
	s := newStage(t, untilack.Config{})
	first := s.enter(throne, nil)
	s.work()
	s.deliver(first, chat("m1"))
	s.pass(untilack.DefaultAckWait) // now it is being probed
	second := s.enter(throne, nil)
	s.pass(untilack.DefaultProbeWait)
	if got := s.ended[first]; got != untilack.Replaced {
		t.Errorf("the old stream was ended as %v, want %v and nothing after it", got, untilack.Replaced)
	}
	s.sees(second, "m1")
}

// A resource may hold what XML has to escape.
func TestAProbeIsWellFormedWhateverTheResourceIsCalled(t *testing.T) {
	s := newStage(t, untilack.Config{})
	const resource = `o'neill & "sons" <1>`
	stream := s.enter(resource, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.now = s.now.Add(untilack.DefaultAckWait)
	s.Tick(s.now)
	probe := s.beginA(untilack.ProbeStream)
	m, err := receipts.Scan(probe.Stanza)
	if err != nil || m.Element != receipts.IQStanza || m.To.String() != richard+"/"+resource {
		t.Errorf("the probe is %s: to %q, %v", probe.Stanza, m.To.String(), err)
	}
}

// A window of three is three messages, until one of them was read.
func TestTheWindowIsNotOverrunByOne(t *testing.T) {
	s := newStage(t, untilack.Config{Window: 3})
	for _, id := range []string{"m1", "m2", "m3", "m4", "m5"} {
		if err := s.offline(chat(id)); err != nil {
			t.Fatal(err)
		}
	}
	stream := s.enter(throne, nil)
	s.work()
	s.sees(stream, "m1", "m2", "m3")
	s.ack(stream, "m2") // was read, and m1 before it
	s.work()
	s.sees(stream, "m1", "m2", "m3", "m4", "m5")
}

// What was held back has its full time from the moment at which its stream goes on.
func TestDeadlinesStartAnewWhenAStreamGoesOn(t *testing.T) {
	s := newStage(t, untilack.Config{Jitter: -1})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	s.Pause(s.now, stream)
	s.pass(untilack.DefaultAckWait - time.Second)
	s.Resume(s.now, stream)
	s.pass(untilack.DefaultAckWait - time.Second)
	if n := s.Count(untilack.Probed); n != 0 {
		t.Errorf("%d probes within %v of Resume, want none", n, untilack.DefaultAckWait)
	}
	s.pass(time.Second)
	if n := s.Count(untilack.Probed); n != 1 {
		t.Errorf("%d probes after %v, want one", n, untilack.DefaultAckWait)
	}
}

// A copy against a crash is not for whoever logs in on another server that shares the
// store.
func TestACopyAgainstACrashIsNoMail(t *testing.T) {
	s := newStage(t, untilack.Config{Store: lasting})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, chat("m1"))
	rows, err := s.store.List(t.Context(), richard, 0, 10)
	if err != nil || len(rows) != 1 || !rows[0].Custody {
		t.Errorf("the rows are %v, %v, want one in custody", rows, err)
	}
}

// watched is a lasting store that tells of each Put before it begins.
type watched struct {
	durable
	put func()
}

func (s watched) Put(ctx context.Context, rows ...actions.Row) []error {
	s.put()
	return s.durable.Put(ctx, rows...)
}

func TestStoreFirstWritesNothingBeforeTheStoreHasAnswered(t *testing.T) {
	var client *client
	puts := 0
	store := watched{durable{actions.NewMemStore(nil)}, func() {
		if puts++; len(client.inbox) > 0 {
			t.Errorf("the client has %q before the store has the message", client.inbox)
		}
	}}
	story(t, untilack.Config{Store: store}, func(w *world) {
		client = w.online(throne, acknowledges)
		w.sends("m1")
		client.got("m1")
		if puts != 1 {
			t.Errorf("%d messages were put, want one", puts)
		}
	})
}

// Whoever writes to a client that reads nothing waits for WriteTimeout and no longer.
func TestAWriteThatBlocksIsEndedInTime(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		c := w.online(throne, silent)
		c.stalls()
		w.within(untilack.DefaultWriteTimeout, "a message to a client that reads nothing", func() { w.sends("m1") })
		c.wasEnded(untilack.WriteFailed)
		w.stores("m1")
	})
}

// A stream that takes nothing of its mail delays nobody else's.
func TestMailThatIsNotTakenDelaysNoOther(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		for _, to := range []string{richard, bob} {
			if err := w.send(message("chat", westminster, to, "m1", speech)); err != nil {
				t.Fatal(err)
			}
		}
		stuck := w.login(&client{habit: silent, stalled: true}, richard+"/"+throne)
		other := w.login(&client{habit: acknowledges}, bob+"/"+throne)
		w.within(0, "another's mail", func() { other.got("m1") })
		stuck.got()
		w.pass(time.Minute)
	})
}

// When Run has returned, nothing that it has begun goes on.
func TestRunWaitsForWhatItHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var over atomic.Bool
		slow := actions.Func(func(context.Context, packet) (actions.Outcome, error) {
			time.Sleep(500 * time.Millisecond)
			over.Store(true)
			return actions.Done, nil
		})
		w := newWorld(t, untilack.Config{Actions: []actions.Action{slow}})
		c := w.online(throne, silent)
		w.sends("m1")
		c.dies()
		w.stop()
		if !over.Load() {
			t.Error("Run has returned while an action was under way")
		}
	})
}

// A Run that has had nothing to wait for is woken by the first deadline.
func TestRunNoticesADeadlineAfterAQuietTime(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		c := w.online(throne, deaf)
		w.pass(time.Hour)
		w.sends("m1")
		w.pass(untilack.DefaultAckWait + untilack.DefaultProbeWait + time.Second)
		c.wasEnded(untilack.Dead)
	})
}
