// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package clients

import (
	"maps"
	"testing"
	"time"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/internal/integration/servers"
	"github.com/untilack/untilack/internal/link"
	"mellium.im/xmpp/jid"
)

// shortly is how long a message waits where links fail.
const shortly = 2 * time.Second

// faults are the ways in which a link fails here.
var faults = []link.Fault{link.None, link.Swallow, link.Stall}

// strike has a network fail while an end sends, and then ends all of its connections. With
// link.None they end at once.
func strike(network servers.Network, fault link.Fault, romeo *end, to jid.JID, all letters) []*client.Sent {
	if fault == link.None {
		network.Cut()
		return romeo.sendAll(to, all)
	}
	network.Fail(fault)
	sent := romeo.sendAll(to, all)
	romeo.flush(300 * time.Millisecond) // or for a moment, if the end's own link is dark
	network.Cut()
	network.Restore()
	return sent
}

// The recipient, a bot of ours, is cut off: nothing counts as delivered that it has not
// shown, and what is sent again is shown once.
func TestRecipientIsCutOff(t *testing.T) {
	eachFault(t, func(t *testing.T, s *servers.Server, fault link.Fault) {
		behind, network := s.Behind(t)
		romeo := newEnd(t, s, s.Account(t, "romeo"), settings{policy: client.Always, retention: shortly})
		juliet := newEnd(t, behind, s.Account(t, "juliet"), settings{policy: client.Always})
		cutOff(t, romeo, juliet, network, fault)
	})
}

// The sender is cut off: what it has written may be lost, and the receipts for it.
func TestSenderIsCutOff(t *testing.T) {
	eachFault(t, func(t *testing.T, s *servers.Server, fault link.Fault) {
		behind, network := s.Behind(t)
		romeo := newEnd(t, behind, s.Account(t, "romeo"), settings{policy: client.Always, retention: shortly})
		juliet := newEnd(t, s, s.Account(t, "juliet"), settings{policy: client.Always})
		cutOff(t, romeo, juliet, network, fault)
	})
}

func eachFault(t *testing.T, test func(*testing.T, *servers.Server, link.Fault)) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		for _, fault := range faults {
			name := string(fault)
			if fault == link.None {
				name = "reset"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel() // most of the time they wait for what is lost
				test(t, s, fault)
			})
		}
	})
}

// cutOff has one of two ends cut off when the recipient has shown some of the messages. A
// part of them is under way then, and another part is sent while the link is dark.
func cutOff(t *testing.T, romeo, juliet *end, network servers.Network, fault link.Fault) {
	all := newLetters("there", *messages)
	third, to := len(all)/3, juliet.address()
	sent := romeo.sendAll(to, all[:third])
	juliet.ledger.await(t, third/2)
	sent = append(sent, strike(network, fault, romeo, to, all[third:2*third])...)
	sent = append(sent, romeo.sendAll(to, all[2*third:])...)
	known := romeo.results(sent)
	bodies, _ := juliet.ledger.shown()
	if lost, _ := judge(t, known, bodies); lost == 0 && fault != link.None {
		t.Error("nothing was lost: the link did not fail")
	}

	romeo.sendAgain(to, all, known)
	bodies, times := juliet.ledger.shown()
	wantShown(t, all, bodies, times, true)
}

// The recipient, slixmpp, is cut off. It shows copies.
func TestSlixmppIsCutOff(t *testing.T) {
	eachFault(t, func(t *testing.T, s *servers.Server, fault link.Fault) {
		behind, network := s.Behind(t)
		romeo := newEnd(t, s, s.Account(t, "romeo"), settings{policy: client.Always, retention: shortly})
		juliet := servers.Slixmpp(t, behind, s.Account(t, "juliet"), 0)
		all := newLetters("there", *messages)
		third, to := len(all)/3, jid.MustParse(juliet.Address()).Bare()
		sent := romeo.sendAll(to, all[:third])
		juliet.Wait(servers.Message, third/2)
		sent = append(sent, strike(network, fault, romeo, to, all[third:2*third])...)
		juliet.Wait(servers.Online, 2)
		sent = append(sent, romeo.sendAll(to, all[2*third:])...)
		known := romeo.results(sent)
		first := maps.Clone(known)
		romeo.sendAgain(to, all, known)
		bodies, times := shownBy(juliet)
		wantShown(t, all, bodies, times, false)
		judgeCopies(t, juliet, first)
	})
}

// judgeCopies checks a slixmpp's messages against the results of the first sending: what was
// delivered by that was not sent again.
func judgeCopies(t *testing.T, juliet *servers.Client, first map[string]client.Result) {
	t.Helper()
	bodies, times := shownBy(juliet)
	judge(t, first, bodies)
	copies := 0
	for id, n := range times {
		if n > 1 && first[id].State == client.Delivered {
			t.Errorf("%s was delivered, and shown %d times", id, n)
		}
		copies += n - 1
	}
	t.Logf("%d were shown twice", copies)
}

// A slixmpp that sends is cut off; it sends nothing again, so what the link swallows is lost.
// Our bot shows nothing twice, and slixmpp gets receipts for what was shown alone.
func TestSlixmppIsCutOffAsItSends(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		behind, network := s.Behind(t)
		romeo := newEnd(t, s, s.Account(t, "romeo"), settings{policy: client.Always})
		juliet := servers.Slixmpp(t, behind, s.Account(t, "juliet"), 0)
		all := newLetters("back", *messages)
		half := len(all) / 2
		for _, l := range all[:half] {
			juliet.Send(romeo.address().String(), l[0], l[1])
		}
		romeo.ledger.await(t, half/2)
		network.Cut()
		juliet.Wait(servers.Online, 2)
		for _, l := range all[half:] {
			juliet.Send(romeo.address().String(), l[0], l[1])
		}
		last := all[len(all)-1][0]
		for n := half; ; n++ {
			receipts := juliet.Wait(servers.Receipt, n)
			if receipts[len(receipts)-1].ID == last {
				break
			}
		}
		bodies, times := romeo.ledger.shown()
		for _, r := range juliet.Events(servers.Receipt) {
			if _, shown := bodies[r.ID]; !shown {
				t.Errorf("%s was acknowledged, and not shown", r.ID)
			}
		}
		for id, n := range times {
			if n > 1 {
				t.Errorf("%s was shown %d times", id, n)
			}
		}
		t.Logf("%d of %d were shown, %d receipts came", len(bodies), len(all), len(juliet.Events(servers.Receipt)))
	})
}
