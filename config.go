// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/receipts"
)

// Config configures a Keeper.
// Only Domain is required; every other field's zero value is its default.
type Config struct {
	// Domain is the server's own domain: the "from" of delay stamps (XEP-0203)
	// and of probes. Required.
	Domain string

	// Cache configures the packet cache: limits, tombstones, tick.
	// Default: the cache's own defaults.
	Cache *cache.Options

	// Store keeps what can not wait in memory. It is shared with an
	// actions.Offline that has no Store of its own.
	// Default: an actions.MemStore.
	Store actions.Store

	// Actions is the chain that decides about a packet when no stream of the
	// recipient is left to take it. The last one also ends packets whose
	// retention or attempts are used up.
	// While Store is known to be down, Offline does not wait for a chain in which all
	// actions but the last, or the only one, are Offline, or have a method NeedsStore() bool
	// that returns true: there is nothing that they could do.
	// Default: Offline into Store, then Drop.
	Actions []actions.Action

	// Redeliver resends on the same live stream when a receipt is late, in place
	// of the probe. XEP-0184 §4 does not recommend it on an ordered stream.
	// A nil Send resends through the Keeper. It is asked no more about a packet that
	// was redelivered HardCap times, on whatever streams.
	// Default: nil, the stream is probed.
	Redeliver *actions.Redeliver

	// PersistAfter is how long a packet may wait in memory alone before it is
	// also written to Store. With 0 it is written before its first byte goes to
	// the recipient; below 0 never, but to keep the place of a packet whose row
	// must not come after those of younger ones. It must be below AckWait. Without
	// a Store of the caller's there is nothing safer than memory, and the field
	// means nothing.
	// Default: 0, store first.
	PersistAfter time.Duration

	// FailClosed has a message refused that the store did not take, where it is to be
	// written before its first byte: Session.Deliver returns ErrRefused. Otherwise the
	// message is delivered all the same, kept in memory, and put into the store when that
	// is back. A store that fails again and again, or takes too long, is left alone but
	// for one call every RetryWait, so that nobody waits for it.
	// It needs a Store of the caller's, and PersistAfter 0.
	// Default: messages are delivered.
	FailClosed bool

	// PollEvery is for nodes that share the Store: how often it is asked for mail that
	// other nodes have put into it, in one question for all recipients who have a stream
	// here; some 250 ms are usual, and see Keeper.Wake. With it, a packet's row is looked
	// for before an action is run about it, and before it goes to another stream: one that
	// has gone was settled on another node. It needs a Store of the caller's, and PersistAfter 0.
	// Default: 0, no other node uses the Store.
	PollEvery time.Duration

	// AckWait is how long the Keeper waits for a receipt before it looks after
	// the stream. Default: 30 s.
	AckWait time.Duration

	// Jitter is the part of AckWait by which a deadline is shortened at most, so
	// that not all come at once. Below 0: none. Default: 0.1.
	Jitter float64

	// ProbeWait is how long a probed stream has to answer before it is ended. One
	// to which nothing was written that is in doubt is not ended, and probed again
	// later. Default: 5 s.
	ProbeWait time.Duration

	// Retention is how long a packet is kept in memory that its client has read
	// and not acknowledged, or that no action takes. Default: 24 h.
	Retention time.Duration

	// Window is how many redelivered packets a stream may have before it that
	// its client has not shown to have read. Default: 64.
	Window int

	// RetryWait is how long a packet waits after an action failed.
	// Default: 1 s, doubled with each failure up to one minute.
	RetryWait time.Duration

	// ActionTimeout limits one call of an action or of the store. One that
	// overruns it counts as failed. Default: 10 s.
	ActionTimeout time.Duration

	// WriteTimeout limits one call of a Stream. A stream that overruns it is
	// ended. Default: 5 s.
	WriteTimeout time.Duration

	// Workers is how many recipients may have something written at once, and as
	// many again an action or the store called. Goroutines are started when there
	// is work and end after it. Default: 256.
	Workers int

	// Admit replaces the admission policy. It is asked about messages that could
	// get a receipt: never about errors, groupchat, acks, what has no id or no
	// sender, and what the recipient sends to itself. It is called without locks
	// and must be safe for concurrent use. Default: DefaultAdmit.
	Admit func(Candidate) Admit

	// Capable reports whether the client at a full address is known to
	// acknowledge, from its entity capabilities. It must answer from memory.
	// Default: no client is known to, until it has acknowledged.
	Capable func(address string) bool

	// Authorised reports whether the sender may see the recipient's presence,
	// from the recipient's roster. It must answer from memory.
	// Default: every sender may.
	Authorised func(recipient, sender string) bool

	// Blocked reports whether the recipient blocks the sender (XEP-0191). It is
	// asked again before each redelivery and must answer from memory.
	// Default: nobody is blocked.
	Blocked func(recipient, sender string) bool

	// Strict refuses receipts in the form of XEP-0184 1.0, which carry the id of
	// the message in their own stanza id. Default: they count.
	Strict bool

	// Watch is told of everything that happens to a packet. It is called without
	// locks, from several goroutines, and must not block.
	// Default: nobody watches.
	Watch func(Event)

	// Logger gets what an operator should know; never a body.
	// Default: nothing is logged.
	Logger *slog.Logger

	// Seed makes jitter and probe ids repeatable. Default: a random seed.
	Seed uint64
}

