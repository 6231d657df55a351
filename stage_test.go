// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
)

// dawn is the time at which every stage opens.
var dawn = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A stage drives a Keeper by its pure methods: no goroutine, and a clock that the
// test sets. Effects stay where they are until the test carries them out, so that
// anything can be made to happen in between.
type stage struct {
	t testing.TB
	*untilack.Keeper
	now   time.Time
	store *actions.MemStore
	wrote map[*untilack.Stream][]string // what was written to each stream
	ended map[*untilack.Stream]untilack.Reason
	fails map[untilack.EffectKind]error // of effects that are carried out
}

// durable is a MemStore that claims to outlive the process, and in a test it does.
type durable struct{ *actions.MemStore }

func (durable) Volatile() bool { return false }

// newStage opens a stage. A Config.Store is replaced by one that the stage can
// look into, and lasts if asked to.
func newStage(t testing.TB, config untilack.Config) *stage {
	t.Helper()
	s := &stage{t: t, now: dawn}
	s.store = actions.NewMemStore(&actions.MemStoreOptions{Now: func() time.Time { return s.now }})
	if config.Store != nil {
		config.Store = durable{s.store}
	}
	s.start(config)
	return s
}

// lasting is a Config.Store for newStage.
var lasting = durable{}

// start makes the stage's Keeper.
func (s *stage) start(config untilack.Config) {
	s.t.Helper()
	if config.Domain == "" {
		config.Domain = england
	}
	if config.Store == nil {
		config.Store, config.PersistAfter = s.store, -1
	}
	config.Seed = 1
	keeper, err := untilack.New(config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Keeper = keeper
	s.wrote = make(map[*untilack.Stream][]string)
	s.ended = make(map[*untilack.Stream]untilack.Reason)
	s.fails = make(map[untilack.EffectKind]error)
}

// enter opens a stream of the usual recipient.
func (s *stage) enter(resource string, o *untilack.StreamOptions) *untilack.Stream {
	s.t.Helper()
	stream, err := s.Open(s.now, richard+"/"+resource, o)
	if err != nil {
		s.t.Fatal(err)
	}
	return stream
}

// deliver is what a host does with a message for a stream.
func (s *stage) deliver(stream *untilack.Stream, stanza string) untilack.Verdict {
	s.t.Helper()
	admission := s.Outgoing(s.now, stream, []byte(stanza))
	if admission.Verdict == untilack.Persist {
		admission = s.Persisted(s.now, stream, admission, s.store.Put(s.t.Context(), admission.Rows...))
	}
	if admission.Verdict == untilack.Write {
		s.wrote[stream] = append(s.wrote[stream], stanza)
	}
	return admission.Verdict
}

// offline is what a host does with a message for nobody who is online.
func (s *stage) offline(stanza string) error {
	s.t.Helper()
	p, online, err := s.Away(s.now, []byte(stanza))
	for range 10 {
		if !errors.Is(err, untilack.ErrLater) {
			break
		}
		s.work()
		p, online, err = s.Away(s.now, []byte(stanza))
	}
	if err != nil || online {
		return err
	}
	outcome, err := actions.Offline{Store: s.store}.Act(s.t.Context(), p)
	return s.Taken(s.now, p, outcome, err)
}

// begin begins the next effect that has something left to do.
func (s *stage) begin() *untilack.Effect {
	for {
		e, ok := s.Next()
		if !ok || s.Begin(s.now, e) {
			return e
		}
	}
}

// beginA begins the next effect, which must be of a kind.
func (s *stage) beginA(kind untilack.EffectKind) *untilack.Effect {
	s.t.Helper()
	e := s.begin()
	if e == nil || e.Kind != kind {
		s.t.Fatalf("the next effect is %v, want a %v", e, kind)
	}
	return e
}

// call does what an effect asks for.
func (s *stage) call(e *untilack.Effect) (r untilack.Result) {
	if err := s.fails[e.Kind]; err != nil {
		return untilack.Result{Err: err}
	}
	switch e.Kind {
	case untilack.WriteStanza:
		s.wrote[e.Stream] = append(s.wrote[e.Stream], string(e.Stanza))
	case untilack.EndStream:
		s.ended[e.Stream] = e.Reason
	case untilack.RunAction:
		r.Outcome, r.Err = e.Action.Act(s.t.Context(), e.Packet)
	case untilack.StoreRows:
		r.Errs = s.store.Put(s.t.Context(), e.Rows...)
	case untilack.DeleteRows:
		r.Err = s.store.Delete(s.t.Context(), e.Identities...)
	case untilack.ListRows:
		r.Rows, r.Err = s.store.List(s.t.Context(), e.Recipient, e.After, e.Limit)
	}
	return r
}

// work carries out all there is to do.
func (s *stage) work() {
	for range 10_000 {
		e := s.begin()
		if e == nil {
			return
		}
		s.Finish(s.now, e, s.call(e))
	}
	s.t.Fatal("there is no end of effects")
}

// pass lets time pass, and carries out what comes due.
func (s *stage) pass(d time.Duration) {
	s.work()
	for end := s.now.Add(d); ; {
		next, ok := s.NextTick()
		if !ok || next.After(end) {
			s.now = end
			s.Tick(s.now)
			s.work()
			return
		}
		if next.After(s.now) {
			s.now = next
		}
		s.Tick(s.now)
		s.work()
	}
}

// ack is the client of a stream acknowledging a message.
func (s *stage) ack(stream *untilack.Stream, id string) {
	if !s.Incoming(s.now, stream, []byte(receipt(id))) {
		s.t.Errorf("the receipt for %q was not to be routed on", id)
	}
}

// sees fails the test unless exactly the messages with these ids were written to
// a stream, in that order.
func (s *stage) sees(stream *untilack.Stream, ids ...string) {
	s.t.Helper()
	if diff := cmp.Diff(ids, idsOf(s.wrote[stream])); diff != "" {
		s.t.Errorf("written to %s (-want +got):\n%s", stream.Address(), diff)
	}
}

// stores fails the test unless exactly these messages stand in the store.
func (s *stage) stores(ids ...string) {
	s.t.Helper()
	if diff := cmp.Diff(ids, storedIDs(s.t.Context(), s.store)); diff != "" {
		s.t.Errorf("in the store (-want +got):\n%s", diff)
	}
}

// waits fails the test unless exactly these messages wait in memory, each with
// its state: "m1 on stream".
func (s *stage) waits(want ...string) {
	s.t.Helper()
	var got []string
	for _, w := range s.Waiting(richard) {
		got = append(got, fmt.Sprintf("%s %s", w.ID, w.State))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("waiting (-want +got):\n%s", diff)
	}
}

var errBroken = errors.New("broken")

// idsOf returns the ids of those of the stanzas that are messages.
func idsOf(stanzas []string) (ids []string) {
	for _, stanza := range stanzas {
		if strings.HasPrefix(stanza, "<message") {
			ids = append(ids, attribute(stanza, "id"))
		}
	}
	return ids
}
