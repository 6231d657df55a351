// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
)

func TestNewRefusesWhatCanNotWork(t *testing.T) {
	for _, row := range []struct {
		name   string
		config untilack.Config
		says   string // what the error must speak of
	}{
		{"no domain", untilack.Config{}, "Domain"},
		{"a domain that is a user's address", untilack.Config{Domain: richard}, "Domain"},
		{"a domain with a resource", untilack.Config{Domain: england + "/x"}, "Domain"},
		{"a domain that is none", untilack.Config{Domain: "a b"}, "Domain"},
		{"negative AckWait", untilack.Config{Domain: england, AckWait: -1}, "AckWait"},
		{"negative ProbeWait", untilack.Config{Domain: england, ProbeWait: -1}, "ProbeWait"},
		{"negative Retention", untilack.Config{Domain: england, Retention: -1}, "Retention"},
		{"negative RetryWait", untilack.Config{Domain: england, RetryWait: -1}, "RetryWait"},
		{"negative ActionTimeout", untilack.Config{Domain: england, ActionTimeout: -1}, "ActionTimeout"},
		{"negative WriteTimeout", untilack.Config{Domain: england, WriteTimeout: -1}, "WriteTimeout"},
		{"negative Window", untilack.Config{Domain: england, Window: -1}, "Window"},
		{"negative Workers", untilack.Config{Domain: england, Workers: -1}, "Workers"},
		{"jitter above 1", untilack.Config{Domain: england, Jitter: 1.1}, "Jitter"},
		{"jitter that is no number", untilack.Config{Domain: england, Jitter: nan()}, "Jitter"},
		{"a store that comes after the deadline", untilack.Config{Domain: england, Store: lasting, PersistAfter: time.Minute}, "PersistAfter"},
		{"a chain without an action", untilack.Config{Domain: england, Actions: []actions.Action{}}, "Actions"},
		{"an action that is nil", untilack.Config{Domain: england, Actions: []actions.Action{actions.Drop{}, nil}}, "Actions[1]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			k, err := untilack.New(row.config)
			if err == nil || k != nil {
				t.Fatalf("New: %v, want an error", err)
			}
			if !strings.Contains(err.Error(), row.says) || !strings.HasPrefix(err.Error(), "untilack: ") {
				t.Errorf("the error is %q, want it to begin with the package's name and to speak of %s", err, row.says)
			}
		})
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

func TestTheZeroConfigWorks(t *testing.T) {
	k, err := untilack.New(untilack.Config{Domain: "Capulet.LIT"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := k.Open(dawn, "juliet@capulet.lit/balcony", nil)
	if err != nil {
		t.Fatal(err)
	}
	drainEffects(k, dawn, new(atomic.Bool), func(*untilack.Effect, bool) {})
	stanza := message("chat", westminster, "juliet@capulet.lit", "m1", speech)
	if a := k.Outgoing(dawn, s, []byte(stanza)); a.Verdict != untilack.Write || !a.Kept {
		t.Errorf("admission %+v, want it written and kept", a)
	}
	probed := false
	k.Tick(dawn.Add(T))
	drainEffects(k, dawn.Add(T), new(atomic.Bool), func(e *untilack.Effect, _ bool) {
		probed = probed || e.Kind == untilack.ProbeStream && attribute(string(e.Stanza), "from") == "capulet.lit"
	})
	if !probed {
		t.Error("no ping from the normalised domain")
	}
}

func TestTheDefaultsAreThoseOfTheRules(t *testing.T) {
	for _, row := range []struct {
		name      string
		got, want any
	}{
		{"AckWait", untilack.DefaultAckWait, 30 * time.Second},
		{"ProbeWait", untilack.DefaultProbeWait, 5 * time.Second},
		{"Retention", untilack.DefaultRetention, 24 * time.Hour},
		{"Jitter", untilack.DefaultJitter, 0.1},
	} {
		if row.got != row.want {
			t.Errorf("%s is %v by default, want %v", row.name, row.got, row.want)
		}
	}
}

func TestJitterShortensAWaitByATenthAtMost(t *testing.T) {
	s := newStage(t, untilack.Config{})
	earliest, latest := time.Hour, time.Duration(0)
	for i := range 200 {
		stream, err := s.Open(s.now, subject(i)+"/home", nil)
		if err != nil {
			t.Fatal(err)
		}
		s.work()
		s.Outgoing(s.now, stream, []byte(message("chat", westminster, subject(i), "m1", speech)))
	}
	start, probed := s.now, uint64(0)
	for s.now.Sub(start) < 31*time.Second {
		s.pass(10 * time.Millisecond)
		if n := s.Count(untilack.Probed); n > probed {
			probed = n
			earliest, latest = min(earliest, s.now.Sub(start)), max(latest, s.now.Sub(start))
		}
	}
	if probed != 200 || earliest < 27*time.Second || latest > 30*time.Second+20*time.Millisecond || latest-earliest < 2*time.Second {
		t.Errorf("%d probes between %v and %v, want 200 spread over 27 s to 30 s", probed, earliest, latest)
	}
}

func TestOpenAndAttachRefuseWhatIsNoFullAddress(t *testing.T) {
	k, err := untilack.New(untilack.Config{Domain: england})
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"", richard, england, england + "/x", "@" + england + "/x", richard + "/", "a@b@c/d", "a b@c/d"} {
		if _, err := k.Open(dawn, address, nil); !errors.Is(err, untilack.ErrAddress) {
			t.Errorf("Open(%q): %v, want ErrAddress", address, err)
		}
		if _, err := k.Attach(address, &client{}, nil); !errors.Is(err, untilack.ErrAddress) {
			t.Errorf("Attach(%q): %v, want ErrAddress", address, err)
		}
	}
	s, err := k.Open(dawn, "KingRichard@ROYALTY.England.lit/Throne", nil)
	if err != nil || s.Address() != richard+"/Throne" {
		t.Errorf("Open: %v, %v, want the normalised address", s, err)
	}
}

func TestEverythingHasAName(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range untilack.Reasons() {
		name := r.String()
		if name == "" || seen[name] || name == "unknown reason" {
			t.Errorf("reason %d has the name %q", r, name)
		}
		seen[name] = true
	}
	if last := untilack.Reasons()[len(untilack.Reasons())-1] + 1; last.String() != "unknown reason" {
		t.Errorf("reason %d has the name %q", last, last)
	} else if k, _ := untilack.New(untilack.Config{Domain: england}); k.Count(last) != 0 {
		t.Error("a reason that there is not was counted")
	}
	for kind := range untilack.ListRows + 1 {
		if kind.String() == "" || kind.String() == "?" || !strings.HasPrefix((&untilack.Effect{Kind: kind}).String(), kind.String()) {
			t.Errorf("effect %d has the name %q", kind, kind)
		}
	}
	if got := untilack.EffectKind(200).String(); got != "?" {
		t.Errorf("effect 200 has the name %q", got)
	}
	for state := range untilack.InStore + 1 {
		if state.String() == "" || state.String() == "?" {
			t.Errorf("state %d has the name %q", state, state)
		}
	}
	if got := fmt.Sprint(untilack.State(200), untilack.Write, untilack.Queue, untilack.Persist); got != "? write queue persist" {
		t.Errorf("states and verdicts are %q", got)
	}
}
