// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// A Keeper joins receipts, cache and actions at the recipient's server: it keeps
// each message that asks for a receipt until the receipt comes.
//
// It is told of events by its methods, each of which takes the time and returns
// at once, and answers with effects: writes, probes, actions, calls of the
// store. Run carries the effects out; who wants to do that otherwise, a
// simulation for instance, calls Next, Begin and Finish. The same events at the
// same times, with the same Config.Seed, give the same effects.
//
// A Keeper is safe for concurrent use by multiple goroutines. Events of
// different recipients do not wait for one another.
type Keeper struct {
	config  Config
	persist bool // whether PersistAfter means something
	lasting bool // whether the store outlives the process
	resend  bool // whether Config.Redeliver resends through the Keeper
	chain   actions.Action
	last    actions.Action
	keepers actions.Action // the chain without the last

	needsStore bool // whether keepers can do nothing without the store

	cache    *cache.PacketCache
	shards   [shardCount]shard
	streamID atomic.Uint64
	ready    readyQueue
	timers   timers
	counts   counters
	sleeping atomic.Int64 // until when Run sleeps, in Unix nanoseconds
	stuck    stuck
	news     poll
	breaker  breaker
	trouble  atomic.Bool // whether the store has failed, and not worked since
}

const shardCount = 64

type shard struct {
	sync.Mutex
	accounts map[string]*account
	received time.Time // the latest first-receive time given out
}

// New returns a Keeper. Its error says what is wrong with config.
func New(config Config) (*Keeper, error) {
	needsStore := config.needsStore()
	persist, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	resend := config.Redeliver != nil && config.Redeliver.Send == nil
	if resend {
		redeliver := *config.Redeliver
		redeliver.Send = func(context.Context, cache.Packet) error { return nil }
		config.Redeliver = &redeliver
	}
	var options cache.Options
	if config.Cache != nil {
		options = *config.Cache
	}
	options.Brief = true // what is settled goes nowhere
	k := &Keeper{
		config:     config,
		lasting:    actions.Lasting(config.Store),
		resend:     resend,
		persist:    persist,
		keepers:    actions.Chain(config.keepers()...),
		needsStore: needsStore,
		cache:      cache.New(&options),
	}
	k.chain = k.ifStanding(actions.Chain(config.Actions...))
	k.last = k.ifStanding(config.Actions[len(config.Actions)-1])
	k.ready.wake = make(chan struct{}, 1)
	k.timers.wake = make(chan struct{}, 1)
	for i := range k.shards {
		k.shards[i].accounts = make(map[string]*account)
	}
	return k, nil
}

// An account is what the Keeper knows of one recipient. Its shard's lock guards
// it.
type account struct {
	bare    string
	shard   *shard
	streams []*Stream // in the order in which they were opened

	backlog  []item         // packets on no live stream, waiting for their turn
	listed   map[uint64]int // how often each is in it, by Seq
	unsorted bool           // whether the backlog may be out of order

	rows     rowCursor   // where reading the recipient's stored packets stands
	restored []cache.Ref // packets that came out of the store; some have ended
	spilling bool        // whether new packets go to the store, as older ones did for want of room
	saving   bool        // whether a timer is set for those that wait in memory alone
	loose    bool        // whether some may wait in memory alone all the same
	checking bool        // whether the store is asked, or about to be, which rows stand

	queues   [lanes][]*Effect         // to be carried out, those of each lane one after the other
	deleting map[cache.Identity]int   // whose rows are about to be deleted
	failed   []cache.Identity         // those of them that the store did not delete, to be tried again
	busy     [lanes]bool              // whether one of them is under way
	acting   *Effect                  // the action that is deciding about a packet; nil: none is
	acts     map[string]int           // actions and the like that are queued or under way, by sender; "" for all senders
	holds    map[string]time.Time     // until when no action is run about a sender's packets, for one has failed
	notes    map[uint64]*note         // of packets that actions or the store had trouble with, by Seq
	idle     map[string]chan struct{} // by sender: closed when no action is to decide about its packets any more
	failures int                      // of store calls, one after the other

	events []Event // to be told when the lock is released
}

// A turn says what a packet in the backlog waits for.
type turn uint8

