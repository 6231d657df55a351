// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"slices"
	"time"

	"github.com/untilack/untilack/cache"
)

// A Waiting is one packet that waits for its receipt, and why it does.
type Waiting struct {
	Identity  cache.Identity // for Drop
	Sender    string         // as in the message
	ID        string
	State     State
	Resources []string // to which a copy went
	Received  time.Time
	Deadline  time.Time // when it is looked after next: its receipt, or the answer to a probe, is overdue; zero: not by the clock
	Attempt   int       // redeliveries so far that count
	Bytes     int
	Stored    bool // whether a row of it stands in the store
}

// A State says what a packet waits for.
type State uint8

// The states of a packet that waits.
const (
	OnStream  State = iota // for a receipt, or its deadline
	ReadThere              // for a receipt alone: its client read it
	InBacklog              // for its turn to be written
	InAction               // for an action's answer
	InStore                // for the store's answer, before its first byte is written
	InDoubt                // for an answer to the probe of its stream, which is ended without
)

// String returns the state in words.
func (s State) String() string {
	return [...]string{"on stream", "read", "in backlog", "in action", "in store", "in doubt", "?"}[min(s, 6)]
}

// Waiting returns what waits in memory for a recipient, in order. What sleeps in
// the store is the store's to tell.
func (k *Keeper) Waiting(recipient string) []Waiting {
	to, ok := parseAddress([]byte(recipient))
	if !ok {
		return nil
	}
	a := k.enter(to.bare)
	defer k.leave(a)
	var all []Waiting
	for p := range k.cache.Of(to.bare) {
		w := Waiting{
			Identity: p.Identity(), Sender: p.Key.From, ID: p.Key.ID, State: a.state(p), Received: p.Received,
			Attempt: p.Attempt, Bytes: len(p.Stanza), Stored: p.Marks.Has(cache.Stored),
		}
		w.Deadline, _ = k.cache.Deadline(p.Ref())
		for _, c := range p.Copies {
			w.Resources = append(w.Resources, c.Resource)
		}
		all = append(all, w)
	}
	slices.SortStableFunc(all, func(x, y Waiting) int { return x.Received.Compare(y.Received) })
	return all
}

func (a *account) state(p cache.Packet) State {
	switch {
	case p.Taken:
		return InAction
	case p.Marks.Has(cache.Held):
		return InStore
	case !a.liveCopies(p, nil):
		return InBacklog
	case p.Marks.Has(cache.Parked):
		return ReadThere
	case slices.ContainsFunc(a.streams, func(s *Stream) bool { return s.probe.urgent && s.has(p) }):
		return InDoubt
	}
	return OnStream
}

// Stats returns the numbers of the cache.
func (k *Keeper) Stats() cache.Stats { return k.cache.Stats() }
