// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/untilack/untilack/client"
)

// A receipt may come as soon as a message is written, and so before Track has returned to
// its caller: here it comes as soon as the message waits.
func TestAReceiptBeforeTrackReturns(t *testing.T) {
	for range 200 {
		tracker := client.NewTracker(nil)
		taken := make(chan bool)
		go func() {
			for !tracker.Receive(start, []byte(receipt(balcony, "m1"))) {
				runtime.Gosched()
			}
			close(taken)
		}()
		_, sent, err := tracker.Track(start, nil, []byte(asking(juliet, "m1")))
		if err != nil {
			t.Fatal(err)
		}
		got, err := sent.Wait(t.Context())
		if err != nil || got.State != client.Delivered {
			t.Fatalf("got %v, %v", got, err)
		}
		<-taken
	}
}

func TestCloseWhileSomebodyWaits(t *testing.T) {
	defer goleak.VerifyNone(t)
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, nil)
		var group sync.WaitGroup
		for i := range 3 {
			sent := s.send(asking(juliet, fmt.Sprint("m", i)))
			for range 2 {
				group.Go(func() {
					if got, err := sent.Wait(t.Context()); err != nil || got.State != client.Closed {
						t.Errorf("Wait: got %v, %v", got, err)
					}
				})
			}
		}
		group.Go(func() {
			count := 0
			for r := range s.Results(t.Context()) {
				if count++; r.State != client.Closed {
					t.Errorf("Results: got %v", r)
				}
			}
			if count != 3 {
				t.Errorf("Results: got %d", count)
			}
		})
		synctest.Wait()
		s.Close(start)
		group.Wait()
		s.told(3, 0)
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	s := newSender(t, nil)
	sent := s.send(asking(juliet, "m1"))
	if first, second := sent.Done(), sent.Done(); first != second {
		t.Error("each wait costs a channel")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := sent.Wait(ctx); !errors.Is(err, context.Canceled) || got.State != client.Waiting || got.ID != "m1" {
		t.Errorf("got %v, %v", got, err)
	}
	// What is known is told all the same.
	s.hear(receipt(balcony, "m1"), true)
	for range 20 {
		if got, err := sent.Wait(ctx); err != nil || got.State != client.Delivered {
			t.Errorf("got %v, %v", got, err)
		}
	}
}

func TestResults(t *testing.T) {
	ids := func(ctx context.Context, s *sender, sent ...*client.Sent) (ids []string) {
		for r := range s.Results(ctx, sent...) {
			ids = append(ids, r.ID)
		}
		return ids
	}
	same := func(t *testing.T, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	t.Run("of some, as they come", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSender(t, nil)
			one, two := s.send(asking(juliet, "m1")), s.send(asking(juliet, "m2"))
			s.send(asking(juliet, "m3"))
			done := make(chan []string)
			go func() { done <- ids(t.Context(), s, one, two, one) }()
			synctest.Wait()
			for _, id := range []string{"m3", "m2", "m1"} {
				s.hear(receipt(balcony, id), true)
				synctest.Wait()
			}
			same(t, <-done, "m2", "m1")
		})
	})
	t.Run("of those that are known already", func(t *testing.T) {
		s := newSender(t, nil)
		one, two := s.send(asking(juliet, "m1")), s.send(asking(juliet, "m2"))
		two.Cancel(start)
		one.Cancel(start)
		_, not, err := s.Track(start, nil, []byte(`<presence id='p'/>`))
		if err != nil {
			t.Fatal(err)
		}
		same(t, ids(t.Context(), s, one, not, two, one), "m1", "p", "m2")
		same(t, ids(t.Context(), s))
	})
	t.Run("until the context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSender(t, nil)
			one, two := s.send(asking(juliet, "m1")), s.send(asking(juliet, "m2"))
			two.Cancel(start)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			same(t, ids(ctx, s, one, two), "m2")
			cancel()
			same(t, ids(ctx, s, one, two), "m2")
		})
	})
	t.Run("of several Trackers", func(t *testing.T) {
		one, two := newSender(t, nil), newSender(t, nil)
		sent := []*client.Sent{one.send(asking(juliet, "m1")), two.send(asking(juliet, "m2"))}
		two.Close(start)
		one.Close(start)
		same(t, ids(t.Context(), one, sent...), "m1", "m2")
	})
	t.Run("a loop that ended costs nothing more", func(t *testing.T) {
		s := newSender(t, nil)
		sent := make([]*client.Sent, 100)
		for i := range sent {
			sent[i] = s.send(asking(juliet, fmt.Sprint("m", i)))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := heap()
		for range 1000 {
			same(t, ids(ctx, s, sent...))
		}
		if more := heap() - before; more > 100_000 {
			t.Errorf("%d bytes are left", more)
		}
		s.Close(start)
		s.told(100, 0)
	})
}

