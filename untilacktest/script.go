// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// A Script is a World and what happens in it. It is written and read as a table:
//
//	world  seed=7 persist-after=-1ns window=2
//	   0s  juliet@capulet.example/phone  logs in
//	   1s  romeo@montague.example/orchard  sends  chat to juliet@capulet.example
//	   2s  juliet@capulet.example/phone  goes dark
//
// with two spaces or more between the columns. Play plays it.
type Script struct {
	Setup Setup
	Steps []Step
}

// A Setup says what sort of World a Script is played in. Its fields mean the same
// as those of Options and untilack.Config.
type Setup struct {
	Seed             uint64
	PersistAfter     time.Duration
	AckWait          time.Duration
	Window           int
	Nodes            int
	PollEvery        time.Duration
	Apart            bool
	FailClosed       bool
	Volatile         bool
	Unruly           bool
	ToAll            bool
	Capable          bool // every client is known to acknowledge
	Redeliver        bool // late messages are sent again on the same stream
	RecipientPackets int  // limit in memory
	PairPackets      int
	FlakyActions     int // one in so many actions fails, or asks for time

	BothEnds  bool          // who sends is a Sender, and clients are proper, see Manners
	Expectant time.Duration // how long a Sender waits for a receipt
}

// A Step is one thing that happens.
type Step struct {
	At   time.Duration // since the World began
	Who  string        // a client, a sender, an account, a node or the store
	Does string        // what the method of that name does: "goes dark" for GoesDark
	With string
}

// String returns the step as a line of a table.
func (s Step) String() string {
	return strings.TrimRight(fmt.Sprintf("%12s  %-28s  %-16s  %s", s.At, s.Who, s.Does, s.With), " ")
}

// String returns the script as a table.
func (s Script) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "       world  %s\n", writeSettings(s.Setup))
	for _, step := range s.Steps {
		text.WriteString(step.String() + "\n")
	}
	return text.String()
}

var columns = regexp.MustCompile(` {2,}|\t+`)

// ParseScript reads a script. Empty lines, and those that begin with a #, are left
// out.
func ParseScript(text string) (s Script, err error) {
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		row := append(columns.Split(line, 4), "", "", "")
		if row[0] == "world" {
			err = readSettings(strings.Join(row[1:], " "), &s.Setup)
		} else {
			err = s.addStep(row)
		}
		if err != nil {
			return s, fmt.Errorf("%w, in line %d", err, n+1)
		}
	}
	return s, nil
}

func (s *Script) addStep(row []string) error {
	at, err := time.ParseDuration(row[0])
	if err != nil {
		return fmt.Errorf("untilacktest: %w", err)
	}
	if _, known := verbs[row[2]]; !known {
		return fmt.Errorf("untilacktest: unknown step %q", row[2])
	}
	s.Steps = append(s.Steps, Step{At: at, Who: row[1], Does: row[2], With: row[3]})
	return nil
}

// options returns the World of a setup.
func (s Setup) options() *Options {
	o := &Options{Seed: s.Seed, Nodes: s.Nodes, Volatile: s.Volatile, Unruly: s.Unruly, ToAll: s.ToAll, Apart: s.Apart}
	o.Config.PollEvery, o.Config.FailClosed = s.PollEvery, s.FailClosed
	o.Config.PersistAfter, o.Config.AckWait, o.Config.Window = s.PersistAfter, s.AckWait, s.Window
	if s.Capable {
		o.Config.Capable = func(string) bool { return true }
	}
	if s.Redeliver {
		o.Config.Redeliver = &actions.Redeliver{Rand: func() float64 { return 0 }}
	}
	if s.RecipientPackets > 0 {
		o.Config.Cache = &cache.Options{Limits: cache.Limits{RecipientPackets: s.RecipientPackets, PairPackets: s.PairPackets}}
	}
	return o
}

// play plays the steps in a World.
func (w *World) play(steps []Step) {
	for _, s := range steps {
		if s.At > w.now {
			w.Wait(s.At - w.now)
		}
		w.do(s)
	}
}