const (
	unknown turn = iota // nobody has looked
	over                // nothing: it has found its place
	inLine              // its target, and so does what comes after it on that stream
	aside               // an action that decides about it, or an older one of its pair
	held                // such an action to be tried again
)

// A note is what is remembered of a packet that waits beside what the cache does.
type note struct {
	asked    int  // how often an action asked for more time
	failures int  // of actions, one after the other
	unsure   bool // whether a row of it may stand in the store, which has not said so
	puts     int  // how many who wait for its row have no answer yet
	check    bool // whether its row may have gone, for it was settled at another node
}

// noteOf returns the note of a packet. It is made if there is none.
func (a *account) noteOf(ref cache.Ref) *note {
	n, ok := a.notes[ref.Seq]
	if !ok {
		n = &note{}
		a.notes[ref.Seq] = n
	}
	return n
}

// forget drops the note of a packet that has ended.
func (a *account) forget(ref cache.Ref) { delete(a.notes, ref.Seq) }

// An item is one packet in the backlog.
type item struct {
	ref      cache.Ref
	received time.Time
	stream   *Stream // the only stream it is for, nil: the best there is
	turn     turn    // what it waits for
	target   *Stream // the stream that it waits for, if any
}

// rowCursor is a position in the recipient's stored packets.
type rowCursor struct {
	more    bool      // whether rows may stand in the store that were not read
	reading bool      // whether a read is queued or under way
	again   bool      // whether all rows are to be read once more after it
	grown   bool      // whether rows were added since it began
	after   uint64    // the number of the last row that was read
	horizon time.Time // packets received later than this wait for the next read
	failed  bool      // whether the last read failed: nothing waits for rows then
}

// enter locks the account of a bare address, which it makes if there is none.
// Each enter is followed by one leave.
func (k *Keeper) enter(bare string) *account {
	sh := k.shardOf(bare)
	sh.Lock()
	return sh.account(bare)
}

// enterStream is enter for the account of a stream. While that has not ended it need
// not be searched for. The stream of another Keeper, of a node that has started anew
// for instance, is none of its streams.
func (k *Keeper) enterStream(s *Stream) *account {
	if s.keeper != k {
		return k.enter(s.address.bare)
	}
	sh := s.account.shard
	sh.Lock()
	if !s.ended {
		return s.account
	}
	return sh.account(s.address.bare)
}

func (k *Keeper) shardOf(bare string) *shard {
	return &k.shards[mix(k.config.Seed^sum([]byte(bare)))%shardCount]
}

// account returns the account of a bare address, which it makes if there is none. The
// shard is locked.
func (sh *shard) account(bare string) *account {
	a, ok := sh.accounts[bare]
	if !ok {
		a = &account{bare: bare, shard: sh, listed: make(map[uint64]int), deleting: make(map[cache.Identity]int), notes: make(map[uint64]*note), acts: make(map[string]int), holds: make(map[string]time.Time), idle: make(map[string]chan struct{}), rows: rowCursor{more: true}}
		sh.accounts[bare] = a
	}
	return a
}

// leave unlocks the account, then tells of what happened meanwhile.
func (k *Keeper) leave(a *account) {
	events := a.events
	a.events = nil
	if len(a.idle) > 0 {
		a.tellIdle()
	}
	runnable := k.wakeLanes(a)
	a.tidy()
	a.shard.Unlock()
	if runnable {
		k.ready.signal()
	}
	for _, e := range events {
		k.config.Watch(e)
	}
}

// tellIdle tells those who wait for it that no action is to decide about a sender's
// packets any more.
func (a *account) tellIdle() {
	for sender, idle := range a.idle {
		if a.settled(sender) {
			close(idle)
			delete(a.idle, sender)
		}
	}
}

// wakeLanes has the account's effects carried out, and reports whether any of them
// waited for that.
func (k *Keeper) wakeLanes(a *account) (runnable bool) {
	for l := range lanes {
		if !a.busy[l] && len(a.queues[l]) > 0 {
			a.busy[l], runnable = true, true
			k.ready.push(a, l)
		}
	}
	return runnable
}

// settled reports whether no action is to decide about an older packet of a sender,
// given by its bare address.
func (a *account) settled(sender string) bool {
	return a.acts[""] == 0 && a.acts[sender] == 0 && !a.held(sender)
}

