// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

import (
	"fmt"
	"slices"
	"time"

	"github.com/untilack/untilack/internal/integration/crashtest"
)

// grace is how long a receipt may be on its way: until the host has read it and the row is
// deleted. It is long, for a machine may be busy.
const grace = 2 * time.Second

// onItsWay returns how long the receipt for a copy had been on its way at most when another
// stream was opened, or when its own had ended.
func onItsWay(c crashtest.Copy, other *crashtest.Login) time.Duration {
	if ended := c.On.Ended; !ended.IsZero() && ended.Before(other.Opened) {
		return ended.Sub(c.At)
	}
	return other.Opened.Sub(c.At)
}

// A ledger judges what comes again: that has to have a cause. It counts what comes out of
// order, for different nodes keep none.
type ledger struct {
	*crashtest.Ledger
	disorder, disorderOfNode               int
	duplicatesOfResent, duplicatesInFlight int
	longestOnItsWay                        time.Duration // of the receipts of the latter
}

func newLedger() *ledger {
	l := &ledger{}
	l.Ledger = crashtest.NewLedger(l.judge)
	return l
}

// judge is called when a recipient has read a message.
func (l *ledger) judge(m *crashtest.Message, on *crashtest.Login) {
	if len(m.Copies) > 0 {
		l.judgeAgain(m, on)
		return
	}
	newest := l.Newest[m.Pair]
	if newest == nil || newest.Number < m.Number {
		return
	}
	l.disorder++
	if !m.Resent && !newest.Resent && m.Server == newest.Server {
		l.disorderOfNode++
	}
}

func (l *ledger) judgeAgain(m *crashtest.Message, on *crashtest.Login) {
	settled := func(c crashtest.Copy) bool { return c.On == on || onItsWay(c, on) > grace }
	switch {
	case m.Resent:
		l.duplicatesOfResent++
	case slices.ContainsFunc(m.Copies, settled):
		l.Fault("a copy more of %q, which was settled", m.ID)
	default:
		l.duplicatesInFlight++
		last := m.Copies[len(m.Copies)-1]
		l.longestOnItsWay = max(l.longestOnItsWay, onItsWay(last, on))
	}
}

// check returns what must not have happened. No node has a cause to refuse a message.
func (l *ledger) check() error {
	refused := 0
	l.Look(func() { refused = l.Refused })
	if refused > 0 {
		return fmt.Errorf("%d messages were refused", refused)
	}
	return l.Check()
}

// String sums up.
func (l *ledger) String() (text string) {
	l.Look(func() {
		text = fmt.Sprintf("%d messages, %d acknowledged, %d times sent again; %d logins; lost: %d; duplicates: %d of messages sent again, %d in flight (their receipts for %v at most); out of order: %d, of which one node took %d; %d receipts",
			l.Sent, l.Acknowledged, l.Resent, l.Logins, l.Missing, l.duplicatesOfResent, l.duplicatesInFlight,
			l.longestOnItsWay.Round(time.Millisecond), l.disorder, l.disorderOfNode, l.Receipts)
	})
	return text
}
