// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
	"github.com/untilack/untilack/cache"
)

// ids returns the ids m1 to mn.
func ids(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint("m", i+1))
	}
	return all
}

func TestS37EveryLimitIsCrossedAndNothingIsLost(t *testing.T) {
	size := int64(len(chat("m1")))
	for _, row := range []struct {
		name   string
		limits cache.Limits
	}{
		{"packets for one recipient", cache.Limits{RecipientPackets: 3}},
		{"bytes for one recipient", cache.Limits{RecipientBytes: 3*size + 2}},
		{"packets of one pair", cache.Limits{PairPackets: 3}},
		{"packets in all", cache.Limits{Packets: 3}},
		{"bytes in all", cache.Limits{Bytes: 3*size + 2}},
		{"a message that is greater than the limit", cache.Limits{RecipientBytes: size - 1}},
	} {
		for _, persist := range []bool{false, true} {
			config := untilack.Config{Cache: &cache.Options{Limits: row.limits}, Window: 4}
			if persist {
				config.Store = lasting
			}
			t.Run(fmt.Sprintf("%s, store first %v", row.name, persist), func(t *testing.T) {
				story(t, config, func(w *world) {
					throne := w.online(throne, silent)
					w.sends(ids(20)...)
					w.happened(map[untilack.Reason]int{untilack.Uncovered: 0})
					throne.acksWhatComes()
					throne.got(ids(20)...)
					w.nothingIsLeft()
				})
			})
		}
	}
}

// acksWhatComes acknowledges, one after the other, all that has come and comes.
func (c *client) acksWhatComes() {
	for n := 0; n < len(c.messages()); n++ {
		c.says(receipt(attribute(c.messages()[n], "id")))
	}
}

func TestS37WhatIsOverALimitSurvivesTheEndOfTheStreamInOrder(t *testing.T) {
	story(t, untilack.Config{Cache: &cache.Options{Limits: cache.Limits{RecipientPackets: 3}}}, func(w *world) {
		first := w.online(throne, silent)
		first.goesDark()
		w.sends(ids(20)...)
		first.dies()
		second := w.online(crown, silent)
		second.acksWhatComes()
		second.got(ids(20)...)
		w.nothingIsLeft()
	})
}

func TestS37WithNoRoomAnywhereMessagesAreDeliveredUntracked(t *testing.T) {
	for name, store := range map[string]actions.Store{
		"the recipient's quota is used up": actions.NewMemStore(&actions.MemStoreOptions{MaxMessages: 2}),
		"the store is full":                actions.NewMemStore(&actions.MemStoreOptions{TotalBytes: 1300}),
		"the store is down": actionstest.NewFaultyStore(actions.NewMemStore(nil),
			actionstest.Fault{Op: actionstest.Put, Err: errBroken}),
		"the store is gone": actionstest.NewFaultyStore(actions.NewMemStore(nil), actionstest.Fault{Err: errBroken}),
	} {
		t.Run(name, func(t *testing.T) {
			story(t, untilack.Config{
				Store: store, PersistAfter: -1, Cache: &cache.Options{Limits: cache.Limits{RecipientPackets: 2}},
			}, func(w *world) {
				throne := w.online(throne, silent)
				w.pass(time.Minute)
				w.sends(ids(20)...) // without an error
				w.pass(time.Second)
				if n := len(throne.messages()) + int(w.keeper.Count(untilack.Overflowed)); n < 20 {
					t.Errorf("%d messages were delivered or stored, want 20", n)
				}
				if n := w.keeper.Count(untilack.Uncovered); n < 15 {
					t.Errorf("%d messages were counted as delivered untracked, want most of them", n)
				}
				throne.acksWhatComes()
				w.pass(time.Minute)
				if n := len(throne.messages()); n != 20 {
					t.Errorf("%d messages were delivered, want 20", n)
				}
				w.waits()
			})
		})
	}
}

