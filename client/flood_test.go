// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack/client"
)

// ackOf has a message be received and acknowledged, and reports whether there was a receipt.
func ackOf(t testing.TB, r *client.Responder, at time.Time, stanza []byte) bool {
	t.Helper()
	_, err := r.Receive(at, stanza).Ack(at)
	if err != nil && !errors.Is(err, client.ErrRate) && !errors.Is(err, client.ErrPolicy) {
		t.Fatal(err)
	}
	return err == nil
}

// 10,000 requests in a second from one sender get as many receipts as the rate allows. The memory
// does not grow with them, and all others get their receipts and are known.
func TestR72S47AFloodFromOneSender(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always})
	var friends [][]byte
	for i := range 500 {
		friends = append(friends, asker(fmt.Sprintf("friend%d@capulet.lit/a", i), "1", "a"))
		if !ackOf(t, r, now, friends[i]) {
			t.Fatalf("friend %d gets no receipt", i)
		}
	}
	flood := func(from, seconds int) (acks int) {
		for i := range 10_000 * seconds {
			at := now.Add(time.Duration(from)*time.Second + time.Duration(i)*time.Second/10_000)
			if ackOf(t, r, at, asker(fmt.Sprintf("%s/%d", percy, i%7), fmt.Sprint(from, "-", i), "a")) {
				acks++
			}
		}
		return acks
	}
	if got, want := flood(0, 1), 1000+20; got > want || got < 1000 {
		t.Errorf("the first second: got %d receipts, want 1,000 to %d", got, want)
	}
	before := heap()
	if got, want := flood(1, 2), 2*20+1; got > want || got < want-2 {
		t.Errorf("the next two seconds: got %d receipts, want about %d", got, want)
	}
	if grown := heap() - before; grown > 256<<10 {
		t.Errorf("the memory has grown by %d KiB", grown>>10)
	}
	at := now.Add(3 * time.Second)
	for i, stanza := range friends {
		a := r.Receive(at, stanza)
		if !a.Copy() {
			t.Fatalf("friend %d is forgotten", i)
		}
		if _, err := a.Ack(at); err != nil {
			t.Fatalf("friend %d: %v", i, err)
		}
	}
	if s := r.Stats(); s.Window > 500+16_384/16 || s.Rate < 28_000 {
		t.Errorf("got %+v", s)
	}
}

// Strangers are not answered, and whatever they send makes no friend's message be forgotten.
func TestR72R183AFloodFromStrangers(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Domains(addressOf("capulet.lit")), Window: 1024})
	if !ackOf(t, r, now, asker("juliet@capulet.lit/a", "1", "a")) {
		t.Fatal("a friend gets no receipt")
	}
	for i := range 10_000 {
		if ackOf(t, r, now, asker(fmt.Sprintf("a%d@mallory.lit/a", i), "1", "a")) {
			t.Fatal("a stranger gets a receipt")
		}
	}
	if !r.Receive(now, asker("a9999@mallory.lit/a", "1", "a")).Copy() {
		t.Error("a stranger's copy is shown")
	}
	if !r.Receive(now, asker("juliet@capulet.lit/a", "1", "a")).Copy() {
		t.Error("a friend's copy is shown")
	}
	if s := r.Stats(); s.Window != 1024+1 {
		t.Errorf("got a window of %d, want 1,025", s.Window)
	}
}

// All accounts together have a limit, too.
func TestR72AFloodFromManySenders(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always, Rate: 10, Burst: 100, Senders: 16})
	acks := 0
	for i := range 1000 {
		if ackOf(t, r, now.Add(time.Duration(i)*time.Millisecond), asker(fmt.Sprintf("a%d@b/c", i), "1", "")) {
			acks++
		}
	}
	if acks < 109 || acks > 110 {
		t.Errorf("got %d receipts in a second, want 100 and 10", acks)
	}
}

// A message beyond the rate is acknowledged when it comes again.
func TestR72ACopyAfterTheRate(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always, SenderRate: 1, SenderBurst: 1})
	if !ackOf(t, r, now, asker(desk, "1", "")) || ackOf(t, r, now, asker(york, "2", "")) {
		t.Fatal("the rate is wrong")
	}
	if ackOf(t, r, now.Add(-time.Hour), asker(york, "2", "")) {
		t.Error("a clock that goes backwards gives a receipt")
	}
	a := r.Receive(now.Add(time.Second), asker(york, "2", ""))
	if !a.Copy() {
		t.Error("it is shown again")
	}
	if _, err := a.Ack(now.Add(time.Second)); err != nil {
		t.Error(err)
	}
	if s := r.Stats(); s.Acked != 2 || s.Again != 0 || s.Rate != 2 || s.Copies != 2 {
		t.Errorf("got %+v", s)
	}
}