func (w *World) do(s Step) {
	do, known := verbs[s.Does]
	if !known {
		w.fatal("untilacktest: unknown step %q", s.Does)
		return
	}
	if sender := w.sender(s.Who); sender != nil && senderVerbs[s.Does] != nil {
		do = func(_ *World, _, with string) error { return senderVerbs[s.Does](sender, with) }
	}
	if err := do(w, s.Who, s.With); err != nil {
		w.fatal("untilacktest: %v in step %s", err, s)
	}
}

// verbs are what steps do.
var verbs = map[string]func(w *World, who, with string) error{
	"logs in":      clientDoes(func(c *Client) { c.LogsIn() }),
	"logs in away": clientDoes(func(c *Client) { c.LogsInAway() }),
	"logs in with": number(func(w *World, who string, n int) { w.Client(who).LogsIn(n) }),
	"logs in at": func(w *World, who, with string) error {
		return w.atNode(with, func(n *Node) { w.Client(who).LogsInAt(n) })
	},
	"logs out":          clientDoes((*Client).LogsOut),
	"disconnects":       clientDoes((*Client).Disconnects),
	"dies":              clientDoes((*Client).Dies),
	"goes dark":         clientDoes((*Client).GoesDark),
	"goes deaf":         clientDoes((*Client).GoesDeaf),
	"goes mute":         clientDoes((*Client).GoesMute),
	"resurfaces":        clientDoes((*Client).Resurfaces),
	"vanishes":          clientDoes((*Client).Vanishes),
	"stalls":            clientDoes((*Client).Stalls),
	"gets busy":         clientDoes((*Client).GetsBusy),
	"reads on":          clientDoes((*Client).ReadsOn),
	"sleeps":            clientDoes((*Client).Sleeps),
	"wakes":             clientDoes((*Client).Wakes),
	"goes away":         clientDoes((*Client).GoesAway),
	"sets presence":     number(func(w *World, who string, n int) { w.Client(who).SetsPresence(n) }),
	"behaves":           behaves,
	"says":              func(w *World, who, with string) error { w.Client(who).Says(with); return nil },
	"sends":             sends,
	"sends again":       sendsAgain,
	"acknowledges":      acknowledges,
	"blocks":            func(w *World, who, with string) error { w.Block(who, with); return nil },
	"drops":             drops,
	"comes back":        comesBack,
	"fails":             number(func(w *World, _ string, n int) { w.store.Fails(n) }),
	"lies":              number(func(w *World, _ string, n int) { w.store.Lies(n) }),
	"is flaky":          number(func(w *World, _ string, n int) { w.store.Flaky(n) }),
	"lags":              duration(func(w *World, who string, d time.Duration) { w.Client(who).Lags(d) }),
	"is slow":           duration(func(w *World, _ string, d time.Duration) { w.store.Slow(d) }),
	"goes down":         func(w *World, _, _ string) error { w.store.GoesDown(); return nil },
	"crashes":           nodeDoes(func(n *Node, _ time.Duration) { n.Crashes() }),
	"restarts":          nodeDoes(func(n *Node, _ time.Duration) { n.Restarts() }),
	"has its clock set": nodeDoes((*Node).ClockJumps),
	"is woken":          nodeDoes(func(n *Node, _ time.Duration) { n.Wakes() }),
	"forges":            forges,
	"cancels":           senderAlone,
	"catches up":        catchesUp,
	"misses":            senderAlone,
}

func clientDoes(do func(*Client)) func(*World, string, string) error {
	return func(w *World, who, _ string) error {
		do(w.Client(who))
		return nil
	}
}

func number(do func(*World, string, int)) func(*World, string, string) error {
	return func(w *World, who, with string) error {
		var n int
		_, err := fmt.Sscan(with, &n)
		do(w, who, n)
		return err
	}
}

func duration(do func(*World, string, time.Duration)) func(*World, string, string) error {
	return func(w *World, who, with string) error {
		d, err := time.ParseDuration(with)
		do(w, who, d)
		return err
	}
}

func nodeDoes(do func(*Node, time.Duration)) func(*World, string, string) error {
	return func(w *World, who, with string) error {
		d, err := time.ParseDuration(with)
		if with == "" {
			err = nil
		}
		if err != nil {
			return err
		}
		return w.atNode(who, func(n *Node) { do(n, d) })
	}
}

