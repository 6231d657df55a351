// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// A sim is a small world around a Keeper, without a goroutine and in a time of its
// own: a few recipients with clients good and bad, some senders, a store and actions
// that fail. Dice decide what happens; after every event the invariants of design.md
// section 4 are checked.
type sim struct {
	dice     *dice
	config   untilack.Config
	faults   bool // of store and actions
	volatile bool // whether the store is in memory
	limits   bool // of the cache
	keeper   *untilack.Keeper
	now      time.Time
	store    *actions.MemStore
	log      []string

	people  []*person
	letters []*letter
	jobs    []*job     // effects that were begun and are not finished
	held    []*holding // admissions whose rows are being stored
	away    []*leaving // messages for nobody online, in the hands of the chain
	lines   int
	worn    bool // whether the store has failed since the start
}

// A person is one recipient.
type person struct {
	bare    string
	lines   []*line // those that are open, the oldest first
	blocked map[string]bool
}

// A line is one stream of a recipient, and the client at its end.
type line struct {
	*untilack.Stream
	person   *person
	resource string
	number   int
	manners  manners

	inbox    []string // what the client has not read yet
	dark     bool     // whether what is written vanishes
	lossy    bool     // whether anything has vanished
	busy     bool     // whether the connection takes no more
	paused   bool
	away     bool
	priority int
	closed   bool
	open     *job // what is being written: nothing else may be
}

// manners are what a client does.
type manners struct {
	acks    bool // acknowledges
	rejects bool // answers with errors
	answers bool // answers pings
	bare    bool // addresses receipts to bare addresses
}

// A letter is one message.
type letter struct {
	number    int
	to        *person
	sender    string
	resource  string // of the address it is to
	id        string
	stanza    string
	kind      kind
	received  time.Time
	kept      bool
	untracked bool // the Keeper said that it had no room
	reused    bool // its id was used twice
	again     int  // how often its sender sent it again
	line      *line

	written int
	heard   int // copies that a client of the recipient has read
	mail    bool
	mailed  bool // it came when nobody was online
	settled bool // a receipt counted
	acked   bool // a client of the recipient answered it
	dropped bool // an action ended it
	hurt    bool // the store failed on it: rows may be missing or left over
}

// A kind of message.
type kind struct {
	name     string
	full     bool // to a full address
	chat     bool
	children string
	marks    cache.Marks
}

var kinds = []kind{
	{name: "chat", chat: true, children: request},
	{name: "chat", chat: true, children: request},
	{name: "chat", chat: true, children: request},
	{name: "chat to full", full: true, chat: true, children: request},
	{name: "normal", children: request},
	{name: "normal to full", full: true, children: request},
	{name: "encrypted", chat: true, children: request + `<encryption xmlns='urn:xmpp:eme:0' namespace='x'/>`, marks: cache.Encrypted},
	{name: "volatile", chat: true, children: request + `<no-permanent-store xmlns='urn:xmpp:hints'/>`, marks: cache.Volatile},
	{name: "private", full: true, chat: true, children: request + `<no-copy xmlns='urn:xmpp:hints'/>`, marks: cache.Pinned},
	{name: "expiring", chat: true, children: request + `<x xmlns='jabber:x:expire' seconds='40'/>`},
}

// A job is an effect under way.
type job struct {
	effect *untilack.Effect
	line   *line // that is being written to
	since  time.Time
	done   bool // what it asks for was done already, its result is on the way
	result untilack.Result
}

// A holding is an admission that waits for the store.
type holding struct {
	line      *line
	letter    *letter
	admission untilack.Admission
	since     time.Time
	errs      []error
	put       bool
}

// A leaving is a message for a recipient who is not online.
type leaving struct {
	letter *letter
	packet cache.Packet
	later  bool // whether the Keeper has asked for patience
}

// A dice is a source of decisions. When it is used up it always says 0.
type dice struct {
	data []byte
	at   int
}

func (d *dice) left() bool { return d.at < len(d.data) }

// of returns a number below n.
func (d *dice) of(n int) int {
	if !d.left() {
		return 0
	}
	d.at++
	return int(d.data[d.at-1]) % n
}

// one reports true once in n times.
func (d *dice) one(n int) bool { return d.of(n) == n-1 }

// A breach is a broken invariant.
type breach struct {
	rule, what string
	log        []string
}

func (b *breach) String() string {
	log := b.log
	if n := len(log); n > 200 {
		log = slices.Concat(log[:60], []string{"…"}, log[n-100:])
	}
	return fmt.Sprintf("%s: %s\n\t%s", b.rule, b.what, strings.Join(log, "\n\t"))
}

// simulate runs a world by the dice, and returns what it breaks, or nil.
func simulate(data []byte) (s *sim, broken *breach) {
	s = &sim{dice: &dice{data: data}, now: dawn}
	defer func() {
		if r := recover(); r != nil {
			b, ok := r.(*breach)
			if !ok {
				panic(fmt.Sprintf("%v\ndice: %x\n%s", r, data, strings.Join(s.log, "\n")))
			}
			b.log = s.log
			broken = b
		}
	}()
	s.begin()
	for s.dice.left() {
		s.step()
		s.check()
	}
	s.curtain()
	return s, nil
}

