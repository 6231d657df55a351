// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
	"github.com/untilack/untilack/cache"
)

var (
	errNet    = errors.New("net is down")
	errBroken = actions.Permanent(errors.New("no such service"))
)

// step returns an action with one step.
func step(o actions.Outcome, err error) *actionstest.Script {
	return &actionstest.Script{Steps: []actionstest.Step{{Outcome: o, Err: err}}}
}

func TestChain(t *testing.T) {
	pass, done, failing, refusing := step(actions.Pass, nil), step(actions.Done, nil), step(actions.Pass, errNet), step(actions.Pass, errBroken)
	waiting := step(actions.Again(time.Minute), nil)
	tests := []struct {
		name    string
		chain   actions.Action
		outcome actions.Outcome
		err     error
	}{
		{"an empty one passes", actions.Chain(), actions.Pass, nil},
		{"nil is left out", actions.Chain(nil, done, nil), actions.Done, nil},
		{"the first that does not pass decides", actions.Chain(pass, waiting, done), actions.Again(time.Minute), nil},
		{"if all pass so does the chain", actions.Chain(pass, pass), actions.Pass, nil},
		{"an error stops it", actions.Chain(pass, failing, done), actions.Pass, errNet},
		{"a permanent error does not", actions.Chain(refusing, done), actions.Done, nil},
		{"a permanent error that nobody makes good is returned", actions.Chain(refusing, pass), actions.Pass, errBroken},
		{"a temporary error wins over a permanent one", actions.Chain(refusing, failing), actions.Pass, errNet},
		{"a chain within a chain", actions.Chain(actions.Chain(pass, refusing), done), actions.Done, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := tt.chain.Act(t.Context(), message("", cache.Chat))
			if o != tt.outcome || !errors.Is(err, tt.err) {
				t.Errorf("got %v, %v, want %v, %v", o, err, tt.outcome, tt.err)
			}
			if want := actions.IsPermanent(tt.err); actions.IsPermanent(err) != want {
				t.Errorf("IsPermanent: got %t, want %t", !want, want)
			}
		})
	}
}

func TestChainRunsAgainFromTheStart(t *testing.T) {
	first := step(actions.Pass, nil)
	second := &actionstest.Script{Steps: []actionstest.Step{{Err: errNet}, {Outcome: actions.Done}}}
	chain := actions.Chain(first, second)
	for range 2 {
		chain.Act(t.Context(), message("", cache.Chat))
	}
	if got := len(first.Calls()); got != 2 {
		t.Errorf("the first action ran %d times, want 2", got)
	}
}

func TestChainEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	first := actions.Func(func(context.Context, cache.Packet) (actions.Outcome, error) {
		cancel()
		return actions.Pass, nil
	})
	second := step(actions.Done, nil)
	if _, err := actions.Chain(first, second).Act(ctx, cache.Packet{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want the context's", err)
	}
	if len(second.Calls()) != 0 {
		t.Error("the second action ran after the context had ended")
	}
}

func TestWhen(t *testing.T) {
	chats := func(p cache.Packet) bool { return p.Marks.Has(cache.Chat) }
	tests := []struct {
		match func(cache.Packet) bool
		marks cache.Marks
		want  actions.Outcome
	}{
		{chats, cache.Chat, actions.Done},
		{chats, cache.Headline, actions.Pass},
		{nil, cache.Headline, actions.Done},
	}
	for _, tt := range tests {
		o, err := actions.When(tt.match, actions.Drop{}).Act(t.Context(), message("", tt.marks))
		if o != tt.want || err != nil {
			t.Errorf("marks %b: got %v, %v, want %v", tt.marks, o, err, tt.want)
		}
	}
}

func TestWatchSeesWhatAChainHides(t *testing.T) {
	var seen []string
	watch := func(name string, a actions.Action) actions.Action {
		return actions.Watch(a, func(_ cache.Packet, o actions.Outcome, err error) {
			seen = append(seen, fmt.Sprint(name, ": ", o, ", ", err))
		})
	}
	chain := actions.Chain(watch("hook", step(actions.Pass, errBroken)), watch("drop", actions.Drop{}))
	if o, err := chain.Act(t.Context(), cache.Packet{}); o != actions.Done || err != nil {
		t.Errorf("got %v, %v, want done", o, err)
	}
	want := []string{"hook: pass, no such service", "drop: done, <nil>"}
	if !slices.Equal(seen, want) {
		t.Errorf("seen: got %q, want %q", seen, want)
	}
}

func TestOutcome(t *testing.T) {
	tests := []struct {
		outcome            actions.Outcome
		text               string
		pass, done, stored bool
		wait               time.Duration
		again              bool
	}{
		{actions.Outcome{}, "pass", true, false, false, 0, false},
		{actions.Pass, "pass", true, false, false, 0, false},
		{actions.Done, "done", false, true, false, 0, false},
		{actions.Stored, "stored", false, true, true, 0, false},
		{actions.Again(time.Minute), "again in 1m0s", false, false, false, time.Minute, true},
		{actions.Again(-1), "again in 100ms", false, false, false, actions.MinWait, true},
	}
	for _, tt := range tests {
		o := tt.outcome
		wait, again := o.Wait()
		if o.String() != tt.text || o.IsPass() != tt.pass || o.IsDone() != tt.done || o.IsStored() != tt.stored || wait != tt.wait || again != tt.again {
			t.Errorf("got %v, %t, %t, %t, %v, %t, want %+v", o, o.IsPass(), o.IsDone(), o.IsStored(), wait, again, tt)
		}
	}
}

func TestPermanent(t *testing.T) {
	if actions.Permanent(nil) != nil || actions.IsPermanent(nil) || actions.IsPermanent(errNet) {
		t.Error("an error that says nothing must be temporary")
	}
	err := fmt.Errorf("webhook: %w", actions.Permanent(errNet))
	if !actions.IsPermanent(err) || !errors.Is(err, errNet) || err.Error() != "webhook: net is down" {
		t.Errorf("got %v", err)
	}
}
