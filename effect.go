// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"fmt"
	"sync"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// An EffectKind says what is to be done.
type EffectKind uint8

// What a Keeper wants done.
const (
	WriteStanza EffectKind = iota // write Stanza to Stream
	ProbeStream                   // write Stanza, a ping, to Stream, or probe it by other means
	EndStream                     // end Stream
	RunAction                     // have Action decide about Packet
	StoreRows                     // put Rows into the store
	DeleteRows                    // delete Identities from the store
	ListRows                      // list the recipient's rows after the number After, at most Limit
	CheckRows                     // ask the store which of Identities stand
	ReadNews                      // ask the store what is new for Recipients after the mark Since, at most Limit
)

// String returns the kind in a word.
func (kind EffectKind) String() string {
	return [...]string{"write", "probe", "end", "act", "store", "delete", "list", "check", "read news", "?"}[min(kind, 9)]
}

// An Effect is one thing that the Keeper wants done. What is done to the streams of
// one recipient is done one after the other, in the order in which Next returns it.
// So are the calls of actions and of the store, but side by side with the former:
// they may take their time.
type Effect struct {
	Kind       EffectKind
	Recipient  string
	Stream     *Stream
	Stanza     []byte
	Probe      string
	Packet     cache.Packet
	Action     actions.Action
	Rows       []actions.Row
	Identities []cache.Identity
	After      uint64 // the number of a row
	Limit      int
	Recipients []string // of ReadNews, which has no Recipient
	Since      string
	Reason     Reason // why a stream is ended, or an action run

	ref    cache.Ref
	refs   []cache.Ref // of StoreRows and CheckRows: whose rows they are
	mark   uint64
	wait   time.Duration // of a WriteStanza: until the next deadline
	bound  bool          // whether a WriteStanza is for this stream and no other
	off    bool          // whether it was recalled
	sender string        // of an act: see concerns
	answer chan<- error  // told whether a packet is refused; nil: nobody asks, or all is said
}

// String describes the effect. The same effect has the same description.
func (e *Effect) String() string {
	text := fmt.Sprintf("%s %s", e.Kind, e.Recipient)
	if e.Stream != nil {
		text += fmt.Sprintf(" stream %d", e.Stream.id)
	}
	switch e.Kind {
	case WriteStanza:
		text += fmt.Sprintf(" %q", e.Stanza)
	case ProbeStream:
		text += fmt.Sprintf(" %q", e.Probe)
	case EndStream:
		text += " " + e.Reason.String()
	case RunAction:
		text += fmt.Sprintf(" %s %q %q attempt %d", e.Reason, e.Packet.Key.From, e.Packet.Key.ID, e.Packet.Attempt)
	case StoreRows:
		for _, r := range e.Rows {
			text += fmt.Sprintf(" %q", r.Packet.Key.ID)
		}
	case DeleteRows, CheckRows:
		for _, identity := range e.Identities {
			text += fmt.Sprintf(" %q", identity.ID)
		}
	case ListRows:
		text += fmt.Sprintf(" after %d limit %d", e.After, e.Limit)
	case ReadNews:
		text += fmt.Sprintf(" for %q since %q limit %d", e.Recipients, e.Since, e.Limit)
	}
	return text
}

// A Result is what came of an effect.
type Result struct {
	Err     error
	Outcome actions.Outcome // of RunAction
	Errs    []error         // of StoreRows: nil, or one for each row
	Stands  []bool          // of CheckRows
	Rows    []actions.Row   // of ListRows and ReadNews
	Mark    string          // of ReadNews
}

// enqueue adds an effect to those of the account.
func (k *Keeper) enqueue(a *account, e *Effect) {
	e.Recipient = a.bare
	if e.isAct() {
		e.sender = k.concerns(e)
		a.acts[e.sender]++
	}
	l := e.Kind.lane()
	a.queues[l] = append(a.queues[l], e)
}

// concerns returns the bare address of the sender whose messages wait for an act, ""
// if all do: rows are put for many at once.
func (k *Keeper) concerns(e *Effect) string {
	if e.Kind == StoreRows {
		return ""
	}
	p, _ := k.cache.Get(e.ref)
	return p.Key.Sender()
}

// A lane is a queue of effects with workers of its own.
type lane uint8

const (
	fastLane lane = iota // for streams
	slowLane             // for actions and the store
	lanes
)

func (kind EffectKind) lane() lane {
	switch kind {
	case WriteStanza, ProbeStream, EndStream:
		return fastLane
	}
	return slowLane
}

