// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package kill

import (
	"fmt"
	"strings"
	"testing"

	"github.com/untilack/untilack/internal/integration/crashtest"
)

// A ledger judges the order in which messages come, and counts what comes again.
type ledger struct {
	*crashtest.Ledger
	delivered, duplicates, refusedAndDelivered int
}

func newLedger() *ledger {
	l := &ledger{}
	l.Ledger = crashtest.NewLedger(l.judge)
	return l
}

// judge is called when a recipient has read a message.
func (l *ledger) judge(m *crashtest.Message, on *crashtest.Login) {
	switch {
	case m.Refused: // and stored all the same: the database has died before it could say so
		l.refusedAndDelivered++
		return
	case len(m.Copies) > 0:
		l.duplicates++
	default:
		l.delivered++
	}
	if newest := l.Newest[m.Pair]; m.Number <= on.Newest[m.Pair] || len(m.Copies) == 0 && newest != nil && m.Number < newest.Number {
		l.Fault("%s (copy %d) comes after %d on its stream, and %s in all", m.ID, len(m.Copies)+1, on.Newest[m.Pair], newest.ID)
	}
}

// String sums up.
func (l *ledger) String() (text string) {
	l.Look(func() {
		text = fmt.Sprintf("%d messages: %d acknowledged, %d refused (%d of them delivered); %d others delivered, %d acknowledged and lost, %d duplicates, %d receipts",
			l.Sent, l.Acknowledged, l.Refused, l.refusedAndDelivered, l.delivered, l.Missing, l.duplicates, l.Receipts)
	})
	return text
}

// TestLedger checks that the ledger notices what must not happen. Of each story the
// letters say what is done: s sends the next message, a acknowledges one, f refuses one,
// r receives one, and l logs in.
func TestLedger(t *testing.T) {
	for story, want := range map[string]string{
		"s s a1 a2 r1 r2":      "lost 0, duplicates 0, faults 0",
		"s s a1 a2 r1":         "lost 1, duplicates 0, faults 0",
		"s a1 r1 l r1":         "lost 0, duplicates 1, faults 0",
		"s s a1 a2 r2 r1":      "lost 0, duplicates 0, faults 1",
		"s s a1 a2 r1 r2 l r2": "lost 0, duplicates 1, faults 0",
		"s s r1 r2 l r2 r1":    "lost 0, duplicates 2, faults 1",
		"s s a1 a2 r2 l r1":    "lost 0, duplicates 0, faults 1",
		"s r1 r1":              "lost 0, duplicates 1, faults 1",
		"s s a2 l r2 r1":       "lost 0, duplicates 0, faults 1",
		"s s f1 a2 r2 l r1":    "lost 0, duplicates 0, faults 0",
		"s s f1 a1 a2 r2":      "lost 0, duplicates 0, faults 0",
		"s s a1 f2 r2 r1":      "lost 0, duplicates 0, faults 0",
		"r9":                   "lost 0, duplicates 0, faults 1",
	} {
		if got := tell(story); got != want {
			t.Errorf("%s: got %q, want %q", story, got, want)
		}
	}
}

// tell returns what the ledger says of a story.
func tell(story string) string {
	l := newLedger()
	on := l.LogIn()
	for step := range strings.FieldsSeq(story) {
		id := "0-0-" + step[1:]
		switch step[0] {
		case 's':
			l.Send(crashtest.Pair{})
		case 'a':
			l.Acknowledge([]string{id})
		case 'f':
			l.Refuse(id)
		case 'r':
			l.Receive(on, id)
		case 'l':
			on = l.LogIn()
		}
	}
	return fmt.Sprintf("lost %d, duplicates %d, faults %d", len(l.Lost()), l.duplicates, l.Faults())
}
