// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack/examples/internal/relay"
	"github.com/untilack/untilack/examples/internal/stores"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The runs mostly wait, so many fit beside one another.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// quick is a run of about a second.
func quick() Config {
	c := DefaultConfig()
	c.Messages = 120
	c.Rate = 200
	c.Outage = 250 * time.Millisecond
	c.AckWait = 200 * time.Millisecond
	c.ProbeWait = 200 * time.Millisecond
	c.Quiet = 500 * time.Millisecond
	return c
}

// each runs f for every combination of faults, resources and transports.
func each(t *testing.T, f func(t *testing.T, c Config)) {
	for _, fault := range []Fault{Swallow, Stall, Reset, Finish, Flap} {
		for _, resource := range []string{Same, Different} {
			for _, transport := range []Transport{TCP, WebSocket} {
				t.Run(fmt.Sprintf("%s/%s/%s", fault, resource, transport), func(t *testing.T) {
					t.Parallel()
					c := quick()
					c.Fault, c.Resource, c.Transport = fault, resource, transport
					f(t, c)
				})
			}
		}
	}
}

// TestWithout checks that the relay without a cache is as good as its peers: it
// loses what went into the dark, and nothing else.
func TestWithout(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		o, err := runOnce(t.Context(), c, Without, newPlain())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", *o)
		inTheDark := int(c.Rate * c.Outage.Seconds())
		switch {
		case o.Once+o.Duplicated+o.Lost != c.Messages || o.Sent != c.Messages:
			t.Errorf("the numbers do not add up: %+v", *o)
		case o.Duplicated+o.Forged+o.Unknown+o.Altered+o.Bounced > 0:
			t.Errorf("the relay did more than to lose: %+v", *o)
		case loses(c.Fault) && o.Lost == 0:
			t.Error("the fault never struck")
		case loses(c.Fault) && (o.Lost > 2*inTheDark || o.RecoverSeconds != nil):
			t.Errorf("lost %d, with %d sent in the dark: %+v", o.Lost, inTheDark, *o)
		case !loses(c.Fault) && o.Lost > inTheDark:
			t.Errorf("lost %d although the relay could see that the link had failed", o.Lost)
		}
	})
}

// TestWith checks that the same relay with the cache loses nothing, forges
// nothing, and repeats only what was unanswered when the link failed, both when
// the cache finds out that the link is dark before the recipient is back, and
// when it does not.
func TestWith(t *testing.T) {
	for _, ackWait := range []time.Duration{50 * time.Millisecond, time.Second} {
		t.Run(ackWait.String(), func(t *testing.T) {
			each(t, func(t *testing.T, c Config) {
				c.AckWait = ackWait
				kept, err := newKept(c, nil)
				if err != nil {
					t.Fatal(err)
				}
				check(t, c, kept)
			})
		})
	}
}

// TestStore checks the same on a database, written first or after a while. Every message
// is settled at the end, so nothing may be left in it.
func TestStore(t *testing.T) {
	for _, persistAfter := range []time.Duration{0, 20 * time.Millisecond} {
		t.Run(persistAfter.String(), func(t *testing.T) {
			t.Parallel()
			c := quick()
			c.Runs, c.PersistAfter = With, persistAfter
			c.Store = filepath.Join(t.TempDir(), "mail.db")
			report, err := Run(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if failures := report.Failures(); failures != nil {
				t.Error(failures)
			}
			store, err := stores.Open(t.Context(), c.Store)
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			if left, err := store.Total(t.Context()); err != nil || left.Messages != 0 {
				t.Errorf("left in the store: %+v, %v", left, err)
			}
		})
	}
}

// TestToy checks with the least of caches that the demonstration can be passed.
func TestToy(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		check(t, c, newToy(correct))
	})
}

// check makes a run in which nothing may be lost.
func check(t *testing.T, c Config, delivery relay.Delivery) {
	o, err := runOnce(t.Context(), c, With, delivery)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", *o)
	if failures := (Report{Config: c, With: o}).Failures(); failures != nil {
		t.Error(failures)
	}
	if o.RecoverSeconds == nil {
		t.Error("never recovered")
	}
	if o.Confirmed != o.Sent || o.Bounced > 0 {
		t.Errorf("of %d messages, %d were confirmed to the sender and %d bounced", o.Sent, o.Confirmed, o.Bounced)
	}
	if o.OutOfOrder > 0 {
		t.Errorf("%d arrived out of order", o.OutOfOrder)
	}
}

// TestToyFaults checks that the demonstration notices what a cache does wrong.
func TestToyFaults(t *testing.T) {
	for _, test := range []struct {
		fault string
		want  string
	}{
		{forgetful, "lost"},
		{repeating, "copies too many"},
		{forging, "forged"},
		{meddling, "altered"},
	} {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			o, err := runOnce(t.Context(), quick(), With, newToy(test.fault))
			if err != nil {
				t.Fatal(err)
			}
			failures := strings.Join(Report{With: o}.Failures(), ", ")
			if !strings.Contains(failures, test.want) {
				t.Errorf("got %q, want it to say %q: %+v", failures, test.want, *o)
			}
		})
	}
}
