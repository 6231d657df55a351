// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package login

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/untilack/untilack/middleware"

	"mellium.im/xmpp"
	"mellium.im/xmpp/ping"
	"mellium.im/xmpp/stanza"
)

// A pause before a login is twice as long as the one before it, within these bounds, and
// less by chance: many clients do not come back at once.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 30 * time.Second
)

// Keep logs in and calls use with the session, and again whenever use has returned, until
// ctx ends; then it returns nil. The first login has to succeed. All sessions have the
// first one's resource, so that the server ends one that is left behind, and recipients
// know copies of what was sent before.
func (a *Account) Keep(ctx context.Context, use func(context.Context, *xmpp.Session) error) error {
	session, err := a.Dial(ctx)
	if err != nil {
		return err
	}
	again := *a
	again.Address = session.LocalAddr()
	pause := firstPause
	for {
		began := time.Now()
		if err == nil {
			err = use(ctx, session)
		}
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > maxPause {
			pause = firstPause
		}
		slog.Warn("stream ended", "error", err, "again in", pause)
		if !sleep(ctx, pause/2+rand.N(pause/2)) {
			return nil
		}
		pause = min(2*pause, maxPause)
		session, err = again.Dial(ctx)
	}
}

// sleep reports whether the time has passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Greet says that the client is there, so that messages for the account are sent to it.
func Greet(ctx context.Context, c *middleware.Client) error {
	_, err := c.Send(ctx, stanza.Presence{}.Wrap(nil))
	return err
}

// Watch asks the server every so often whether it is there, and closes the session when it
// does not answer by the next time: a link that has gone dark says nothing. It returns
// when the session has ended, not much later.
func (a *Account) Watch(c *middleware.Client) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), a.Ping)
		err := ping.Send(ctx, c.Session(), c.Session().LocalAddr().Domain())
		cancel()
		if err != nil {
			_ = c.Close()
			return
		}
		select {
		case <-c.Done():
			return
		case <-time.After(a.Ping):
		}
	}
}
