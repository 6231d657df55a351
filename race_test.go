// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// outcomes count how each message ended, by its recipient and id.
type outcomes struct {
	mu  sync.Mutex
	all map[string][]untilack.Reason
}

func (o *outcomes) watch(e untilack.Event) {
	switch e.Reason {
	case untilack.Settled, untilack.Rejected, untilack.Finished, untilack.Acted, untilack.Unconfirmed, untilack.Expired, untilack.Purged:
		o.mu.Lock()
		defer o.mu.Unlock()
		o.all[e.Recipient+" "+e.ID] = append(o.all[e.Recipient+" "+e.ID], e.Reason)
	}
}

// TestS16 lets the receipt meet the deadline, the end of the stream, an answered
// probe or a block, in real parallel, ten thousand times.
func TestS16OfReceiptAndDeadlineExactlyOneWins(t *testing.T) {
	rounds := 10_000
	if testing.Short() {
		rounds = 500
	}
	for name, rival := range map[string]func(k *untilack.Keeper, now time.Time, s *untilack.Stream){
		"the deadline of a message that was read": func(k *untilack.Keeper, now time.Time, s *untilack.Stream) {
			k.ReadUpTo(now, s, k.Mark(s))
			k.Tick(now.Add(T))
		},
		"the end of the stream": func(k *untilack.Keeper, now time.Time, s *untilack.Stream) { k.Close(now, s) },
		"a new stream of the same resource": func(k *untilack.Keeper, now time.Time, s *untilack.Stream) {
			k.Open(now, s.Address(), nil)
		},
		"a block": func(k *untilack.Keeper, now time.Time, s *untilack.Stream) {
			k.Block(now, cache.Bare(s.Address()), percy)
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := outcomes{all: make(map[string][]untilack.Reason)}
			var acted, written atomic.Int64
			k, err := untilack.New(untilack.Config{
				Domain: england, Watch: o.watch, Seed: 1,
				Actions: []actions.Action{actions.Func(func(ctx, packet) (actions.Outcome, error) {
					acted.Add(1)
					return actions.Done, nil
				})},
			})
			if err != nil {
				t.Fatal(err)
			}
			for i := range rounds {
				race(t, k, i, rival, &written)
			}
			if len(o.all) > rounds {
				t.Errorf("%d messages have ended, of %d", len(o.all), rounds)
			}
			settled := 0
			for name, reasons := range o.all {
				if len(reasons) != 1 {
					t.Errorf("%s ended %v, want one end", name, reasons)
				}
				if reasons[0] == untilack.Settled {
					settled++
				}
			}
			t.Logf("%d of %d were settled first, %d acted on, %d written again", settled, rounds, acted.Load(), written.Load())
			if missing := rounds - len(o.all) - k.Stats().Waiting; missing != 0 {
				t.Errorf("%d messages are nowhere", missing)
			}
		})
	}
}

// race lets a receipt and a rival meet.
func race(t *testing.T, k *untilack.Keeper, i int, rival func(*untilack.Keeper, time.Time, *untilack.Stream), written *atomic.Int64) {
	now := dawn
	bare := subject(i)
	s, err := k.Open(now, bare+"/home", nil)
	if err != nil {
		t.Fatal(err)
	}
	drainEffects(k, now, new(atomic.Bool), func(*untilack.Effect, bool) {})
	stanza := message("chat", westminster, bare, "m1", speech)
	if a := k.Outgoing(now, s, []byte(stanza)); a.Verdict != untilack.Write {
		t.Fatal(a.Verdict)
	}
	var settled atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		before := k.Count(untilack.Settled)
		k.Incoming(now, s, []byte(receipt("m1")))
		settled.Store(k.Count(untilack.Settled) > before)
	})
	wg.Go(func() { rival(k, now, s) })
	late := func(e *untilack.Effect, before bool) {
		if e.Kind != untilack.WriteStanza {
			return
		}
		written.Add(1)
		if before {
			t.Errorf("round %d: written after the settle had returned", i)
		}
	}
	wg.Go(func() { drainEffects(k, now, &settled, late) })
	wg.Wait()
	drainEffects(k, now, &settled, late)
}

// drainEffects carries out all effects there are, and shows each with whether the
// flag was set before it was begun.
func drainEffects(k *untilack.Keeper, now time.Time, flag *atomic.Bool, see func(e *untilack.Effect, before bool)) {
	for {
		e, ok := k.Next()
		if !ok {
			return
		}
		before := flag.Load()
		if !k.Begin(now, e) {
			continue
		}
		see(e, before)
		var r untilack.Result
		if e.Kind == untilack.RunAction {
			r.Outcome, r.Err = e.Action.Act(context.Background(), e.Packet)
		}
		k.Finish(now, e, r)
	}
}

