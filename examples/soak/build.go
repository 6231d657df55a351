// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/untilack/untilack/examples/internal/relay"
	"github.com/untilack/untilack/examples/internal/wire"
)

// build starts everybody.
func (s *soak) build() (err error) {
	habits := make([]habit, s.config.Clients)
	for i := range habits {
		habits[i] = habitOf(i)
	}
	s.ledger = newLedger(habits, s.config.Traced)
	if s.delivery, err = newDelivery(s.config, s.ledger); err != nil {
		return err
	}
	keeping, stop := context.WithCancel(context.Background())
	s.stopKeep, s.keeping = stop, make(chan error, 1)
	go func() { s.keeping <- s.delivery.Run(keeping) }()
	config := relay.Config{
		Delivery: s.delivery, Log: s.config.Log, Wrap: s.delivery.wrap,
		Received: func(e wire.Element) { s.ledger.noteReached(e.Get("id")) },
	}
	if s.relay, err = relay.Listen(config, wire.TCP, wire.WebSocket); err != nil {
		return err
	}
	if err := s.buildSenders(); err != nil {
		return err
	}
	return s.buildClients(habits)
}

func (s *soak) buildSenders() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for i := range s.config.Senders {
		one, err := newSender(ctx, s.relay.Addr(wire.TCP), wire.TCP, i, s.ledger, s.config.Log)
		if err != nil {
			return err
		}
		s.senders = append(s.senders, one)
	}
	return nil
}

// habitOf returns the habit of a client: of ten one is slow, one lazy and one
// silent.
func habitOf(i int) habit {
	switch i % 10 {
	case 3:
		return slow
	case 6:
		return lazy
	case 9:
		return silent
	}
	return prompt
}

// transportOf returns the transport of a client: of four one takes a WebSocket.
func transportOf(i int) wire.Transport {
	if i/2%4 == 1 {
		return wire.WebSocket
	}
	return wire.TCP
}

// keepsResource reports whether a client takes the same resource with each login:
// half do.
func keepsResource(i int) bool { return i/10%2 == i%2 }

// buildClients starts the clients.
func (s *soak) buildClients(habits []habit) error {
	ctx, cancel := context.WithCancel(context.Background())
	s.hangUp = cancel
	network := shape{delay: s.config.Delay, jitter: s.config.Jitter, bandwidth: s.config.Bandwidth, loss: s.config.Loss}
	for i, h := range habits {
		c := &client{
			name: clientName(i), number: i, habit: h, transport: transportOf(i),
			ledger: s.ledger, log: s.config.Log, random: s.random("client", i),
			streams: make(map[*wire.Stream]struct{}), wake: make(chan struct{}, 1), soothed: make(chan struct{}),
		}
		if keepsResource(i) {
			c.resource = "phone"
		}
		p, err := newProxy(s.relay.Addr(c.transport), network, s.config.Late, s.random("network", i))
		if err != nil {
			return fmt.Errorf("no network for a client: %w", err)
		}
		c.addr = p.addr()
		s.proxies, s.clients = append(s.proxies, p), append(s.clients, c)
		s.online.Go(func() { c.run(ctx) })
	}
	return nil
}

// random returns a source that depends on the seed, and on what it is for.
func (s *soak) random(what string, i int) *rand.Rand {
	var sum uint64
	for _, b := range []byte(what) {
		sum = sum*31 + uint64(b)
	}
	return rand.New(rand.NewPCG(s.config.Seed, sum<<20+uint64(i)))
}
