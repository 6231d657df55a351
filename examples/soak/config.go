// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// A Config says what to run.
type Config struct {
	For     time.Duration `json:"for_ns"` // how long there are messages and faults
	Clients int           `json:"clients"`
	Senders int           `json:"senders"`
	Rate    float64       `json:"rate"` // messages per second, in all
	Seed    uint64        `json:"seed"`

	// Every is the time between two faults of one client's network, on average.
	Every time.Duration `json:"every_ns"`

	// Delay, Jitter, Bandwidth and Loss describe the network while it works. Each
	// connection varies them.
	Delay     time.Duration `json:"delay_ns"`
	Jitter    time.Duration `json:"jitter_ns"`
	Bandwidth int           `json:"bandwidth"` // bytes per second; 0: no limit
	Loss      float64       `json:"loss"`

	// Late is how much later than asked for a connection may reach the relay.
	Late time.Duration `json:"late_ns"`

	// These are the Keeper's. PersistAfter below 0 means never.
	AckWait      time.Duration `json:"ack_wait_ns"`
	ProbeWait    time.Duration `json:"probe_wait_ns"`
	PersistAfter time.Duration `json:"persist_after_ns"`

	// Memory is how much may be resident at any time. 0: no limit.
	Memory size `json:"memory_bytes"`

	// Patience is how long nothing new must have happened at the end, before what
	// is missing then counts as lost.
	Patience time.Duration `json:"patience_ns"`

	// Traced is how many events are remembered of each client, to be told if
	// something goes wrong.
	Traced int `json:"traced"`

	// Progress is called with the state of the run every Interval.
	Progress func(Progress) `json:"-"`
	Interval time.Duration  `json:"-"`

	Log *slog.Logger `json:"-"`
}

// DefaultConfig returns what runs when no flag is given.
func DefaultConfig() Config {
	return Config{
		For:          time.Minute,
		Clients:      50,
		Senders:      5,
		Rate:         200,
		Seed:         1,
		Every:        20 * time.Second,
		Delay:        40 * time.Millisecond,
		Jitter:       20 * time.Millisecond,
		Bandwidth:    64 << 10,
		Loss:         0.01,
		Late:         3 * time.Second,
		AckWait:      3 * time.Second,
		ProbeWait:    2 * time.Second,
		PersistAfter: 0,
		Patience:     30 * time.Second,
		Traced:       300,
		Interval:     10 * time.Second,
		Log:          slog.New(slog.DiscardHandler),
	}
}

// validate returns what is wrong with c.
func (c Config) validate() error {
	switch {
	case c.Clients < 1 || c.Senders < 1:
		return errors.New("-clients and -senders must be at least 1")
	case !(c.Rate > 0):
		return errors.New("-rate must be positive")
	case c.For <= 0 || c.Every <= 0 || c.AckWait <= 0 || c.ProbeWait <= 0 || c.Patience <= 0 || c.Interval <= 0:
		return errors.New("durations must be positive")
	case c.Delay < 0 || c.Jitter < 0 || c.Late < 0 || c.Bandwidth < 0:
		return errors.New("-delay, -jitter, -late and -bandwidth must not be negative")
	case !(c.Loss >= 0 && c.Loss < 1):
		return errors.New("-loss must be at least 0 and below 1")
	}
	return nil
}

// A size is a number of bytes, which as a flag may be written as 256MiB.
type size int64

// String implements flag.Value.
func (s size) String() string {
	if s%(1<<20) == 0 && s != 0 {
		return fmt.Sprintf("%dMiB", s>>20)
	}
	return strconv.FormatInt(int64(s), 10)
}

// Set implements flag.Value.
func (s *size) Set(text string) error {
	shift := 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			text, shift = number, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if shift == 0 {
		n, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil || n < 0 {
		return errors.New("not a number of bytes, such as 256MiB")
	}
	*s = size(n << shift)
	return nil
}