// Everything at the same time: there is exactly one first result of each message, and
// Wait, Results and the hook agree on it.
func TestEverythingAtOnce(t *testing.T) {
	defer goleak.VerifyNone(t)
	const count = 400
	var mu sync.Mutex
	hooked := make(map[string][]client.Result)
	var late atomic.Int64
	tracker := client.NewTracker(&client.TrackerOptions{
		Account: romeo, Retention: time.Minute,
		Result: func(r client.Result) {
			mu.Lock()
			defer mu.Unlock()
			hooked[r.ID] = append(hooked[r.ID], r)
		},
		Late: func(client.Result) { late.Add(1) },
	})
	var group sync.WaitGroup
	ctx := t.Context()
	waited, ranged := make([]client.Result, count), make([]client.Result, count)
	for i := range count {
		id := fmt.Sprint("m", i)
		_, sent, err := tracker.Track(start, nil, []byte(asking(juliet, id)))
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() { waited[i], _ = sent.Wait(ctx) })
		group.Go(func() {
			for r := range tracker.Results(ctx, sent, sent) {
				ranged[i] = r
			}
		})
		group.Go(func() { tracker.Receive(start, []byte(receipt(balcony, id))) })
		group.Go(func() { tracker.Receive(start, []byte(bounced(juliet, id))) })
		group.Go(func() { sent.Cancel(start) })
		if i%20 == 0 {
			group.Go(func() {
				for range tracker.Due(start.Add(time.Minute)) {
				}
			})
			group.Go(func() {
				for range tracker.All() {
				}
			})
		}
	}
	group.Go(func() { tracker.Close(start) })
	group.Wait()
	for i := range count {
		id := fmt.Sprint("m", i)
		if len(hooked[id]) != 1 {
			t.Fatalf("%s: the hook got %v", id, hooked[id])
		}
		if first := hooked[id][0].String(); waited[i].String() != first || ranged[i].String() != first {
			t.Errorf("%s: the hook got %v, Wait %v, Results %v", id, first, waited[i], ranged[i])
		}
	}
	stats := tracker.Stats()
	if got := stats.Delivered + stats.Bounced + stats.Expired + stats.Cancelled + stats.Closed; got != count || stats.Waiting != 0 {
		t.Errorf("%+v", stats)
	}
	if uint64(late.Load()) != stats.Late {
		t.Errorf("Late got %d, %+v", late.Load(), stats)
	}
}

// A hook may call everything.
func TestHooksMayCall(t *testing.T) {
	var tracker *client.Tracker
	again := 0
	call := func(r client.Result) {
		if again++; again > 4 {
			return
		}
		tracker.Stats()
		tracker.Next()
		if _, _, err := tracker.Track(r.At, nil, []byte(asking(juliet, fmt.Sprint("n", again)))); err != nil && !errors.Is(err, client.ErrClosed) {
			t.Error(err)
		}
		tracker.Receive(r.At, []byte(receipt(balcony, "m2")))
		tracker.Close(r.At)
	}
	tracker = client.NewTracker(&client.TrackerOptions{Result: call, Late: call})
	for _, id := range []string{"m1", "m2"} {
		if _, _, err := tracker.Track(start, nil, []byte(asking(juliet, id))); err != nil {
			t.Fatal(err)
		}
	}
	tracker.Receive(start, []byte(receipt(balcony, "m1")))
	if again < 3 {
		t.Errorf("%d calls", again)
	}
}