func (s *sim) breach(rule, format string, args ...any) {
	panic(&breach{rule: rule, what: fmt.Sprintf(format, args...)})
}

func (s *sim) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf("%9.3fs ", s.now.Sub(dawn).Seconds())+fmt.Sprintf(format, args...))
}

// begin decides what sort of world it is.
func (s *sim) begin() {
	d := s.dice
	s.store = actions.NewMemStore(&actions.MemStoreOptions{Now: func() time.Time { return s.now }, MarkTime: time.Nanosecond})
	s.faults = d.one(3)
	s.config = untilack.Config{
		Domain:       england,
		PersistAfter: []time.Duration{-1, 0, 100 * time.Millisecond}[d.of(3)],
		Window:       []int{1, 2, 64}[d.of(3)],
		Seed:         7,
		Actions:      []actions.Action{actions.Func(s.keep), actions.Func(s.drop)},
		Blocked:      s.blocks,
		Watch:        s.watch,
	}
	s.config.Store = durable{s.store}
	if s.volatile = d.one(4); s.volatile {
		s.config.Store = s.store
	}
	if d.one(3) {
		s.config.Capable = func(string) bool { return true }
	}
	if d.one(4) {
		s.config.Redeliver = &actions.Redeliver{Rand: func() float64 { return 0 }}
	}
	if s.limits = d.one(3); s.limits {
		s.config.Cache = &cache.Options{Limits: cache.Limits{RecipientPackets: 2, PairPackets: 1 + d.of(2)}}
	}
	for _, name := range []string{"richard", "gaunt"} {
		s.people = append(s.people, &person{bare: name + "@" + england, blocked: make(map[string]bool)})
	}
	s.wake()
	s.note("persist after %v, window %d, faults %v, volatile %v, limits %v, redeliver %v, capable %v", s.config.PersistAfter,
		s.config.Window, s.faults, s.volatile, s.limits, s.config.Redeliver != nil, s.config.Capable != nil)
}

// wake starts a Keeper.
func (s *sim) wake() {
	keeper, err := untilack.New(s.config)
	if err != nil {
		panic(err)
	}
	s.keeper = keeper
}

func (s *sim) blocks(recipient, sender string) bool {
	for _, p := range s.people {
		if p.bare == recipient {
			return p.blocked[cache.Bare(sender)]
		}
	}
	return false
}

// keep is the first action of the chain.
func (s *sim) keep(ctx context.Context, p cache.Packet) (actions.Outcome, error) {
	if s.faults && s.dice.one(4) {
		return actions.Pass, errors.New("action failed")
	}
	if s.faults && s.dice.one(8) {
		s.worn = true // others may be stored meanwhile
		return actions.Again(time.Minute), nil
	}
	outcome, err := actions.Offline{Store: s.config.Store}.Act(ctx, p)
	if outcome.IsStored() {
		s.letterOf(string(p.Stanza)).mail = true
	}
	return outcome, err
}

// drop is the last action.
func (s *sim) drop(_ context.Context, p cache.Packet) (actions.Outcome, error) {
	l := s.letterOf(string(p.Stanza))
	if actions.MayStore(p, !s.volatile) && l.heard == 0 && s.now.Sub(l.received) < 24*time.Hour {
		s.breach("no loss", "%s was dropped: heard %d, written %d, marks %b", l, l.heard, l.written, p.Marks)
	}
	l.dropped = true
	return actions.Done, nil
}

// watch checks what is told, and logs it.
func (s *sim) watch(e untilack.Event) {
	s.note("  %s %s %s %s %v", e.Reason, e.Recipient, e.Resource, e.ID, e.Err)
	if e.Reason == untilack.StoreFailed && e.ID != "" && s.config.PersistAfter == 0 { // delivered all the same
		for _, l := range s.letters {
			if l.id == e.ID {
				l.untracked = true
			}
		}
	}
	if e.Reason != untilack.Settled {
		return
	}
	for _, l := range s.letters {
		if l.to.bare == e.Recipient && l.sender == e.Sender && l.id == e.ID && !l.reused {
			if !l.acked {
				s.breach("only the recipient settles", "%s settled, and nobody acknowledged it", l)
			}
			l.settled = true
		}
	}
}

// letterOf returns the letter with those bytes, delay stamps aside.
func (s *sim) letterOf(stanza string) *letter {
	plain, _ := undelayed(stanza)
	at := slices.IndexFunc(s.letters, func(l *letter) bool { return l.stanza == plain })
	if at < 0 {
		s.breach("same message", "nobody has sent %q", stanza)
	}
	return s.letters[at]
}

func (l *letter) String() string {
	return fmt.Sprintf("letter %d (%s, %s, id %s)", l.number, l.kind.name, l.sender, l.id)
}

func (l *line) String() string { return fmt.Sprintf("line %d (%s)", l.number, l.Address()) }