// actsFor reports whether an action is deciding about a packet of that sender which
// is on no stream any more.
func (a *account) actsFor(sender string) bool {
	return a.acting != nil && a.acting.Packet.Key.Sender() == sender && !a.liveCopies(a.acting.Packet, nil)
}

// held reports whether an action about a packet of that sender has failed and is to
// be tried again: those that came later wait with it, or what they are stored as
// would overtake.
func (a *account) held(sender string) bool {
	_, is := a.holds[sender]
	return is
}

// tidy forgets an account of which nothing is left.
func (a *account) tidy() {
	if len(a.streams) == 0 && a.quiet(fastLane) && a.quiet(slowLane) && len(a.backlog) == 0 && len(a.deleting) == 0 && len(a.notes) == 0 &&
		len(a.idle) == 0 && len(a.holds) == 0 {
		delete(a.shard.accounts, a.bare)
	}
}

// quiet reports whether nothing is to be done in a lane.
func (a *account) quiet(l lane) bool { return len(a.queues[l]) == 0 && !a.busy[l] }

// note counts an event and remembers it for Config.Watch.
func (k *Keeper) note(a *account, e Event) {
	k.counts[e.Reason].Add(1)
	if k.config.Watch != nil {
		e.Recipient = a.bare
		a.events = append(a.events, e)
	}
}

func (k *Keeper) notePacket(a *account, now time.Time, r Reason, s *Stream, key cache.Key) {
	if k.config.Watch == nil {
		k.counts[r].Add(1)
		return
	}
	e := Event{Time: now, Reason: r, Sender: key.From, ID: key.ID}
	if s != nil {
		e.Resource = s.address.resource
	}
	k.note(a, e)
}

// reread has all rows of the store read once more: some that were read before are
// mail now.
func (a *account) reread() {
	a.rows = rowCursor{more: true, again: a.rows.reading, reading: a.rows.reading, failed: a.rows.failed}
}

// rereadLeft has the rows read again that were left where they are, for a stream
// comes to another state.
func (a *account) rereadLeft() {
	if slices.ContainsFunc(a.streams, func(s *Stream) bool { return s.left }) {
		a.reread()
	}
}

// readOn has the rows read that were added behind those read so far. A store that took
// them can be read again, too.
func (a *account) readOn() { a.rows.more, a.rows.grown, a.rows.failed = true, true, false }

// firstReceived returns now, or a little later for messages of one instant: the
// order of first receipt is the order of every redelivery.
func (a *account) firstReceived(now time.Time) time.Time {
	latest := a.shard.received
	switch behind := latest.Sub(now); {
	case behind < 0:
	case behind < time.Millisecond:
		now = latest.Add(1)
	default:
		return now // it came a while ago, and had to wait
	}
	a.shard.received = now
	return now
}

// best returns the stream to which packets for the bare address go: of those
// that may have them the one with the highest priority, then the newest
// (RFC 6121 §8.5.2.1).
func (a *account) best() *Stream {
	var best *Stream
	for _, s := range a.streams {
		if s.usable() && (best == nil || s.priority >= best.priority) {
			best = s
		}
	}
	return best
}

// reads reports whether rows are read for the recipient: they are for the best stream or, where
// other nodes put some, for any by its full address.
func (k *Keeper) reads(a *account) bool {
	return a.best() != nil || k.config.PollEvery > 0 && len(a.streams) > 0
}

// reader returns the stream for whose sake rows are read: the best there is or, while
// that is paused, one for which others may stand there.
func (k *Keeper) reader(a *account) *Stream {
	if best := a.best(); best != nil && !best.paused {
		return best
	}
	for _, s := range a.streams {
		if !s.paused && k.reads(a) {
			return s
		}
	}
	return nil
}

// on returns the live stream of a resource.
func (a *account) on(resource string) *Stream {
	for _, s := range a.streams {
		if s.address.resource == resource {
			return s
		}
	}
	return nil
}

// byID returns the live stream with that number.
func (a *account) byID(id uint64) *Stream {
	for _, s := range a.streams {
		if s.id == id {
			return s
		}
	}
	return nil
}

// liveCopies reports whether a copy of p is on a live stream other than except.
func (a *account) liveCopies(p cache.Packet, except *Stream) bool {
	for _, s := range a.streams {
		if s != except && s.has(p) {
			return true
		}
	}
	return false
}
