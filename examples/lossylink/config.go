// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/untilack/untilack/examples/internal/wire"
	"github.com/untilack/untilack/internal/link"
)

// A Fault is a way in which the link fails.
type Fault = link.Fault

const (
	Swallow = link.Swallow
	Stall   = link.Stall
	Reset   = link.Reset
	Finish  = link.Finish

	Flap Fault = "flap" // the link fails over and over, each time differently
)

// A Transport is how clients connect.
type Transport = wire.Transport

const (
	TCP       = wire.TCP
	WebSocket = wire.WebSocket
)

// Which resource the recipient comes back with, and how the sender addresses
// it.
const (
	Same      = "same"
	Different = "different"
	Bare      = "bare"
	Full      = "full"
)

// Which of the two runs to make.
const (
	Both    = "both"
	Without = "without"
	With    = "with"
)

// A Config says what to run.
type Config struct {
	Messages  int           `json:"messages"`
	Rate      float64       `json:"rate"` // messages per second
	Fault     Fault         `json:"fault"`
	Outage    time.Duration `json:"outage_ns"`
	Resource  string        `json:"resource"`
	To        string        `json:"to"`
	Transport Transport     `json:"transport"`
	Runs      string        `json:"runs"`
	Seed      uint64        `json:"seed"`

	// AckWait and ProbeWait are the cache's patience: with a message that is
	// not acknowledged, and with a client that does not answer a ping.
	AckWait   time.Duration `json:"ack_wait_ns"`
	ProbeWait time.Duration `json:"probe_wait_ns"`

	// Store is where the cache keeps what has to last: what stores.Open takes, or
	// "" for memory. PersistAfter is that of untilack.Config.
	Store        string        `json:"store,omitempty"`
	PersistAfter time.Duration `json:"persist_after_ns"`

	// Quiet is how long nothing must have happened, with all messages sent and
	// the recipient back, before what has not arrived counts as lost.
	Quiet time.Duration `json:"quiet_ns"`

	// Show, if set, is called with the state of a run several times a second.
	Show func(Progress) `json:"-"`

	Log *slog.Logger `json:"-"`
}

// DefaultConfig returns what runs when no flag is given.
func DefaultConfig() Config {
	return Config{
		Messages:  1000,
		Rate:      100,
		Fault:     Swallow,
		Outage:    4 * time.Second,
		Resource:  Different,
		To:        Bare,
		Transport: TCP,
		Runs:      Both,
		Seed:      1,
		AckWait:   2 * time.Second,
		ProbeWait: time.Second,
		Quiet:     time.Second,
		Log:       slog.New(slog.DiscardHandler),
	}
}

// validate returns what is wrong with c.
func (c Config) validate() error {
	choices := []struct {
		name, value string
		allowed     []string
	}{
		{"fault", string(c.Fault), []string{string(Swallow), string(Stall), string(Reset), string(Finish), string(Flap)}},
		{"resource", c.Resource, []string{Same, Different}},
		{"to", c.To, []string{Bare, Full}},
		{"transport", string(c.Transport), []string{string(TCP), string(WebSocket)}},
		{"runs", c.Runs, []string{Both, Without, With}},
	}
	for _, choice := range choices {
		if !slices.Contains(choice.allowed, choice.value) {
			return fmt.Errorf("-%s must be one of %q", choice.name, choice.allowed)
		}
	}
	switch {
	case c.Messages < 2:
		return fmt.Errorf("-messages must be at least 2")
	case !(c.Rate > 0):
		return fmt.Errorf("-rate must be positive")
	case c.Outage <= 0 || c.AckWait <= 0 || c.ProbeWait <= 0 || c.Quiet <= 0:
		return fmt.Errorf("durations must be positive")
	case c.PersistAfter != 0 && c.Store == "":
		return fmt.Errorf("-persist-after means nothing without -store")
	case c.PersistAfter >= c.AckWait:
		return fmt.Errorf("-persist-after must be below -ack-wait")
	}
	return nil
}

// loses reports whether a relay without a cache must lose messages: it does
// when it has no way to know that the link has failed.
func loses(f Fault) bool { return f == Swallow || f == Stall || f == Flap }