// Of the senders that are known, the one longest silent is forgotten.
func TestR72WhichSenderIsForgotten(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always, SenderRate: 0.001, SenderBurst: 1, Senders: 2})
	for i, c := range []struct {
		from string
		want bool
	}{{"a", true}, {"b", true}, {"a", false}, {"c", true}, {"a", false}, {"b", true}} {
		if got := ackOf(t, r, now, asker(c.from+"@b/c", fmt.Sprint(i), "")); got != c.want {
			t.Errorf("message %d, from %s: got a receipt: %t, want: %t", i, c.from, got, c.want)
		}
	}
}

// What was left is left when a clock goes backwards.
func TestR72AClockThatGoesBackwards(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always, SenderRate: 1, SenderBurst: 2})
	for i, want := range []bool{true, true, false} {
		at := now.Add(-time.Duration(i) * time.Hour)
		if got := ackOf(t, r, at, asker(desk, fmt.Sprint(i), "")); got != want {
			t.Errorf("message %d: got a receipt: %t, want: %t", i, got, want)
		}
	}
}

// Of senders that are forgotten nothing is left.
func TestR72ManySendersCostNothing(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always, Rate: -1, Window: 64, Senders: 64})
	flood := func(name string) {
		for i := range 10_000 {
			ackOf(t, r, now, asker(fmt.Sprint(name, i, "@b/c"), "1", ""))
		}
	}
	flood("a")
	before := heap()
	flood("b")
	if grown := heap() - before; grown > 128<<10 {
		t.Errorf("the memory has grown by %d KiB", grown>>10)
	}
	runtime.KeepAlive(r)
}

func TestNegativeRatesAreNone(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always, SenderRate: -1, Rate: -1})
	for i := range 20_000 {
		if !ackOf(t, r, now, asker(desk, fmt.Sprint(i), "")) {
			t.Fatalf("there is no receipt for message %d", i)
		}
	}
}

// What is kept of a message does not depend on how long its id is.
func TestBytesPerRememberedMessage(t *testing.T) {
	const n = 8192
	r := newResponder(t, client.ResponderOptions{Policy: client.Always, SenderRate: -1, Rate: -1})
	long := strings.Repeat("x", 1000)
	fill := func(kind string) {
		for i := range n {
			ackOf(t, r, now, asker(fmt.Sprintf("%s%d@b/c", kind, i/500), fmt.Sprint(i, long), ""))
		}
	}
	before := heap()
	fill("a")
	bytes := float64(heap()-before) / n
	t.Logf("%.0f bytes for each message", bytes)
	if bytes > 300 {
		t.Errorf("got %.0f bytes for each message, want 300 at most", bytes)
	}
	runtime.KeepAlive(r)
}

// The windows forget in order of age, each account its own first.
func TestWhatTheWindowForgets(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always, Window: 32}) // 2 of each account
	known := func(from, id string) bool {
		a := r.Receive(now, asker(from, id, ""))
		a.Again() // of one that is new nothing is left
		return a.Copy()
	}
	for _, id := range []string{"1", "2", "3"} {
		ackOf(t, r, now, asker(desk, id, ""))
	}
	for _, id := range []string{"2", "3"} {
		if !known(desk, id) {
			t.Errorf("%s of a full share is forgotten", id)
		}
	}
	for i := range 31 {
		ackOf(t, r, now, asker(fmt.Sprintf("a%d@b/c", i), "1", ""))
	}
	if s := r.Stats(); s.Window != 32 {
		t.Fatalf("got a window of %d, want 32", s.Window)
	}
	if !known(desk, "3") || known(desk, "2") {
		t.Error("another one than the oldest is forgotten")
	}
}

// A copy makes a message the youngest one of its account.
func TestWhatTheWindowOfAnAccountForgets(t *testing.T) {
	r := newResponder(t, client.ResponderOptions{Policy: client.Always, Window: 32}) // 2 of each account
	for _, id := range []string{"1", "2", "1", "3"} {
		ackOf(t, r, now, asker(desk, id, ""))
	}
	if !r.Receive(now, asker(desk, "1", "")).Copy() || r.Receive(now, asker(desk, "2", "")).Copy() {
		t.Error("another one than the oldest is forgotten")
	}
}
