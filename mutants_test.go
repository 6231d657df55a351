// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
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