func TestAStoreThatIsDownStopsNoDelivery(t *testing.T) {
	for name, fault := range map[string]actionstest.Fault{
		"it fails": {Err: errBroken},
		"it hangs": {Wait: make(chan struct{})},
		"it lies":  {Err: errBroken, Lie: true},
	} {
		t.Run(name, func(t *testing.T) {
			store := actionstest.NewFaultyStore(actions.NewMemStore(nil))
			store.Set(fault)
			story(t, untilack.Config{Store: store}, func(w *world) {
				if fault.Wait != nil { // channels belong to the bubble in which they were made
					store.Set(actionstest.Fault{Wait: make(chan struct{})})
				}
				throne := w.online(throne, silent)
				w.within(2*untilack.DefaultActionTimeout+5*time.Second, "delivery", func() {
					w.sends("m1")
					for len(throne.messages()) == 0 {
						w.pass(100 * time.Millisecond)
					}
				})
				throne.gotPlain(0, chat("m1"))
				throne.says(receipt("m1"))
				store.Set()
				w.pass(time.Hour)
				w.waits()
			})
		})
	}
}

func TestR186AFloodOfReceiptsForNothingCostsNoMemory(t *testing.T) {
	s := newStage(t, untilack.Config{})
	stream := s.enter(throne, nil)
	s.work()
	n := 1_000_000
	if detector {
		n /= 10
	}
	stanza := []byte(receipt("0000000"))
	at := len("<message type='chat' to='" + westminster + "'><received xmlns='urn:xmpp:receipts' id='")
	before := heap()
	for i := range n {
		copy(stanza[at:at+7], fmt.Sprintf("%07d", i))
		if !s.Incoming(s.now, stream, stanza) {
			t.Fatal("a receipt was not to be routed on")
		}
	}
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("%d receipts have left %d bytes behind", n, grown)
	}
	if got := s.Count(untilack.Unknown); got != uint64(n) {
		t.Errorf("%d receipts were counted as unknown, want %d", got, n)
	}
}

func TestR184AFloodOfRequestsIsBounded(t *testing.T) {
	s := newStage(t, untilack.Config{Cache: &cache.Options{Limits: cache.Limits{PairPackets: 500}}})
	s.store = actions.NewMemStore(&actions.MemStoreOptions{MaxMessages: 1000})
	s.start(untilack.Config{Cache: &cache.Options{Limits: cache.Limits{PairPackets: 500}}})
	stream := s.enter(throne, nil)
	s.work()
	const n = 100_000
	before := heap()
	for i := range n {
		s.deliver(stream, chat(fmt.Sprint("m", i)))
		s.work()
		s.wrote[stream] = nil
	}
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("%d requests hold %d bytes", n, grown)
	}
	if stats := s.Stats(); stats.Waiting > 2000 {
		t.Errorf("%d packets wait", stats.Waiting)
	}
	if sum := s.Count(untilack.Admitted) + s.Count(untilack.Overflowed) + s.Count(untilack.Uncovered); sum != n {
		t.Errorf("%d messages were counted, want %d", sum, n)
	}
	other, err := s.Open(s.now, bob+"/den", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.work()
	if v := s.deliver(other, message("chat", westminster, bob, "m1", speech)); v != untilack.Write {
		t.Errorf("another recipient's message: %v, want write", v)
	}
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func TestParkedMailStaysWithinTheLimits(t *testing.T) {
	s := newStage(t, untilack.Config{
		Capable: capable, Window: 4, Cache: &cache.Options{Limits: cache.Limits{RecipientPackets: 20}},
	})
	for _, id := range ids(200) {
		s.now = s.now.Add(time.Millisecond)
		if err := s.offline(chat(id)); err != nil {
			t.Fatal(err)
		}
	}
	stream := s.enter(throne, nil)
	most := 0
	for range 100 {
		s.pass(time.Second)
		s.ReadUpTo(s.now, stream, s.Mark(stream)) // it reads all, and acknowledges nothing
		most = max(most, s.Stats().Waiting)
	}
	if limit := 17 * 4; most > limit { // windows
		t.Errorf("%d packets waited in memory, want at most %d", most, limit)
	}
	if n := len(s.wrote[stream]); n == 0 {
		t.Error("nothing was delivered")
	}
}

func TestShortSessionsAreNotFloodedForEver(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		w.sends("m1")
		copies := 0
		for range 20 { // each shorter than AckWait, of a client that never acknowledges
			c := w.online(throne, silent)
			w.pass(10 * time.Second)
			copies += len(c.messages())
			c.leaves()
			w.pass(time.Hour)
		}
		if copies != 1 {
			t.Errorf("%d copies of one message in 20 sessions, want 1", copies)
		}
	})
}
