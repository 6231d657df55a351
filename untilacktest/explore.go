// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var errAction = errors.New("untilacktest: the action was told to fail")

// Explore simulates that many Worlds, each made by chance from its number, and fails
// the test if an invariant is broken in one of them. It then prints the shortest
// Script that it finds which breaks the same invariant: to be kept in a file, and
// played by Play.
//
// Options, if it is not nil, is called for each World, for Worlds with a Store,
// actions or a policy of one's own; Seed and Unruly are set. It must open a new store
// each time. Otherwise the Worlds are of all sorts that there are.
func Explore(t testing.TB, worlds int, options func() *Options) {
	t.Helper()
	for seed := range worlds {
		s := RandomScript(uint64(seed + 1))
		if options != nil {
			s = randomScript(uint64(seed+1), max(1, options().Nodes))
			s.Setup = Setup{Seed: s.Setup.Seed, Unruly: true, BothEnds: s.Setup.BothEnds}
		}
		exploreOne(t, s, options)
	}
}

func exploreOne(t testing.TB, s Script, options func() *Options) {
	t.Helper()
	v := s.Play(options)
	if v == nil {
		return
	}
	least := s.shrink(v.Rule, options)
	if again := least.Play(options); again != nil {
		v = again
	} else {
		t.Log("It did not happen again: is something shared between Worlds, or left to chance?")
	}
	t.Fatalf("%v\nThe shortest script that shows it:\n\n%s", v, least)
}

// Play plays a script, lets all end well, and returns the invariant that is broken
// then, or nil. Options is what it is for Explore.
func (s Script) Play(options func() *Options) (broken *Violation) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *Violation:
			broken = r
		default:
			panic(fmt.Sprintf("%v\n%s", r, s))
		}
	}()
	w := s.world(options)
	w.play(s.Steps)
	w.EndsWell()
	return nil
}

// world returns the World of a script. In it, violations panic.
func (s Script) world(options func() *Options) *World {
	o := s.Setup.options()
	if options != nil {
		o = options()
		o.Seed, o.Unruly = s.Setup.Seed, s.Setup.Unruly
	}
	w := newWorld(nil, o)
	s.Setup.bothEnds(w)
	if options == nil {
		w.options.Config.Actions = s.Setup.flakyActions(w)
	}
	if err := w.start(); err != nil {
		panic(err)
	}
	return w
}

// shrink returns a script with fewer steps that breaks the same rule. It gives up
// looking for a shorter one after some seconds.
func (s Script) shrink(rule string, options func() *Options) Script {
	enough := time.Now().Add(10 * time.Second)
	for size := len(s.Steps) / 2; size > 0; {
		smaller := false
		for at := 0; at+size <= len(s.Steps) && time.Now().Before(enough); at += size {
			rest := s
			rest.Steps = append(append([]Step(nil), s.Steps[:at]...), s.Steps[at+size:]...)
			if v := rest.Play(options); v != nil && v.Rule == rule {
				s, smaller = rest, true
				break
			}
		}
		if !smaller {
			size /= 2
		}
	}
	return s
}

// A decider makes decisions: a number below n.
type decider interface{ IntN(n int) int }

// RandomScript returns the script of a number: the same for the same number.
func RandomScript(seed uint64) Script { return randomScript(seed, 0) }

// randomScript returns one for so many nodes; with 0 chance decides.
func randomScript(seed uint64, nodes int) Script {
	chance := rand.New(rand.NewPCG(seed, 184))
	steps := 5 + chance.IntN(60)
	if seed%16 == 15 {
		steps = 500 // a long life
	}
	return writeScript(seed, chance, steps, nodes)
}

func writeScript(seed uint64, chance decider, steps, nodes int) Script {
	a := author{chance: chance, accounts: []string{"juliet@" + DefaultDomain, "nurse@" + DefaultDomain}}
	s := Script{Setup: a.setup(seed)}
	if a.nodes = nodes; nodes == 0 {
		a.nodes = max(1, s.Setup.Nodes)
	}
	b := bothEndsAuthor(&a, &s.Setup)
	for range steps {
		a.now += a.gap()
		s.Steps = append(s.Steps, a.due()...)
		s.Steps = append(s.Steps, b.goesOn(a.step())...)
	}
	return s
}

// due returns what was going to happen by now.
func (a *author) due() (due []Step) {
	later := a.later[:0]
	for _, s := range a.later {
		if s.At <= a.now {
			due = append(due, s)
		} else {
			later = append(later, s)
		}
	}
	a.later = later
	slices.SortStableFunc(due, func(x, y Step) int { return cmp.Compare(x.At, y.At) })
	return due
}

