// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/untilack/untilack/cache"
)

// ErrAddress is returned when an address can not be parsed, or lacks the local
// part or the resource that it needs.
var ErrAddress = errors.New("untilack: bad address")

// A Stream is the Keeper's view of one stream of one recipient: of one client
// from binding its resource to the end of its connection.
type Stream struct {
	id      uint64
	address address
	keeper  *Keeper
	account *account // the one that it is in as long as it has not ended
	session *Session // who carries effects out, if Attach opened it
	peers   peers

	ended     bool
	away      bool // no available presence
	priority  int
	paused    bool   // what is written waits elsewhere: nothing is known meanwhile
	busy      bool   // takes no more for now
	left      bool   // whether rows may have been left in the store for it: see rests
	acked     bool   // a receipt came on this stream
	sent      uint64 // copies written or about to be
	read      uint64 // the copies up to this one were read
	abandoned uint64 // the copies up to this one count no more: its client became unavailable
	queued    int    // write effects not yet finished
	rowsFirst int    // messages that are written to it when the store has answered
	inDoubt   bool   // whether something was written again since the last probe
	window    []uint64
	overdue   []overdue
	heard     atomic.Int64 // when a stanza came in last, in Unix nanoseconds
	life      life
	probe     probe
	waitFor   []*Stream // streams whose probes come first
	stale     bool      // whether the probe under way is older than who waits for it
	nextProbe uint64
}

// probe is a question whether the client reads what is written.
type probe struct {
	id     string
	covers uint64 // the copies up to this one are shown to be read by an answer
	asked  bool   // whether it is queued or under way
	urgent bool   // whether the stream is ended if no answer comes
}

// life is what is known of whether the client reads what is written.
type life uint8

const (
	untried life = iota
	mute         // it has left a probe unanswered, and may be alive all the same
	reads        // it is known to have read a copy
	answers      // it has answered a probe
)

// ID returns a number that no other stream of this Keeper has.
func (s *Stream) ID() uint64 { return s.id }

// Address returns the full address that the stream is bound to.
func (s *Stream) Address() string { return s.address.full }

// usable reports whether messages to the bare address may go to s.
func (s *Stream) usable() bool { return !s.away && s.priority >= 0 && !s.ended }

// takes reports whether p may go to s, by the addresses and what is known of s.
func (s *Stream) takes(p cache.Packet) bool {
	return !s.ended && (s.usable() || p.Resource == s.address.resource)
}

// StreamOptions says more about a stream that opens. The zero value is a
// resource that is available with priority 0.
type StreamOptions struct {
	// Away is set while the client has sent no available presence: then only
	// what is addressed to its full address goes to it (RFC 6121 §8.5.2.2).
	Away bool
	// Priority is that of its presence.
	Priority int
}

// Open is the event that a client has bound a resource. An older stream of the
// same resource is ended. Streams of other resources with packets waiting are
// probed; when it is known which of them are alive, what waits for the
// recipient goes to the new stream, in order, before anything newer.
//
// address is the full address that the server gave the client.
func (k *Keeper) Open(now time.Time, address string, o *StreamOptions) (*Stream, error) {
	return k.open(now, address, o, nil)
}

func (k *Keeper) open(now time.Time, address string, o *StreamOptions, session *Session) (*Stream, error) {
	bound, ok := parseAddress([]byte(address))
	if !ok || bound.local == "" || bound.resource == "" {
		return nil, fmt.Errorf("%w: %q is no full address of a user", ErrAddress, address)
	}
	if o == nil {
		o = &StreamOptions{}
	}
	a := k.enter(bound.bare)
	defer k.startPolling(now)
	defer k.leave(a)
	s := &Stream{id: k.streamID.Add(1), address: bound, keeper: k, account: a, session: session, away: o.Away, priority: o.Priority}
	if old := a.on(bound.resource); old != nil {
		k.end(a, now, old, Replaced, nil)
	}
	for _, other := range a.streams {
		k.recall(a, other) // what was not written yet finds its place anew
		if !other.paused && (other.rowsFirst > 0 || k.hasWaiting(other)) {
			other.stale = other.probe.id != "" // its answer says nothing of what was written after it
			k.ask(a, other)
			s.waitFor = append(s.waitFor, other)
		}
	}
	a.streams = append(a.streams, s)
	a.reread()
	k.note(a, Event{Time: now, Reason: Opened, Resource: bound.resource})
	k.collect(a)
	k.place(a, now)
	return s, nil
}

// Presence is the event that the client became available with a priority, or
// unavailable. What waits for the recipient goes to an available stream whose
// priority is not negative (XEP-0160 §2).
func (k *Keeper) Presence(now time.Time, s *Stream, available bool, priority int) {
	a := k.enter(s.address.bare)
	defer k.leave(a)
	if s.ended {
		return
	}
	before, wasAway := s.usable(), s.away
	s.away, s.priority = !available, priority
	a.rereadLeft()
	if !s.usable() {
		k.recall(a, s)
	}
	if !available && !wasAway {
		k.abandon(a, now, s)
		s.abandoned = s.sent
	}
	if !before && s.usable() {
		a.reread()
		k.collect(a)
	}
	k.place(a, now)
}

