// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/receipts"
)

// A step is a call in the life of a message, with what it has to give.
type step struct {
	call string // receive, or one for the Arrival of that number: ack, drop, again, err
	of   int
	copy bool
	want error
}

func TestR65R66R67TheLifeOfAMessage(t *testing.T) {
	receive, again := step{call: "receive"}, step{call: "receive", copy: true}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"R65 the receipt comes when it is asked for, and once", []step{
			receive, {call: "err"}, {call: "ack"}, {call: "ack", want: client.ErrAnswered}, {call: "err", want: client.ErrAnswered},
		}},
		{"R67 the receipt was lost: a copy gets one again and is not shown", []step{
			receive, {call: "ack"}, again, {call: "err", of: 1}, {call: "ack", of: 1}, {call: "ack", of: 1, want: client.ErrAnswered}, again, {call: "ack", of: 2},
		}},
		{"R67 a copy of what is in hand gets none, and one when the message is safe", []step{
			receive, again, {call: "err", of: 1, want: client.ErrInHand}, {call: "ack", of: 1, want: client.ErrInHand}, {call: "ack"}, {call: "err", of: 1}, {call: "ack", of: 1},
		}},
		{"R67 after Again a copy is shown", []step{
			receive, {call: "again"}, {call: "ack", want: client.ErrAnswered}, receive, {call: "ack", of: 1},
		}},
		{"R67 Again of a copy forgets nothing", []step{
			receive, again, {call: "again", of: 1}, {call: "ack", of: 1, want: client.ErrAnswered}, again, {call: "ack", of: 2, want: client.ErrInHand}, {call: "ack"}, again, {call: "again", of: 3}, again,
		}},
		{"R67 a copy gives no receipt for a message that was given up", []step{
			receive, again, {call: "again"}, {call: "err", of: 1, want: client.ErrInHand}, {call: "ack", of: 1, want: client.ErrInHand}, receive, {call: "ack", of: 1, want: client.ErrInHand}, {call: "ack", of: 2}, {call: "ack", of: 1},
		}},
		{"R67 Again and Drop after the receipt change nothing", []step{
			receive, {call: "ack"}, {call: "again"}, {call: "drop"}, again, {call: "ack", of: 1},
		}},
		{"R66 after Drop a copy is neither shown nor acknowledged", []step{
			receive, {call: "drop"}, {call: "ack", want: client.ErrAnswered}, again, {call: "err", of: 1, want: client.ErrAnswered}, {call: "ack", of: 1, want: client.ErrAnswered},
		}},
		{"R66 Drop of a copy ends the copy alone", []step{
			receive, again, {call: "drop", of: 1}, {call: "ack", of: 1, want: client.ErrAnswered}, again, {call: "err", of: 2, want: client.ErrInHand}, {call: "ack"}, {call: "ack", of: 2},
		}},
		{"R66 Drop after Again changes nothing", []step{
			receive, {call: "again"}, {call: "drop"}, receive,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newResponder(t, client.ResponderOptions{Policy: client.Always})
			var arrivals []*client.Arrival
			for i, s := range c.steps {
				var err error
				switch s.call {
				case "receive":
					a := r.Receive(now, asker(desk, "1", ""))
					arrivals = append(arrivals, a)
					if a.Copy() != s.copy {
						t.Errorf("step %d: Copy: got %t, want %t", i, a.Copy(), s.copy)
					}
				case "ack":
					_, err = arrivals[s.of].Ack(now)
				case "err":
					err = arrivals[s.of].Err()
				case "drop":
					arrivals[s.of].Drop()
				case "again":
					arrivals[s.of].Again()
				}
				if !errors.Is(err, s.want) {
					t.Errorf("step %d, %s: got %v, want %v", i, s.call, err, s.want)
				}
			}
		})
	}
}

// Copies differ by what servers add; messages by their sender, their id, and what they say.
func TestR68WhatIsACopy(t *testing.T) {
	stamped, err := receipts.AppendDelayed(nil, asker(desk, "1", "a"), receipts.Delay{From: "royalty.england.lit", Stamp: now})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		stanza []byte
		want   bool
	}{
		{"the same", asker(desk, "1", "a"), true},
		{"with a stamp", stamped, true},
		{"another client of the account", asker(york, "1", "a"), false},
		{"another account", asker("a@b/westminster", "1", "a"), false},
		{"another id", asker(desk, "2", "a"), false},
		{"S13 a reused id", asker(desk, "1", "b"), false},
		{"a resource in capitals is another one", asker(percy+"/Westminster", "1", "a"), false},
	} {
		r := newResponder(t, client.ResponderOptions{Policy: client.Always})
		if _, err := r.Receive(now, asker(desk, "1", "a")).Ack(now); err != nil {
			t.Fatal(err)
		}
		a := r.Receive(now, c.stanza)
		if got := a.Copy(); got != c.want {
			t.Errorf("%s: Copy: got %t, want %t", c.name, got, c.want)
		}
		if _, err := a.Ack(now); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A message that asks for nothing is never a copy: many senders have one id for all of theirs.
func TestWithoutARequestNothingIsACopy(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always})
	for range 3 {
		a := r.Receive(now, []byte(`<message from='a@b/c' to='d@e' id='1'><body>a</body></message>`))
		if a.Copy() || !errors.Is(a.Err(), receipts.ErrNoAck) {
			t.Errorf("got Copy %t, Err %v", a.Copy(), a.Err())
		}
		a.Drop()
		a.Again()
		if _, err := a.Ack(now); !errors.Is(err, receipts.ErrNoAck) {
			t.Errorf("Ack: got %v, want ErrNoAck", err)
		}
	}
	if s := r.Stats(); s != (client.ResponderStats{}) {
		t.Errorf("got %+v, want nothing", s)
	}
}