// soon has something happen within a time, mostly: trouble that lasts hides what
// comes after it.
func (a *author) soon(within time.Duration, who, does string) {
	if !a.one(8) {
		after := time.Duration(a.chance.IntN(1000)) * within / 1000
		a.later = append(a.later, Step{At: (a.now + after).Round(time.Millisecond), Who: who, Does: does})
	}
}

// An author makes up what happens.
type author struct {
	chance   decider
	accounts []string
	nodes    int
	now      time.Duration
	later    []Step        // that are going to happen
	count    int           // of messages
	sent     []sentMessage // the last of them
	calm     int           // how many times likelier it is that somebody sends a message
}

type sentMessage struct{ from, to, id string }

func (a *author) one(n int) bool { return a.chance.IntN(n) == 0 }

func pick[T any](a *author, from ...T) T { return from[a.chance.IntN(len(from))] }

func (a *author) setup(seed uint64) Setup {
	s := Setup{
		Seed: seed, Unruly: true,
		PersistAfter: pick(a, -1, 0, 0, 100*time.Millisecond),
		AckWait:      pick(a, 0, 0, 2*time.Second),
		Window:       pick(a, 1, 2, 64),
		Volatile:     a.one(4),
		Capable:      a.one(3),
		Redeliver:    a.one(4),
		ToAll:        a.one(8),
	}
	if a.one(3) {
		s.RecipientPackets, s.PairPackets = 2, 1+a.chance.IntN(2)
	}
	if a.one(3) {
		s.FlakyActions = pick(a, 2, 4)
	}
	if seed%8 == 2 {
		s.FailClosed, s.PersistAfter = true, 0
	}
	if seed%8 == 4 {
		s.Nodes, s.Apart, s.PollEvery = 2+a.chance.IntN(2), a.one(2), pick(a, 10*time.Second, time.Minute)
		s.PersistAfter, s.Volatile = 0, false
	}
	return s
}

func (a *author) gap() time.Duration {
	switch n := a.chance.IntN(16); {
	case n < 5:
		return 0
	case n < 11:
		return time.Duration(a.chance.IntN(100)) * time.Millisecond
	case a.one(40):
		return pick(a, time.Hour, 25*time.Hour)
	default:
		return pick(a, 200*time.Millisecond, time.Second, 6*time.Second, 31*time.Second, 3*time.Minute)
	}
}

var (
	senders   = []string{"romeo@montague.example/orchard", "romeo@montague.example/street", "benvolio@" + DefaultDomain + "/inn"}
	resources = []string{"a", "b", "c"}
)

// step makes up what happens next.
func (a *author) step() Step {
	account := pick(a, a.accounts...)
	client := account + "/" + pick(a, resources...)
	switch n := a.chance.IntN(20 + a.calm); {
	case n < 3:
		return a.login(client)
	case n >= 20, n < 10:
		return a.send(account)
	case n == 10:
		return a.sendAgain(account)
	case n == 11:
		return a.intrude(account, client)
	case n < 17:
		return a.trouble(client)
	case n == 17:
		return a.presence(client)
	case n == 18:
		return a.storeTrouble()
	default:
		return a.nodeTrouble()
	}
}

func (a *author) does(who, does, with string) Step { return Step{a.now, who, does, with} }

func (a *author) login(client string) Step {
	if a.nodes > 1 && !a.one(3) {
		return a.does(client, "logs in at", a.node())
	}
	switch a.chance.IntN(8) {
	case 0:
		return a.does(client, "logs in away", "")
	case 1, 2:
		return a.does(client, "logs in with", fmt.Sprint(pick(a, -1, 1, 2)))
	case 3:
		return a.does(client, "behaves", writeSettings(a.manners()))
	default:
		return a.does(client, "logs in", "")
	}
}

func (a *author) manners() Manners {
	m := Manners{
		Silent: a.one(4), IgnoresPings: a.one(4), ToBare: a.one(4), Twice: a.one(4), Rejects: a.one(12), NoID: a.one(12),
		OldForm: a.one(8), SameID: a.one(6), BodyOnly: a.one(8), Disorderly: a.one(6), ShowsDuplicates: a.one(8),
	}
	if a.one(3) {
		m.Delay = pick(a, 30*time.Millisecond, 3*time.Second, 40*time.Second)
	}
	if a.one(4) {
		m.Slow = pick(a, 100*time.Millisecond, time.Second)
	}
	if a.one(6) {
		m.DiesAfter = 1 + a.chance.IntN(3)
	}
	if a.one(3) {
		m.Reconnects = pick(a, 100*time.Millisecond, 5*time.Second)
	}
	return m
}

