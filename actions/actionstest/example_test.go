// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
	"github.com/untilack/untilack/cache"
)

// Webhook is somebody else's action: it hands a packet to a web service, and
// is done if that takes it.
type Webhook struct {
	Post func(ctx context.Context, recipient string, stanza []byte) (status int, err error)
}

func (w Webhook) Act(ctx context.Context, p cache.Packet) (actions.Outcome, error) {
	if p.Marks.Has(cache.Volatile) {
		return actions.Pass, nil // who knows where it would be kept
	}
	switch status, err := w.Post(ctx, p.Key.To, p.Stanza); {
	case err != nil:
		return actions.Pass, err // the net: try again later
	case status >= 500:
		return actions.Pass, errors.New("webhook: the service is in trouble")
	case status >= 400:
		return actions.Pass, actions.Permanent(errors.New("webhook: not wanted"))
	default:
		return actions.Done, nil
	}
}

func TestWebhook(t *testing.T) {
	actionstest.TestAction(t, func(*testing.T) actions.Action {
		return Webhook{Post: func(context.Context, string, []byte) (int, error) { return 204, nil }}
	})
}