// Close is the event that the stream ended by itself. What waited on it finds
// another place at once.
func (k *Keeper) Close(now time.Time, s *Stream) {
	a := k.enter(s.address.bare)
	defer k.leave(a)
	if s.ended {
		return
	}
	k.note(a, Event{Time: now, Reason: Closed, Resource: s.address.resource})
	k.remove(a, now, s)
	k.place(a, now)
}

// Pause is the event that what is written to the stream is held back: its
// XEP-0198 session hibernates, or the client is inactive (XEP-0352). Deadlines
// stand still until Resume.
func (k *Keeper) Pause(now time.Time, s *Stream) {
	a := k.enter(s.address.bare)
	defer k.leave(a)
	s.paused = true
	k.recall(a, s)
	s.probe, s.life = probe{}, untried
	k.release(s, a)
	k.place(a, now)
}

// Resume is the event that a paused stream goes on. Deadlines start anew.
func (k *Keeper) Resume(now time.Time, s *Stream) {
	a := k.enter(s.address.bare)
	defer k.leave(a)
	if s.ended || !s.paused {
		return
	}
	s.paused = false
	a.rereadLeft()
	for p := range k.cache.On(a.bare, s.id) {
		if !p.Taken && !p.Marks.Has(cache.Parked) {
			k.again(now, p.Ref(), k.ackWait(p.Seq))
		}
	}
	k.place(a, now)
}

// Ready is the event that a stream whose Write returned ErrBusy takes more.
func (k *Keeper) Ready(now time.Time, s *Stream) {
	a := k.enter(s.address.bare)
	defer k.leave(a)
	s.busy = false
	k.place(a, now)
}

// Mark returns the position in the stream after what was written so far, for a
// later ReadUpTo.
func (k *Keeper) Mark(s *Stream) uint64 {
	a := k.enter(s.address.bare)
	defer k.leave(a)
	return s.sent
}

// ReadUpTo is the event that the client has shown to have read everything that
// was written to the stream up to a mark, by means of the host's own: XEP-0198's
// "h" for instance. That is no receipt (XEP-0198 §1): a client known to
// acknowledge still owes one.
func (k *Keeper) ReadUpTo(now time.Time, s *Stream, mark uint64) {
	a := k.enter(s.address.bare)
	defer k.leave(a)
	k.evidence(a, now, s, min(mark, s.sent))
	k.place(a, now)
}

// end ends a stream from our side.
func (k *Keeper) end(a *account, now time.Time, s *Stream, r Reason, err error) {
	k.note(a, Event{Time: now, Reason: r, Resource: s.address.resource, Err: err})
	k.enqueue(a, &Effect{Kind: EndStream, Stream: s, Reason: r})
	k.remove(a, now, s)
}

// remove takes the stream out of the account: its packets find another place.
func (k *Keeper) remove(a *account, now time.Time, s *Stream) {
	s.ended = true
	a.rereadLeft()
	a.streams = slices.DeleteFunc(a.streams, func(t *Stream) bool { return t == s })
	k.recall(a, s)
	k.abandon(a, now, s)
	k.release(s, a)
	for _, t := range a.streams { // what s had may be older than what is about to be written
		k.recall(a, t)
	}
	k.recall(a, nil) // or to be decided about
}

// abandon puts the packets that were on s alone into the backlog, but for those that were
// abandoned before: a client that logs out becomes unavailable first, and then its stream ends.
func (k *Keeper) abandon(a *account, now time.Time, s *Stream) {
	for p := range k.cache.On(a.bare, s.id) {
		if p.Taken || !s.has(p) || a.liveCopies(p, s) || !s.ended && p.Resource != "" {
			continue
		}
		if k.mayRepeat(a, now, s, p) {
			k.mayHaveGone(a, p)
			a.push(item{ref: p.Ref(), received: p.Received})
		}
	}
}

// release lets streams go on that waited to know whether s is alive.
func (k *Keeper) release(s *Stream, a *account) {
	for _, t := range a.streams {
		t.waitFor = slices.DeleteFunc(t.waitFor, func(w *Stream) bool { return w == s })
	}
}

// has reports whether a copy of p that counts is on s.
func (s *Stream) has(p cache.Packet) bool {
	for _, c := range p.Copies {
		if c.Stream == s.id && (c.Mark > s.abandoned || p.Resource != "") {
			return true
		}
	}
	return false
}

// rests reports whether a row for s is left in the store for the time being.
func (s *Stream) rests(p cache.Packet) bool { return s.paused || s.life != untried && s.doubts(p) }

// hasWaiting reports whether a packet waits on s.
func (k *Keeper) hasWaiting(s *Stream) bool {
	for range k.cache.On(s.address.bare, s.id) {
		return true
	}
	return false
}

// hasRoom reports whether another packet may be written out of the backlog.
func (s *Stream) hasRoom(window int) bool {
	return !s.busy && !s.paused && len(s.waitFor) == 0 && len(s.window)+s.queued < window
}

// fill records that the packet with that mark fills a place in the window.
func (s *Stream) fill(mark uint64) { s.window = append(s.window, mark) }

// free gives back the places in the window of a mark that was acknowledged and
// of all that were read.
func (s *Stream) free(mark uint64) {
	s.window = slices.DeleteFunc(s.window, func(m uint64) bool { return m == mark || m <= s.read })
}