// TestEveryPacketIsAccountedFor lets many recipients live a wild life at once: in
// the end each message that was admitted has been settled or finished, or waits, or
// is stored.
func TestEveryPacketIsAccountedFor(t *testing.T) {
	for _, persist := range []time.Duration{-1, 0, 50 * time.Millisecond} {
		t.Run(fmt.Sprintf("persist after %v", persist), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := actions.NewMemStore(nil)
				o := outcomes{all: make(map[string][]untilack.Reason)}
				w := newWorld(t, untilack.Config{
					Store: plain{store}, PersistAfter: persist, Watch: o.watch, Seed: 1, Window: 4,
					Cache: &cache.Options{Limits: cache.Limits{RecipientPackets: 20}},
				})
				w.store = store
				lives := make([]*life, 20)
				var wg sync.WaitGroup
				for i := range lives {
					lives[i] = &life{world: w, bare: subject(i), random: rand.New(rand.NewPCG(1, uint64(i)))}
					wg.Go(lives[i].live)
				}
				wg.Wait()
				w.pass(5 * time.Minute)
				for _, l := range lives {
					l.account(t, &o)
				}
				w.stop()
			})
		})
	}
}

// plain hides that a MemStore is volatile, and that the world knows it.
type plain struct{ *actions.MemStore }

func (plain) Volatile() bool { return false }

// A life is what happens to one recipient.
type life struct {
	world    *world
	bare     string
	random   *rand.Rand
	here     []*client
	admitted []string
}

func (l *life) live() {
	for range 150 {
		switch n := l.random.IntN(20); {
		case n < 2 || len(l.here) == 0:
			l.login()
		case n < 12:
			l.send()
		default:
			i := l.random.IntN(len(l.here))
			l.happens(l.here[i], n)
		}
		time.Sleep(time.Duration(l.random.IntN(2000)) * time.Millisecond)
	}
}

func (l *life) login() {
	c := &client{habit: []habit{acknowledges, acknowledges, silent, deaf, hasty}[l.random.IntN(5)]}
	address := fmt.Sprintf("%s/r%d", l.bare, l.random.IntN(3))
	c.world, c.address, c.end = l.world, address, make(chan struct{})
	session, err := l.world.keeper.Attach(address, c, nil)
	if err != nil {
		panic(err)
	}
	l.world.mu.Lock()
	c.session = session
	l.world.mu.Unlock()
	l.here = append(l.here, c)
}

func (l *life) send() {
	id := fmt.Sprint("m", len(l.admitted))
	stanza := []byte(message("chat", westminster, l.bare, id, speech))
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	var err error
	if c := l.here[l.random.IntN(len(l.here))]; l.random.IntN(5) == 0 {
		err = l.world.keeper.Offline(ctx, stanza)
	} else {
		err = c.session.Deliver(ctx, stanza)
	}
	if err == nil {
		l.admitted = append(l.admitted, id)
	} else if !errors.Is(err, context.DeadlineExceeded) {
		panic(err)
	}
}

func (l *life) happens(c *client, n int) {
	switch n {
	case 12:
		c.goesDark()
	case 13:
		c.session.Close()
	case 14:
		c.session.Presence(l.random.IntN(3) > 0, l.random.IntN(3)-1)
	case 15:
		c.session.Pause()
	case 16:
		c.session.Resume()
		c.session.Ready()
	case 17:
		c.fails(untilack.ErrBusy)
	case 18:
		c.fails(nil)
		c.session.Ready()
	case 19:
		c.fails(errBroken)
	}
}

// account checks that nothing is missing, and that nothing ended twice.
func (l *life) account(t *testing.T, o *outcomes) {
	waiting := make(map[string]bool)
	for _, w := range l.world.keeper.Waiting(l.bare) {
		waiting[w.ID] = true
	}
	stored := make(map[string]bool)
	for row, err := range actions.All(t.Context(), l.world.store, l.bare) {
		if err != nil {
			t.Fatal(err)
		}
		stored[row.Packet.Key.ID] = true
	}
	var missing []string
	for _, id := range l.admitted {
		ends := o.all[l.bare+" "+id]
		if len(ends) == 0 && !waiting[id] && !stored[id] {
			missing = append(missing, id)
		}
		ended := ""
		for _, r := range ends {
			if r != untilack.Acted { // stored: that is no end
				ended += " " + r.String()
			}
		}
		if strings.Count(ended, " ") > 1 {
			t.Errorf("%s of %s ended more than once:%s", id, l.bare, ended)
		}
	}
	if len(missing) > 0 {
		t.Errorf("%s: of %d messages these are nowhere: %v", l.bare, len(l.admitted), missing)
	}
}
