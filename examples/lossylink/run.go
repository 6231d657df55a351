// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/examples/internal/relay"
	"github.com/untilack/untilack/examples/internal/stores"
	"github.com/untilack/untilack/examples/internal/wire"
	"github.com/untilack/untilack/internal/link"
	"mellium.im/xmpp/jid"
)

// Run makes the run without the cache and the run with it, one after the other.
func Run(ctx context.Context, config Config) (Report, error) {
	report := Report{Config: config}
	if err := config.validate(); err != nil {
		return report, err
	}
	var err error
	if config.Runs != With {
		if report.Without, err = runOnce(ctx, config, Without, newPlain()); err != nil {
			return report, fmt.Errorf("without untilack: %w", err)
		}
	}
	if config.Runs != Without {
		if report.With, err = runWith(ctx, config); err != nil {
			return report, fmt.Errorf("with untilack: %w", err)
		}
	}
	return report, nil
}

// runWith makes the run with the cache, on the store that config names.
func runWith(ctx context.Context, config Config) (*Outcome, error) {
	var store actions.Store // in memory
	if config.Store != "" {
		opened, err := stores.Open(ctx, config.Store)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		store = opened
	}
	kept, err := newKept(config, store)
	if err != nil {
		return nil, err
	}
	return runOnce(ctx, config, With, kept)
}

// newKept makes the delivery through untilack's cache. A nil store is one in memory.
func newKept(config Config, store actions.Store) (relay.Delivery, error) {
	return relay.NewKept(untilack.Config{
		Store:        store,
		PersistAfter: config.PersistAfter,
		AckWait:      config.AckWait,
		ProbeWait:    config.ProbeWait,
		Logger:       config.Log,
		Seed:         config.Seed,
	})
}

// A scene is one run: a relay, a link, and a client on each side of it.
type scene struct {
	config    Config
	ledger    *ledger
	relay     *relay.Relay
	link      *link.Link
	sender    *sender
	recipient *recipient
	failed    chan struct{} // closed when the link has failed for the first time
	phase     atomic.Pointer[string]
	back      time.Time // when the recipient was back for good
}

var errStuck = errors.New("the run does not come to an end")

// runOnce makes one run and takes everything down again.
func runOnce(ctx context.Context, config Config, name string, delivery relay.Delivery) (*Outcome, error) {
	most := time.Duration(float64(config.Messages)/config.Rate*float64(time.Second)) + config.Outage + time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, most, errStuck)
	s := &scene{config: config, ledger: newLedger(), failed: make(chan struct{})}
	s.enter("starting")
	background := make(chan error, 1)
	go func() { background <- delivery.Run(ctx) }()
	shown := s.show(ctx, name)

	err := s.play(ctx, delivery)
	s.close()
	cancel()
	<-shown
	if runErr := <-background; err == nil {
		err = runErr
	}
	if err != nil {
		return nil, err
	}
	return s.ledger.outcome(s.back), nil
}

// play is the story of a run.
func (s *scene) play(ctx context.Context, delivery relay.Delivery) error {
	address, err := s.build(ctx, delivery)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	sent := make(chan struct{})
	defer func() {
		cancel(nil)
		<-sent
	}()
	go func() {
		defer close(sent)
		if err := s.sender.sendAll(ctx, address, s.failed); err != nil {
			cancel(err)
		}
	}()

	s.enter("link up")
	if !wait(ctx, s.failed) {
		return context.Cause(ctx)
	}
	if err := s.outage(ctx); err != nil {
		return err
	}
	s.enter("link back")
	if !wait(ctx, sent) {
		return context.Cause(ctx)
	}
	return s.settle(ctx, delivery.Patience())
}