func (w *World) atNode(name string, do func(*Node)) error {
	for _, n := range w.nodes {
		if n.name == name {
			do(n)
			return nil
		}
	}
	return fmt.Errorf("no node has the name %q", name)
}

func behaves(w *World, who, with string) error {
	var m Manners
	if err := readSettings(with, &m); err != nil {
		return err
	}
	w.Client(who).Behaves(m)
	return nil
}

func comesBack(w *World, who, _ string) error {
	if who == "store" {
		w.store.ComesBack()
	} else {
		w.Client(who).ComesBack()
	}
	return nil
}

// kinds are the messages that a step sends.
var kinds = map[string]struct{ kind, payload string }{
	"chat":                  {"chat", request},
	"normal":                {"normal", request},
	"encrypted":             {"chat", request + `<encryption xmlns='urn:xmpp:eme:0' namespace='x'/>`},
	"no-permanent-store":    {"chat", request + `<no-permanent-store xmlns='urn:xmpp:hints'/>`},
	"no-copy":               {"chat", request + `<no-copy xmlns='urn:xmpp:hints'/>`},
	"expiring":              {"chat", request + `<x xmlns='jabber:x:expire' seconds='40'/>`},
	"one without a body":    {"chat", request},
	"one without a request": {"chat", ""},
}

// sends is a step like "chat to juliet@capulet.example id=m1".
func sends(w *World, who, with string) error {
	what, to, ok := strings.Cut(with, " to ")
	to, id, named := strings.Cut(to, " id=")
	kind, known := kinds[what]
	if !ok || !known {
		return fmt.Errorf("nobody sends %q", with)
	}
	if !named {
		id = w.ledger.nextID()
	}
	n := w.ledger.count + 1 // the same bytes are the same message, and those of one id differ in length
	body := fmt.Sprintf("<body>%0*d</body>", 50+n%100, n)
	if what == "one without a body" {
		body = fmt.Sprintf("<thread>%0*d</thread>", 50+n%100, n)
	}
	if w.bothEnds {
		w.sends(who, to, id, kind.kind, body, kind.payload)
		return nil
	}
	w.SendStanza(fmt.Sprintf("<message type='%s' from='%s' to='%s' id='%s'>%s%s</message>", kind.kind, who, to, id, body, kind.payload))
	return nil
}

// sendsAgain sends the newest message of an id once more.
func sendsAgain(w *World, who, with string) error {
	m := w.newest(who, with)
	switch s := w.sender(who); {
	case m == nil:
	case s != nil && m.tracked != nil:
		s.SendsAgain(m)
	default:
		w.SendAgain(m)
	}
	return nil
}

// acknowledges is a step like "m1 from romeo@montague.example/orchard": a client
// says that it has received a message, whether or not it has.
func acknowledges(w *World, who, with string) error {
	id, from, _ := strings.Cut(with, " from ")
	c := w.Client(who)
	c.Says(Manners{}.receipt(from, id))
	return nil
}

// drops is a step like "m1 from romeo@montague.example/orchard": an operator gives the
// newest message of that name up.
func drops(w *World, _, with string) error {
	id, from, _ := strings.Cut(with, " from ")
	if m := w.newest(from, id); m != nil {
		w.Drop(m)
	}
	return nil
}

// newest returns the newest message of a sender with that id, whoever it is to.
func (w *World) newest(from, id string) *Message {
	for _, a := range w.owners {
		key := cache.Key{To: a.bare, From: cache.Bare(from), ID: id}
		for m := w.ledger.named(key); m != nil; m = m.twin {
			if m.from == from {
				return m
			}
		}
	}
	return nil
}

// flakyActions returns a chain of which one in n fails, or asks for time.
func (s Setup) flakyActions(w *World) []actions.Action {
	if s.FlakyActions <= 0 {
		return nil
	}
	chance := w.chance("actions")
	return []actions.Action{
		actions.Func(func(context.Context, cache.Packet) (actions.Outcome, error) {
			switch n := chance.IntN(2 * s.FlakyActions); {
			case w.ending:
			case n < 2:
				return actions.Pass, errAction
			case n == 2:
				return actions.Again(time.Minute), nil
			}
			return actions.Pass, nil
		}),
		actions.Offline{}, actions.Drop{},
	}
}
