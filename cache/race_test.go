// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache_test

import (
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/untilack/untilack/cache"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// race runs functions at the same time.
func race(functions ...func()) {
	var ready, done sync.WaitGroup
	ready.Add(len(functions))
	for _, f := range functions {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			f()
		})
	}
	done.Wait()
}

// S16: of a receipt and a deadline at the same instant, exactly one wins.
func TestS16ReceiptAgainstDeadline(t *testing.T) {
	f := newFixture(t, nil)
	wins := map[cache.Verdict]int{}
	for i := range 10_000 {
		id := strconv.Itoa(i)
		r := f.sent(packet(id, "a"))
		f.now = f.now.Add(time.Minute)
		taken := false
		var verdict cache.Verdict
		race(
			func() {
				for p := range f.Due(f.now) {
					_, taken = f.Take(p.Ref())
				}
			},
			func() { verdict = f.Settle(f.now, receipt(throne, id)).Verdict },
		)
		wins[verdict]++
		if taken != (verdict == cache.Late) || !taken != (verdict == cache.Settled) {
			t.Fatalf("taken: %v, the receipt: %v", taken, verdict)
		}
		if late, ok := f.Drop(f.now, r); taken != ok || taken != late {
			t.Fatalf("taken: %v, but Drop = %v, %v", taken, late, ok)
		}
		if f.Deliver(r, cache.Copy{Resource: throne}) {
			t.Fatal("delivered after the end")
		}
	}
	t.Logf("outcomes: %v", wins)
}

// S16 once more, where two actions and a receipt meet at each of many packets, at the
// very same instant: one of the three gets it.
func TestS16ManyPacketsAreEachWonOnce(t *testing.T) {
	const packets, rivals = 20_000, 3
	f := newFixture(t, &cache.Options{Limits: cache.Limits{RecipientPackets: -1, PairPackets: -1}})
	refs, ids := make([]cache.Ref, packets), make([]string, packets)
	for i := range refs {
		ids[i] = strconv.Itoa(i)
		refs[i] = f.sent(packet(ids[i], "a"))
	}
	var here atomic.Int64
	wins := make([]atomic.Int32, packets)
	rival := func(won func(i int) bool) func() {
		return func() {
			for i := range packets {
				here.Add(1)
				for spins := 1; here.Load() < int64(i+1)*rivals; spins++ {
					if spins%256 == 0 {
						runtime.Gosched()
					}
				}
				if won(i) {
					wins[i].Add(1)
				}
			}
		}
	}
	take := rival(func(i int) bool {
		_, ok := f.Take(refs[i])
		return ok
	})
	race(take, take, rival(func(i int) bool {
		return f.Settle(start, receipt(throne, ids[i])).Verdict == cache.Settled
	}))
	for i := range wins {
		if n := wins[i].Load(); n != 1 {
			t.Fatalf("packet %d was won %d times", i, n)
		}
	}
}

// Many goroutines never pass a limit, not by one.
func TestLimitsHoldUnderConcurrency(t *testing.T) {
	const limit = 100
	f := newFixture(t, &cache.Options{Limits: cache.Limits{Packets: limit, Bytes: limit * 100}})
	var admitted, refused atomic.Int64
	var workers []func()
	for worker := range 8 {
		workers = append(workers, func() {
			for i := range 1000 {
				r, err := f.Put(start, fromSender(i, strconv.Itoa(worker*1000+i)+"@royalty.england.lit"), ackWait)
				switch {
				case errors.Is(err, cache.ErrFull):
					refused.Add(1)
				case f.Len() > limit:
					t.Errorf("%d packets", f.Len())
				case i%2 == 0:
					f.Drop(start, r)
					fallthrough
				default:
					admitted.Add(1)
				}
			}
		})
	}
	race(workers...)
	got := f.Stats()
	if got.Waiting > limit || got.Bytes != int64(got.Waiting)*100 || refused.Load() == 0 {
		t.Errorf("%+v, %d admitted, %d refused", got, admitted.Load(), refused.Load())
	}
}

// Everything at once, on few packets, with few tombstones: what was put must end in
// exactly one way.
func TestEverythingAtOnce(t *testing.T) {
	f := newFixture(t, &cache.Options{Tombstones: 16, TombstoneAge: time.Second})
	var clock atomic.Int64
	now := func() time.Time { return after(time.Duration(clock.Add(int64(100 * time.Microsecond)))) }
	var ended atomic.Int64
	drop := func(r cache.Ref) {
		if _, ok := f.Drop(now(), r); ok {
			ended.Add(1)
		}
	}
	var workers []func()
	for worker := range 4 {
		to := strconv.Itoa(worker%2) + "@royalty.england.lit"
		workers = append(workers, func() {
			for i := range 3000 {
				p := packet(strconv.Itoa(i%5), strconv.Itoa(i))
				p.Key.To = to
				if r, err := f.Put(now(), p, time.Duration(i%7)*time.Millisecond); err == nil {
					f.Deliver(r, cache.Copy{Resource: throne, Stream: uint64(i % 3)})
					f.Undeliver(r, 1)
				}
			}
		}, func() {
			for i := range 6000 {
				f.Settle(now(), cache.Receipt{To: to, Resource: throne, From: percy, ID: strconv.Itoa(i % 5)})
			}
		}, func() {
			for range 300 {
				for p := range f.Due(now()) {
					if p, ok := f.Take(p.Ref()); ok {
						if p.Seq%2 == 0 {
							f.Again(now(), p.Ref(), time.Millisecond)
							continue
						}
						drop(p.Ref())
					}
				}
				f.Next()
			}
		}, func() {
			for i := range 100 {
				for p := range f.Of(to) {
					f.Mark(p.Ref(), cache.Stored, cache.Read)
					f.Count(p.Ref())
				}
				for range f.On(to, uint64(i%3)) {
					break
				}
				for range f.All() {
					f.Stats()
					break
				}
				f.Sweep(now())
			}
		})
	}
	race(workers...)
	for p := range f.All() {
		drop(p.Ref())
	}
	got := f.Stats()
	if got.Waiting != 0 || got.Bytes != 0 || got.Taken != 0 || got.Recipients != 0 || got.Tombstones > 16 {
		t.Errorf("something is left: %+v", got)
	}
	if got.Dropped != uint64(ended.Load()) || got.Put < got.Dropped+got.Settled || got.Put > got.Dropped+got.Settled+got.Late {
		t.Errorf("the ends do not add up: %+v", got)
	}
	if _, ok := f.Next(); ok {
		t.Error("a deadline is left")
	}
}
