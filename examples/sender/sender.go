// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/examples/internal/login"
	"github.com/untilack/untilack/middleware"

	"mellium.im/xmpp"
)

// A sender sends letters, and learns what became of them.
type sender struct {
	account login.Account
	wait    time.Duration // for a receipt
	tries   int
	outbox  *outbox
	screen  *screen

	letters []*letter
	byID    map[string]*letter
	tracker *client.Tracker    // of all sessions
	todo    chan *letter       // has room for all
	results chan client.Result // has room for one of each letter, and there is no more at a time
	counts  map[client.State]int
	fail    context.CancelCauseFunc // ends the run
}

// run returns when it is known of all letters what became of them, or ctx ends, or with an
// error if the first login fails or a letter can not be sent at all.
func (s *sender) run(ctx context.Context) error {
	s.byID, s.counts = make(map[string]*letter), make(map[client.State]int)
	s.todo, s.results = make(chan *letter, len(s.letters)), make(chan client.Result, len(s.letters))
	s.tracker = client.NewTracker(&client.TrackerOptions{
		Account:   s.account.Address.Bare(),
		Retention: s.wait,
		Messages:  -1,
		Result:    func(r client.Result) { s.results <- r },
	})
	if err := s.sort(); err != nil {
		return err
	}
	ctx, s.fail = context.WithCancelCause(ctx)
	var sessions sync.WaitGroup
	sessions.Go(func() { s.fail(s.account.Keep(ctx, s.serve)) })
	err := s.collect(ctx)
	s.fail(nil)
	sessions.Wait()
	for err == nil && len(s.results) > 0 { // of the last moment
		_, err = s.note(<-s.results)
	}
	return err
}

// sort has the letters wait that were sent by another process, and sends the others. Their
// time begins anew: the receipts may be among what the server has kept meanwhile.
func (s *sender) sort() error {
	for _, l := range s.letters {
		s.byID[l.id] = l
		if l.sent.IsZero() {
			s.todo <- l
			continue
		}
		sent, err := s.tracker.Expect(time.Now(), client.Waited{ID: l.id, To: l.to.String()})
		if err != nil {
			return err
		}
		l.copies = append(l.copies, sent)
	}
	return nil
}

// serve sends letters until the session or ctx ends.
func (s *sender) serve(ctx context.Context, session *xmpp.Session) error {
	c, err := middleware.NewClient(session, &middleware.ClientOptions{Tracker: s.tracker})
	if err != nil {
		return err
	}
	defer c.Close()
	served := make(chan error, 1)
	go func() { served <- c.Serve(nil) }()
	go s.account.Watch(c)
	if err := login.Greet(ctx, c); err != nil {
		return err
	}
	for {
		select {
		case l := <-s.todo:
			if err := s.send(ctx, c, l); err != nil {
				return err
			}
		case err := <-served:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// send sends a letter, unless a receipt for an earlier copy has come late: not every client
// acknowledges two. If it is not written after all, its result is Cancelled.
func (s *sender) send(ctx context.Context, c *middleware.Client, l *letter) error {
	for _, c := range l.copies {
		if r := c.Result(); r.State == client.Delivered {
			s.results <- r
			return nil
		}
	}
	if l.sent.IsZero() {
		l.sent = time.Now()
	}
	if err := s.outbox.sending(l); err != nil {
		s.fail(err)
		return err
	}
	sent, err := c.Encode(ctx, l.stanza())
	if err != nil {
		if !errors.Is(err, middleware.ErrClosed) { // it is not the session: no other would take it
			s.fail(err)
		}
		return errors.Join(err, s.outbox.unsent(l))
	}
	l.copies = append(l.copies, sent)
	return nil
}

// collect notes results until there is one of each letter.
func (s *sender) collect(ctx context.Context) error {
	for open := len(s.letters); open > 0; {
		select {
		case r := <-s.results:
			done, err := s.note(r)
			if err != nil {
				return err
			}
			if done {
				open--
			}
		case <-ctx.Done():
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		}
	}
	return nil
}

// note takes note of a result, and reports whether it is the letter's last.
func (s *sender) note(r client.Result) (done bool, err error) {
	l := s.byID[r.ID]
	switch {
	case r.State == client.Cancelled:
		s.todo <- l
		return false, s.outbox.unsent(l)
	case r.State == client.Expired && l.tries+1 < s.tries:
		l.tries++
		s.todo <- l
		return false, nil
	}
	s.counts[r.State]++
	s.screen.show(r)
	return true, s.outbox.finish(r)
}

// summary returns how many letters there are in each state.
func (s *sender) summary() string {
	var parts []string
	unfinished := len(s.letters)
	for _, state := range []client.State{client.Delivered, client.Bounced, client.Expired} {
		parts = append(parts, fmt.Sprintf("%d %v", s.counts[state], state))
		unfinished -= s.counts[state]
	}
	return fmt.Sprintf("%d messages: %s, %d unfinished", len(s.letters), strings.Join(parts, ", "), unfinished)
}
