// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A story is what happens to a ledger of one prompt client and one lazy one.
type story func(l *ledger)

// says returns what is wrong after a story, as the command would tell.
func (s story) says() string {
	l := newLedger([]habit{prompt, lazy}, 10)
	s(l)
	r := &Report{Counts: l.counts}
	r.Counts.Lost, r.Counts.Unconfirmed = l.missing()
	return strings.Join(r.Failures(), ", ")
}

// arrives has a message take its whole way.
func arrives(l *ledger, v *visit, s *stream, id string) {
	l.noteWritten(s, id)
	l.noteCopy(v, id)
	l.noteAnswer("r-"+id, id)
	l.noteReached("r-" + id)
	l.noteReceipt(id, "bob-0@localhost/phone")
}

// TestLedger checks that the books notice what must not be.
func TestLedger(t *testing.T) {
	for _, test := range []struct {
		name, want string
		story      story
	}{
		{"all is well", "", func(l *ledger) {
			v, s := l.noteLogin(0), l.noteOpened(0, "phone")
			arrives(l, v, s, l.noteSent(0, 0))
		}},
		{"lost", "1 lost, 1 not confirmed to their sender", func(l *ledger) { l.noteSent(0, 0) }},
		{"not confirmed", "1 not confirmed to their sender", func(l *ledger) {
			l.noteCopy(l.noteLogin(0), l.noteSent(0, 0))
		}},
		{"a lazy client need not", "", func(l *ledger) { l.noteCopy(l.noteLogin(1), l.noteSent(0, 1)) }},
		{"out of order", "1 out of order", func(l *ledger) {
			v, s := l.noteLogin(0), l.noteOpened(0, "phone")
			first, second := l.noteSent(0, 0), l.noteSent(0, 0)
			arrives(l, v, s, second)
			arrives(l, v, s, first)
		}},
		{"another pair's order", "", func(l *ledger) {
			v, s := l.noteLogin(0), l.noteOpened(0, "phone")
			first, second := l.noteSent(0, 0), l.noteSent(1, 0)
			arrives(l, v, s, second)
			arrives(l, v, s, first)
		}},
		{"in flight", "", func(l *ledger) {
			id := l.noteSent(0, 0)
			v, s := l.noteLogin(0), l.noteOpened(0, "phone")
			l.noteWritten(s, id)
			l.noteCopy(v, id)
			l.noteEnded(0, "phone")
			arrives(l, l.noteLogin(0), l.noteOpened(0, "phone"), id)
		}},
		{"not in flight", "1 more duplicates than were in flight", func(l *ledger) {
			id := l.noteSent(0, 0)
			v, s := l.noteLogin(0), l.noteOpened(0, "phone")
			l.noteWritten(s, id)
			l.noteCopy(v, id)
			arrives(l, l.noteLogin(0), l.noteOpened(0, "tablet"), id)
		}},
		{"twice on a stream", "1 copies too many", func(l *ledger) {
			id := l.noteSent(0, 0)
			v, s := l.noteLogin(0), l.noteOpened(0, "phone")
			l.noteCopy(v, id)
			l.noteWritten(s, id)
			l.noteEnded(0, "phone")
			arrives(l, v, l.noteOpened(0, "phone"), id)
		}},
		{"after its receipt", "1 copies too many", func(l *ledger) {
			id := l.noteSent(0, 0)
			arrives(l, l.noteLogin(0), l.noteOpened(0, "phone"), id)
			time.Sleep(time.Second)
			l.counts.InFlight++
			l.noteCopy(l.noteLogin(0), id)
		}},
		{"after it was forgotten", "1 copies too many", func(l *ledger) {
			id := l.noteSent(0, 0)
			arrives(l, l.noteLogin(0), l.noteOpened(0, "phone"), id)
			time.Sleep(2 * linger)
			l.sweep()
			l.counts.InFlight++
			l.noteCopy(l.noteLogin(0), id)
		}},
		{"forged", "1 forged receipts", func(l *ledger) {
			id := l.noteSent(0, 0)
			arrives(l, l.noteLogin(0), l.noteOpened(0, "phone"), id)
			l.noteReceipt(id, "bob-0@localhost/phone")
		}},
		{"from somebody else", "1 forged receipts", func(l *ledger) {
			id := l.noteSent(0, 1)
			l.noteCopy(l.noteLogin(1), id)
			l.noteAnswer("r", id)
			l.noteReceipt(id, "bob-0@localhost/phone")
		}},
		{"for nothing", "1 forged receipts", func(l *ledger) { l.noteReceipt("m-0-0-0", "bob-0@localhost/phone") }},
		{"unknown", "1 messages that nobody sent", func(l *ledger) { l.noteCopy(l.noteLogin(0), "m-0-0-0") }},
		{"altered", "1 altered", func(l *ledger) { l.noteRead("m-0-0-0", false) }},
		{"bounced", "1 errors to senders", func(l *ledger) { l.noteBounce() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := test.story.says(); got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		})
	}
}

// TestSweep checks that what is over is forgotten, and nothing else is.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger([]habit{prompt}, 0)
		s := l.noteOpened(0, "phone")
		for range 100 {
			arrives(l, l.noteLogin(0), s, l.noteSent(0, 0))
		}
		l.noteCopy(l.noteLogin(0), l.noteSent(0, 0)) // has no receipt
		l.noteSent(0, 0)                             // has not arrived
		l.noteAnswer("lost", "m-0-0-100")
		time.Sleep(linger / 2)
		l.sweep()
		if got := l.remembered(); got != 102 {
			t.Errorf("%d messages remembered too early, want 102", got)
		}
		time.Sleep(linger)
		l.sweep()
		if got := l.remembered(); got != 2 || len(l.answers) != 0 || len(s.unanswered) != 0 {
			t.Errorf("remembered %d messages, %d answers, %d on the stream", got, len(l.answers), len(s.unanswered))
		}
	})
}

// TestRecover checks how the time to recover is taken.
func TestRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger([]habit{prompt}, 0)
		first, second := l.noteSent(0, 0), l.noteSent(0, 0)
		l.noteUp(l.noteLogin(0), false) // ends before anything has arrived
		time.Sleep(time.Second)
		v := l.noteLogin(0)
		time.Sleep(time.Second)
		l.noteUp(v, true)
		third := l.noteSent(0, 0)
		l.noteCopy(v, first)
		time.Sleep(2 * time.Second)
		l.noteCopy(v, second)
		time.Sleep(time.Second)
		l.noteCopy(v, third) // was sent later
		if l.recover.count != 1 || l.recover.most != 2*time.Second {
			t.Errorf("took %s, counted %d times", l.recover.most, l.recover.count)
		}
	})
}