// The receipt is there however late it is asked for.
func TestR65AnAckAfterTheWindow(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always, WindowAge: time.Minute})
	a := r.Receive(now, asker(desk, "1", ""))
	later := now.Add(time.Hour)
	if s := r.Stats(); s.InHand != 1 {
		t.Errorf("got %+v, want one in hand", s)
	}
	b := r.Receive(later, asker(desk, "1", ""))
	if b.Copy() {
		t.Error("after the window it is a copy")
	}
	if _, err := a.Ack(later); err != nil {
		t.Errorf("the first one: %v", err)
	}
	b.Again() // comes too late: it is acknowledged
	if c := r.Receive(later, asker(desk, "1", "")); !c.Copy() {
		t.Error("it is shown again")
	}
	x := r.Receive(later, asker(desk, "2", ""))
	last := later.Add(time.Hour)
	if _, err := x.Ack(last); err != nil {
		t.Errorf("one that was forgotten: %v", err)
	}
	if !r.Receive(last, asker(desk, "2", "")).Copy() {
		t.Error("it is shown again")
	}
	if s := r.Stats(); s.InHand != 0 || s.Window != 1 {
		t.Errorf("got %+v", s)
	}
}

// The age of what is seen begins anew with each copy; that of what is in hand does not, or a
// message that was lost between the two would never be shown again.
func TestTheAgeOfAMessage(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always, WindowAge: time.Minute})
	if _, err := r.Receive(now, asker(desk, "done", "")).Ack(now); err != nil {
		t.Fatal(err)
	}
	r.Receive(now, asker(desk, "lost", ""))
	at := now
	for i := range 5 {
		at = at.Add(40 * time.Second)
		if !r.Receive(at, asker(desk, "done", "")).Copy() {
			t.Errorf("copy %d: it is shown again", i)
		}
		if got, want := r.Receive(at, asker(desk, "lost", "")).Copy(), i%2 == 0; got != want {
			t.Errorf("copy %d of what is in hand: got %t, want %t", i, got, want)
		}
	}
}

// The age begins with the receipt, and those who are not answered are forgotten likewise.
func TestTheAgeOfAReceipt(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Domains(addressOf("b")), WindowAge: time.Minute})
	a := r.Receive(now, asker("a@b/c", "1", ""))
	r.Receive(now, asker("mallory@e/f", "1", ""))
	if _, err := a.Ack(now.Add(50 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if !r.Receive(now.Add(100*time.Second), asker("a@b/c", "1", "")).Copy() {
		t.Error("50 s after its receipt a copy is shown")
	}
	if got := r.Stats().Window; got != 1 {
		t.Errorf("got a window of %d, want 1", got)
	}
}

// What asks and must not be answered is counted.
func TestForbiddenIsCounted(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always})
	r.Receive(now, []byte(`<message from='a@b/c' to='d@e'>`+wants+`</message>`))
	r.Receive(now, []byte(`<presence from='a@b/c' to='d@e'/>`))
	if got, want := r.Stats(), (client.ResponderStats{Forbidden: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// However many ask at once, an Arrival gives one receipt.
func TestR65OneReceiptForEachArrival(t *testing.T) {
	defer goleak.VerifyNone(t)
	r := newResponder(t, client.ResponderOptions{Policy: client.Always, Journal: new(journal)})
	var acks atomic.Int64
	var all sync.WaitGroup
	for i := range 100 {
		a := r.Receive(now, asker(desk, fmt.Sprint(i), ""))
		for n := range 8 {
			all.Go(func() {
				switch {
				case n == 7:
					_ = a.Err()
					r.Receive(now, asker(desk, fmt.Sprint(i), "")).Again()
				default:
					if _, err := a.Ack(now); err == nil {
						acks.Add(1)
					}
				}
			})
		}
	}
	all.Wait()
	if s := r.Stats(); acks.Load() != 100 || s.Acked != 100 || s.InHand != 0 {
		t.Errorf("got %d receipts for 100 messages, %+v", acks.Load(), s)
	}
}
