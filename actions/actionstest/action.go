// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// TestAction checks that an action keeps the rules of actions.Action. Create
// returns a new one whose surroundings work, and is called once for each case.
func TestAction(t *testing.T, create func(t *testing.T) actions.Action) {
	t.Helper()
	runAll(t, actionCases, create)
}

// CheckAction does what TestAction does, and returns one error that joins all
// faults, or nil.
func CheckAction(create func() actions.Action) error {
	return checkAll(actionCases, create)
}

var actionCases = []testCase[actions.Action]{
	{
		name: "any packet is answered",
		rule: "Ids, addresses and stanzas are untrusted: an action answers every packet without a panic.",
		run:  checkAnyPacket,
	},
	{
		name: "a packet stays as it is",
		rule: "The packet's bytes and copies belong to the cache and are not changed.",
		run:  checkUnchanged,
	},
	{
		name: "an action may run twice",
		rule: "After a crash or a time-out Act runs once more for the same packet, and does not fail for that.",
		run:  checkTwice,
	},
	{
		name: "an ended context ends the call",
		rule: "Act returns soon after its context has ended.",
		run:  checkEndedContext,
	},
	{
		name: "again has an end",
		rule: "Attempts are bounded (XEP-0184 0.2 §6: not more than five), so that no packet is kept for ever.",
		run:  checkAgainEnds,
	},
	{
		name: "many run at once",
		rule: "An action is safe for concurrent use.",
		run:  checkManyActs,
	},
}

// samples returns packets of every kind, good and bad.
func samples() []cache.Packet {
	bare, full := NewPacket(richard, henry, "bare"), NewPacket(richard+"/throne", henry, "full")
	packets := []cache.Packet{bare, full, {}, {Attempt: -1}, {Stanza: []byte("<"), Attempt: 1 << 30}}
	for mark := cache.Chat; mark <= cache.Parked; mark <<= 1 {
		for _, p := range []cache.Packet{bare, full} {
			p.Marks = mark
			packets = append(packets, p)
		}
	}
	all := full
	all.Marks = ^cache.Marks(0)
	odd := full
	odd.Key = cache.Key{To: "\xff\x00", From: "a@b/\"<&'>\n", ID: "\ufffe"}
	odd.Stanza = []byte("\x00\xff")
	return append(packets, all, odd)
}

func checkAnyPacket(c *check, a actions.Action) {
	for _, p := range samples() {
		a.Act(c.ctx, p) //nolint:errcheck // any answer will do
	}
}

func checkUnchanged(c *check, a actions.Action) {
	for _, p := range samples() {
		p.Copies = []cache.Copy{{Resource: "throne", Stream: 1}}
		stanza, copies := bytes.Clone(p.Stanza), slices.Clone(p.Copies)
		a.Act(c.ctx, p) //nolint:errcheck // any answer will do
		if !bytes.Equal(p.Stanza, stanza) || !slices.Equal(p.Copies, copies) {
			c.faultf("the packet %+v was changed", p.Key)
		}
	}
}

func checkTwice(c *check, a actions.Action) {
	p := NewPacket(richard, henry, "twice")
	if _, err := a.Act(c.ctx, p); !c.none("Act", err) {
		return
	}
	_, err := a.Act(c.ctx, p)
	c.none("Act for the second time", err)
}

func checkEndedContext(c *check, a actions.Action) {
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer c.recover()
		a.Act(ctx, NewPacket(richard, henry, "ended")) //nolint:errcheck // any answer will do
	}()
	if !returnsAfter(ctx, ended) {
		c.faultf("Act did not return within %v after its context had ended", graceTime)
	}
}

func checkAgainEnds(c *check, a actions.Action) {
	p := NewPacket(richard, henry, "again")
	p.Attempt = 1_000
	o, err := a.Act(c.ctx, p)
	if _, again := o.Wait(); err == nil && again {
		c.faultf("after %d attempts: got %v, want an end", p.Attempt, o)
	}
}

func checkManyActs(c *check, a actions.Action) {
	packets := samples()
	c.together(func(int) {
		for _, p := range packets {
			a.Act(c.ctx, p) //nolint:errcheck // any answer will do
		}
	})
}