func (a *author) send(account string) Step {
	from := pick(a, senders...)
	kind := pick(a, "chat", "chat", "chat", "chat", "normal", "encrypted", "no-permanent-store", "no-copy", "expiring", "one without a body")
	to := account
	if kind == "no-copy" || a.one(6) {
		to += "/" + pick(a, resources[:2]...)
	}
	id := fmt.Sprint("m", a.count+1)
	if a.one(20) && len(a.sent) > 0 {
		if old := pick(a, a.sent...); old.from == from {
			id = old.id
		}
	}
	a.count++
	if a.sent = append(a.sent, sentMessage{from, account, id}); len(a.sent) > 2000 {
		a.sent = append([]sentMessage(nil), a.sent[1000:]...)
	}
	return a.does(from, "sends", kind+" to "+to+" id="+id)
}

func (a *author) sendAgain(account string) Step {
	if len(a.sent) == 0 {
		return a.send(account)
	}
	m := pick(a, a.sent...)
	return a.does(m.from, "sends again", m.id)
}

// intrude has somebody say what is not for them to say.
func (a *author) intrude(account, client string) Step {
	if len(a.sent) == 0 || a.one(6) {
		if n := len(a.sent); n > 0 && n%2 == 0 {
			return a.does("operator", "drops", a.sent[n-1].id+" from "+a.sent[n-1].from)
		}
		return a.does(account, "blocks", pick(a, "romeo@montague.example", "benvolio@"+DefaultDomain))
	}
	m := pick(a, a.sent...)
	if a.one(3) {
		return a.does(client, "acknowledges", m.id+" from tybalt@"+DefaultDomain+"/tomb")
	}
	if m.to == account && a.one(2) {
		return a.does(client, "says", fmt.Sprintf("<message type='%s' to='%s'><received xmlns='urn:xmpp:receipts' id='%s'/></message>",
			pick(a, "groupchat", "error"), m.from, m.id))
	}
	if m.to == account {
		return a.does(client, "acknowledges", m.id+" from "+pick(a, senders...))
	}
	forged := fmt.Sprintf(" from='%s' to='%s'><received xmlns='urn:xmpp:receipts' id='%s'/></message>", m.to, m.from, m.id)
	return a.does(client, "says", "<message type='chat'"+forged)
}

func (a *author) trouble(client string) Step {
	return a.does(client, pick(a, "goes dark", "goes dark", "goes deaf", "goes mute", "resurfaces", "vanishes", "comes back", "comes back",
		"disconnects", "disconnects", "logs out", "dies", "stalls", "gets busy", "reads on", "reads on", "sleeps", "wakes"), "")
}

func (a *author) presence(client string) Step {
	if a.one(3) {
		return a.does(client, "goes away", "")
	}
	return a.does(client, "sets presence", fmt.Sprint(pick(a, -1, 0, 0, 1, 2)))
}

func (a *author) storeTrouble() Step {
	a.soon(time.Minute, "store", "comes back")
	switch a.chance.IntN(8) {
	case 0:
		return a.does("store", "fails", fmt.Sprint(1+a.chance.IntN(3)))
	case 1:
		return a.does("store", "lies", fmt.Sprint(1+a.chance.IntN(3)))
	case 2:
		return a.does("store", "is flaky", fmt.Sprint(pick(a, 2, 5)))
	case 3:
		return a.does("store", "is slow", pick(a, 50*time.Millisecond, 3*time.Second, 11*time.Second).String())
	case 4:
		return a.does("store", "goes down", "")
	default:
		return a.does("store", "comes back", "")
	}
}

func (a *author) node() string { return fmt.Sprint("node", 1+a.chance.IntN(a.nodes)) }

func (a *author) nodeTrouble() Step {
	node := a.node()
	if a.nodes > 1 && a.one(2) {
		return a.does(node, "is woken", "")
	}
	switch a.chance.IntN(6) {
	case 0, 1:
		a.soon(5*time.Second, node, "restarts")
		return a.does(node, "crashes", "")
	case 2:
		return a.does(node, "has its clock set", pick(a, time.Millisecond, time.Minute, 2*time.Hour, -time.Second, -time.Hour).String())
	default:
		return a.does(node, "restarts", "")
	}
}