// build starts everyone. It returns the address that the sender writes to.
func (s *scene) build(ctx context.Context, delivery relay.Delivery) (to jid.JID, err error) {
	server := relay.Config{
		Delivery: delivery, Log: s.config.Log,
		Received: func(e wire.Element) { s.ledger.noteReached(e.Get("id")) },
	}
	if s.relay, err = relay.Listen(server, s.config.Transport); err != nil {
		return to, err
	}
	if s.link, err = link.New(s.relay.Addr(s.config.Transport)); err != nil {
		return to, err
	}
	if s.sender, err = newSender(ctx, s.config, s.relay.Addr(s.config.Transport), s.ledger); err != nil {
		return to, err
	}
	s.recipient = &recipient{
		config: s.config, ledger: s.ledger, link: s.link.Addr(),
		halfway: s.strike,
	}
	if to, err = s.recipient.connect(ctx); err != nil {
		return to, err
	}
	if s.config.To == Bare {
		to = to.Bare()
	}
	return to, nil
}

// strike makes the link fail. The recipient calls it between two messages.
func (s *scene) strike() {
	fault := s.config.Fault
	if fault == Flap {
		fault = Swallow
	}
	s.recipient.wait(true)
	s.link.Fail(fault)
	close(s.failed)
}

// outage waits while the link is dark, and brings the recipient back.
func (s *scene) outage(ctx context.Context) error {
	end := time.Now().Add(s.config.Outage)
	s.enter("link dark")
	if s.config.Fault == Flap {
		s.flap(ctx, end)
	}
	sleep(ctx, time.Until(end))
	s.link.Restore()
	err := s.recipient.reconnect(ctx)
	s.recipient.wait(false)
	s.back = time.Now()
	return err
}

// flap lets the link come back and fail again and again, until it stays dark at
// the end. The recipient logs in each time it seems to work, and is sometimes
// cut off in the middle of that.
func (s *scene) flap(ctx context.Context, end time.Time) {
	random := rand.New(rand.NewPCG(s.config.Seed, s.config.Seed))
	part := func() time.Duration { // some 4 to 13 % of the outage
		return time.Duration((0.04 + 0.09*random.Float64()) * float64(s.config.Outage))
	}
	faults := []Fault{Swallow, Stall, Reset, Finish}
	for time.Until(end) > s.config.Outage/4 && ctx.Err() == nil {
		sleep(ctx, part())
		s.link.Restore()
		s.enter("link up, but not for long")
		life, cancel := context.WithTimeout(ctx, part())
		if random.IntN(3) == 0 {
			fault := faults[random.IntN(len(faults))]
			time.AfterFunc(time.Duration(random.IntN(2000))*time.Microsecond, func() { s.link.Fail(fault) })
		}
		if _, err := s.recipient.connect(life); err != nil {
			s.config.Log.Info("cut off", "error", err)
		}
		<-life.Done()
		cancel()
		s.link.Fail(faults[random.IntN(len(faults))])
		s.enter("link dark")
	}
}

// lastChance is how much longer a cache gets that has not delivered everything:
// a busy machine is no loss.
const lastChance = 10 * time.Second

// settle waits until nothing has happened for a while. It does not end when all
// has arrived, since a copy too many may still come, but it waits longer for one
// that has not.
func (s *scene) settle(ctx context.Context, patience time.Duration) error {
	s.enter("waiting for more")
	start := time.Now()
	for ctx.Err() == nil {
		quiet := s.config.Quiet + patience
		if _, delivered, confirmed := s.ledger.counts(); patience > 0 && min(delivered, confirmed) < s.config.Messages {
			quiet += lastChance
		}
		if min(time.Since(start), s.ledger.quiet()) > quiet {
			return nil
		}
		sleep(ctx, 10*time.Millisecond)
	}
	return context.Cause(ctx)
}

// close takes down whatever build has started.
func (s *scene) close() {
	if s.recipient != nil {
		s.recipient.close()
	}
	if s.sender != nil {
		s.sender.close()
	}
	if s.link != nil {
		s.link.Close()
	}
	if s.relay != nil {
		s.relay.Close()
	}
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// wait waits for done; false says that ctx has ended first.
func wait(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}
