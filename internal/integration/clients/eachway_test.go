// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package clients

import (
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/internal/integration/servers"
	"mellium.im/xmpp/jid"
)

// Messages between two of our ends, both ways at once.
func TestOurs(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		romeo := newEnd(t, s, s.Account(t, "romeo"), settings{policy: client.Always})
		juliet := newEnd(t, s, s.Account(t, "juliet"), settings{policy: client.Always})
		there, back := newLetters("there", *messages), newLetters("back", *messages)
		start := time.Now()
		var both sync.WaitGroup
		for _, way := range []struct {
			from, to *end
			all      letters
		}{{romeo, juliet, there}, {juliet, romeo, back}} {
			both.Go(func() {
				known := way.from.results(way.from.sendAll(way.to.address(), way.all))
				wantDelivered(t, known, way.to.address().String())
			})
		}
		both.Wait()
		t.Logf("%d messages each way: %v", *messages, time.Since(start).Round(time.Millisecond))
		bodies, times := juliet.ledger.shown()
		wantShown(t, there, bodies, times, true)
		bodies, times = romeo.ledger.shown()
		wantShown(t, back, bodies, times, true)
	})
}

// Messages to slixmpp, whether it acknowledges at once or after some work, and from it.
func TestSlixmpp(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		for _, work := range []time.Duration{0, 5 * time.Millisecond} {
			t.Run("work "+work.String(), func(t *testing.T) {
				juliet := servers.Slixmpp(t, s, s.Account(t, "juliet"), work)
				eachWay(t, s, juliet, *messages, *messages)
			})
		}
	})
}

// Messages to converse.js, which takes time for each, and the more the more there are, and
// from it.
func TestConverse(t *testing.T) {
	servers.EachWithPatience(t, func(t *testing.T, s *servers.Server) {
		juliet := servers.Converse(t, s, s.Account(t, "juliet"))
		count := min(*messages, 300)
		eachWay(t, s, juliet, count, count)
	})
}

// eachWay sends messages to another client, and has it send to us, at once.
func eachWay(t *testing.T, s *servers.Server, juliet *servers.Client, toIt, fromIt int) {
	romeo := newEnd(t, s, s.Account(t, "romeo"), settings{policy: client.Always, retention: 10 * time.Minute})
	there, back := newLetters("there", toIt), newLetters("back", fromIt)
	start := time.Now()
	for _, l := range back {
		juliet.Send(romeo.address().String(), l[0], l[1])
	}
	known := romeo.results(romeo.sendAll(jid.MustParse(juliet.Address()), there))
	wantDelivered(t, known, juliet.Address())
	juliet.Wait(servers.Message, toIt)
	told := time.Since(start)
	received := make(map[string]string)
	for _, r := range juliet.Wait(servers.Receipt, fromIt) {
		received[r.ID] = r.From
	}
	t.Logf("%d messages to it: %v; %d from it: %v", toIt, told.Round(time.Millisecond), fromIt, time.Since(start).Round(time.Millisecond))
	bodies, times := shownBy(juliet)
	wantShown(t, there, bodies, times, true)
	bodies, times = romeo.ledger.shown()
	wantShown(t, back, bodies, times, true)
	for _, l := range back {
		if received[l[0]] != romeo.address().String() {
			t.Errorf("%s was acknowledged by %q, want %s", l[0], received[l[0]], romeo.address())
		}
	}
}