// Default values of Config.
const (
	DefaultAckWait       = 30 * time.Second
	DefaultProbeWait     = 5 * time.Second
	DefaultRetention     = 24 * time.Hour
	DefaultRetryWait     = time.Second
	DefaultActionTimeout = 10 * time.Second
	DefaultWriteTimeout  = 5 * time.Second
	DefaultWindow        = 64
	DefaultWorkers       = 256
	DefaultJitter        = 0.1
)

// maxRetryWait bounds the wait between two failures of an action.
const maxRetryWait = time.Minute

var errConfig = errors.New("untilack: bad configuration")

func (c *Config) withDefaults() (persist bool, err error) {
	domain, ok := parseAddress([]byte(c.Domain))
	if !ok || domain.local != "" || domain.resource != "" {
		return false, fmt.Errorf("%w: Domain %q is not the address of a server", errConfig, c.Domain)
	}
	c.Domain = domain.bare
	if err := c.checkRanges(); err != nil {
		return false, err
	}
	persist = c.Store != nil && c.PersistAfter >= 0
	if persist && c.PersistAfter >= cmp.Or(c.AckWait, DefaultAckWait) {
		return false, fmt.Errorf("%w: PersistAfter %v is not below AckWait", errConfig, c.PersistAfter)
	}
	if c.FailClosed && (!persist || c.PersistAfter != 0) {
		return false, fmt.Errorf("%w: FailClosed needs a Store and PersistAfter 0", errConfig)
	}
	if c.PollEvery > 0 && (c.Store == nil || c.PersistAfter != 0) {
		return false, fmt.Errorf("%w: PollEvery needs a Store and PersistAfter 0", errConfig)
	}
	if c.Store == nil {
		c.Store = actions.NewMemStore(nil)
	}
	setDefault(&c.AckWait, DefaultAckWait)
	setDefault(&c.ProbeWait, DefaultProbeWait)
	setDefault(&c.Retention, DefaultRetention)
	setDefault(&c.RetryWait, DefaultRetryWait)
	setDefault(&c.ActionTimeout, DefaultActionTimeout)
	setDefault(&c.WriteTimeout, DefaultWriteTimeout)
	setDefault(&c.Window, DefaultWindow)
	setDefault(&c.Workers, DefaultWorkers)
	setDefault(&c.Jitter, DefaultJitter)
	if c.Jitter < 0 {
		c.Jitter = 0
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64() | 1
	}
	if c.Capable == nil {
		c.Capable = func(string) bool { return false }
	}
	if c.Authorised == nil {
		c.Authorised = func(string, string) bool { return true }
	}
	if c.Blocked == nil {
		c.Blocked = func(string, string) bool { return false }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return persist, c.setActions()
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *Config) checkRanges() error {
	for _, wait := range []struct {
		name  string
		value time.Duration
	}{
		{"AckWait", c.AckWait}, {"ProbeWait", c.ProbeWait}, {"Retention", c.Retention},
		{"RetryWait", c.RetryWait}, {"PollEvery", c.PollEvery}, {"ActionTimeout", c.ActionTimeout}, {"WriteTimeout", c.WriteTimeout},
	} {
		if wait.value < 0 {
			return fmt.Errorf("%w: %s is negative: %v", errConfig, wait.name, wait.value)
		}
	}
	switch {
	case c.Window < 0:
		return fmt.Errorf("%w: Window is negative: %d", errConfig, c.Window)
	case c.Workers < 0:
		return fmt.Errorf("%w: Workers is negative: %d", errConfig, c.Workers)
	case !(c.Jitter <= 1): // or it is no number
		return fmt.Errorf("%w: Jitter is above 1: %v", errConfig, c.Jitter)
	}
	return nil
}

// needsStore reports whether the actions that keep a message can do nothing without Store.
func (c *Config) needsStore() bool {
	for _, action := range c.keepers() {
		offline, ok := action.(actions.Offline)
		needs, says := action.(interface{ NeedsStore() bool })
		if !(ok && offline.Store == nil && offline.Full == nil || says && needs.NeedsStore()) {
			return false
		}
	}
	return true
}

// keepers returns the actions but for the last, which ends what can not be kept.
func (c *Config) keepers() []actions.Action {
	if len(c.Actions) < 2 {
		return c.Actions
	}
	return c.Actions[:len(c.Actions)-1]
}

func (c *Config) setActions() error {
	if c.Actions == nil {
		c.Actions = []actions.Action{actions.Offline{Store: c.Store}, actions.Drop{}}
	}
	if len(c.Actions) == 0 {
		return fmt.Errorf("%w: Actions is empty", errConfig)
	}
	c.Actions = append([]actions.Action(nil), c.Actions...)
	for i, action := range c.Actions {
		if action == nil {
			return fmt.Errorf("%w: Actions[%d] is nil", errConfig, i)
		}
		if offline, ok := action.(actions.Offline); ok && offline.Store == nil {
			offline.Store = c.Store
			c.Actions[i] = offline
		}
	}
	return nil
}

// A Candidate is a message that may be admitted, and whom it is for.
type Candidate struct {
	Recipient string // bare address, normalised
	Sender    string // as in the message, normalised; "" if there is none
	Message   *receipts.Message
}