// readyQueue holds, for each lane, the accounts that have effects there and none
// under way.
type readyQueue struct {
	sync.Mutex
	lanes [lanes][]*account
	wake  chan struct{}
}

func (q *readyQueue) push(a *account, l lane) {
	q.Lock()
	q.lanes[l] = append(q.lanes[l], a)
	q.Unlock()
}

func (q *readyQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *readyQueue) pop(l lane) (*account, bool) {
	q.Lock()
	defer q.Unlock()
	if len(q.lanes[l]) == 0 {
		return nil, false
	}
	a := q.lanes[l][0]
	q.lanes[l][0] = nil
	q.lanes[l] = q.lanes[l][1:]
	return a, true
}

// Next returns an effect to be carried out, or false if there is none now.
// Each must be passed to Begin and, if that reports true, to Finish.
func (k *Keeper) Next() (*Effect, bool) {
	if e, ok := k.next(fastLane); ok {
		return e, true
	}
	return k.next(slowLane)
}

func (k *Keeper) next(l lane) (*Effect, bool) {
	for {
		a, ok := k.ready.pop(l)
		if !ok {
			return nil, false
		}
		if e := a.head(l); e != nil {
			return e, true
		}
	}
}

// head returns the account's next effect in a lane, nil if all were recalled.
func (a *account) head(l lane) *Effect {
	a.shard.Lock()
	defer a.shard.Unlock()
	if len(a.queues[l]) > 0 {
		return a.queues[l][0]
	}
	a.busy[l] = false
	a.tidy()
	return nil
}

// Begin is the event that an effect is about to be carried out. It reports false
// if there is nothing left to do: a receipt came, or the stream ended. Between
// Begin of a WriteStanza or ProbeStream and its Finish nothing else may be
// written to the stream.
func (k *Keeper) Begin(now time.Time, e *Effect) bool {
	wanted := e.Kind != ReadNews || k.beginNews(now, e) // which looks at all accounts
	a := k.enter(e.Recipient)
	defer k.leave(a)
	l := e.Kind.lane()
	if e.off {
		k.place(a, now)
		a.busy[l] = false
		return false
	}
	a.queues[l][0] = nil
	a.queues[l] = a.queues[l][1:]
	var ok bool
	switch e.Kind {
	case WriteStanza:
		ok = k.beginWrite(a, now, e)
	case ProbeStream:
		ok = k.beginProbe(a, now, e)
	case RunAction:
		ok = k.beginAction(a, now, e)
	case StoreRows:
		ok = k.beginStore(a, e)
	case ListRows:
		ok = k.beginList(a, e)
	case CheckRows:
		ok = k.beginCheck(a, e)
	default:
		ok = wanted
	}
	if !ok {
		k.over(a, e)
		k.place(a, now)
		a.busy[l] = false
	}
	return ok
}

// Finish is the event that an effect was carried out.
func (k *Keeper) Finish(now time.Time, e *Effect, r Result) {
	if e.Kind == ReadNews {
		k.finishNews(now, e, r)
	}
	a := k.enter(e.Recipient)
	defer k.leave(a)
	switch e.Kind {
	case WriteStanza:
		k.finishWrite(a, now, e, r)
	case ProbeStream:
		k.finishProbe(a, now, e, r)
	case RunAction:
		k.finishAction(a, now, e, r)
	case StoreRows:
		k.finishStore(a, now, e, r)
	case DeleteRows:
		k.finishDelete(a, now, e, r)
	case ListRows:
		k.finishList(a, now, e, r)
	case CheckRows:
		k.finishCheck(a, now, e, r)
	}
	k.over(a, e)
	k.place(a, now)
	a.busy[e.Kind.lane()] = false
}

// isAct reports whether an effect puts a packet that is in no other place: what
// came later has to wait for it.
func (e *Effect) isAct() bool {
	return e.Kind == RunAction && e.Reason != Redelivered || e.Kind == StoreRows
}

// over takes note that an effect is over.
func (k *Keeper) over(a *account, e *Effect) {
	if e.isAct() {
		a.actOver(e)
	}
	if a.acting == e {
		a.acting = nil
	}
	if e.answer != nil { // it was not carried out: the row stands, or the packet has ended
		a.waitsNoMore(e.ref)
		e.tell(nil)
	}
}

// actOver takes note that an act is over, or was recalled.
func (a *account) actOver(e *Effect) {
	if a.acts[e.sender]--; a.acts[e.sender] == 0 {
		delete(a.acts, e.sender)
	}
}

func (q *readyQueue) len(l lane) int {
	q.Lock()
	defer q.Unlock()
	return len(q.lanes[l])
}
