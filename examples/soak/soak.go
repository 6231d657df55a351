// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/untilack/untilack/examples/internal/relay"
)

// A soak is one run: a relay, senders, and clients behind networks that fail.
type soak struct {
	config   Config
	start    time.Time
	ledger   *ledger
	delivery *delivery
	relay    *relay.Relay
	proxies  []*proxy
	clients  []*client
	senders  []*sender
	struck   tally
	meter    meter

	online    sync.WaitGroup // what sees to it that the clients are
	hangUp    context.CancelFunc
	keeping   chan error // what became of the Keeper's Run
	stopKeep  context.CancelFunc
	goroutine int // how many there were before
}

// Run makes the run. It ends when its time is over, or ctx; then the faults
// cease, and all that was sent has to arrive.
func Run(ctx context.Context, config Config) (*Report, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	s := &soak{config: config, start: time.Now(), goroutine: runtime.NumGoroutine()}
	s.struck.counts = make(map[string]int)
	cpu := cpuTime()
	err := s.play(ctx)
	var report *Report
	if err == nil {
		report = s.report(cpuTime() - cpu)
	}
	if closeErr := s.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	report.GoroutinesBefore = s.goroutine
	report.GoroutinesAfter = settleDown(s.goroutine)
	return report, nil
}

// play is the story of the run.
func (s *soak) play(ctx context.Context) error {
	if err := s.build(); err != nil {
		return err
	}
	watching, cancel := context.WithCancel(context.Background())
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer cancel()
	watchers.Go(func() { s.meter.watch(watching) })
	watchers.Go(func() { s.tell(watching) })
	watchers.Go(func() {
		for sleep(watching, time.Second) {
			s.ledger.sweep()
		}
	})
	if err := s.storm(ctx); err != nil {
		return err
	}
	return s.lull()
}

// storm sends messages and has the networks fail.
func (s *soak) storm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.For)
	defer cancel()
	var blowing sync.WaitGroup
	defer blowing.Wait()
	for i, c := range s.clients {
		w := &weather{
			proxy: s.proxies[i], client: c, every: s.config.Every,
			random: s.random("weather", i), struck: &s.struck,
		}
		blowing.Go(func() { w.blow(ctx) })
	}
	err := sendAll(ctx, s.senders, len(s.clients), s.config.Rate, s.random("messages", 0))
	cancel()
	return err
}

var errStuck = errors.New("not all clients have come back")

// lull lets everybody come back, and waits until nothing is missing, or nothing
// more happens.
func (s *soak) lull() error {
	for i, p := range s.proxies {
		p.soothe()
		s.clients[i].soothe()
	}
	start := time.Now()
	for quiet := time.Duration(0); quiet < s.config.Patience; quiet = min(s.quietFor(), time.Since(start)) {
		if quiet > s.delivery.Patience() && s.isOver() { // until then a copy too many may come
			break
		}
		time.Sleep(pause)
	}
	for _, c := range s.clients {
		if !c.online() {
			return errStuck
		}
	}
	return nil
}

// isOver reports whether all have what they should have.
func (s *soak) isOver() bool {
	for _, c := range s.clients {
		if !c.online() {
			return false
		}
	}
	lost, unconfirmed := s.ledger.missing()
	waiting, stored := s.delivery.left()
	return lost+unconfirmed+waiting+stored == 0
}

// quietFor returns how long nothing has happened.
func (s *soak) quietFor() time.Duration {
	_, quiet := s.ledger.now()
	return quiet
}

// close takes everybody down and waits for them.
func (s *soak) close() error {
	if s.hangUp != nil {
		s.hangUp()
	}
	s.online.Wait()
	var closing sync.WaitGroup
	for _, c := range s.clients {
		closing.Go(c.close)
	}
	for _, p := range s.proxies {
		closing.Go(p.close)
	}
	for _, one := range s.senders {
		closing.Go(one.close)
	}
	closing.Wait()
	if s.relay != nil {
		s.relay.Close()
	}
	if s.stopKeep == nil {
		return nil
	}
	s.stopKeep()
	return <-s.keeping
}
