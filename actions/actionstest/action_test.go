// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
	"github.com/untilack/untilack/cache"
)

func TestOurActions(t *testing.T) {
	send := func(context.Context, cache.Packet) error { return nil }
	ours := map[string]func() actions.Action{
		"Drop":       func() actions.Action { return actions.Drop{} },
		"Offline":    func() actions.Action { return actions.Offline{Store: new(actions.MemStore)} },
		"DeadLetter": func() actions.Action { return actions.DeadLetter{Store: new(actions.MemStore)} },
		"Redeliver":  func() actions.Action { return actions.Redeliver{Send: send} },
		"Notify":     func() actions.Action { return &actions.Notify{Func: send} },
		"Bounce": func() actions.Action {
			return actions.Bounce{Send: func(context.Context, string, []byte) error { return nil }}
		},
		"Chain": func() actions.Action {
			return actions.Chain(
				actions.Redeliver{Send: send},
				actions.Offline{Store: new(actions.MemStore)},
				actions.Drop{},
			)
		},
		"Script": func() actions.Action { return new(actionstest.Script) },
	}
	for name, create := range ours {
		t.Run(name, func(t *testing.T) {
			actionstest.TestAction(t, func(*testing.T) actions.Action { return create() })
		})
	}
}

func TestCheckActionFindsWhatIsBroken(t *testing.T) {
	tests := map[string]func() actions.Action{
		"any packet is answered: panic": func() actions.Action {
			return actions.Func(func(_ context.Context, p cache.Packet) (actions.Outcome, error) {
				_ = p.Stanza[0]
				return actions.Done, nil
			})
		},
		"was changed": func() actions.Action {
			return actions.Func(func(_ context.Context, p cache.Packet) (actions.Outcome, error) {
				p.Copies = append(p.Copies[:0], cache.Copy{})
				return actions.Done, nil
			})
		},
		"Act for the second time": func() actions.Action {
			seen := false
			return actions.Func(func(_ context.Context, p cache.Packet) (actions.Outcome, error) {
				if p.Key.ID != "twice" {
					return actions.Pass, nil
				}
				if seen {
					return actions.Pass, errors.New("duplicate key")
				}
				seen = true
				return actions.Done, nil
			})
		},
		"after 1000 attempts": func() actions.Action {
			return actions.Func(func(context.Context, cache.Packet) (actions.Outcome, error) {
				return actions.Again(time.Second), nil
			})
		},
	}
	for found, create := range tests {
		if err := actionstest.CheckAction(create); err == nil || !strings.Contains(err.Error(), found) {
			t.Errorf("got error %v, want one with %q", err, found)
		}
	}
}

func TestCheckActionFindsNothingInDrop(t *testing.T) {
	if err := actionstest.CheckAction(func() actions.Action { return actions.Drop{} }); err != nil {
		t.Error(err)
	}
}
