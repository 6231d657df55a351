// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package clients

import (
	"testing"
	"time"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/internal/integration/servers"
	"github.com/untilack/untilack/internal/link"
	"mellium.im/xmpp/jid"
)

// shortly is how long a message waits where links fail.
const shortly = time.Second

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
	// The messages get that far, or for a moment nowhere if the end's own link is dark.
	romeo.flush(300 * time.Millisecond)
	network.Restore() // before they end, for the connections that follow
	network.Cut()
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
	servers.Others(t, func(t *testing.T, s *servers.Server) {
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
	romeo.flush(patience) // all that has come is handled
	romeo.ledger.wantRead(t, known)
	bodies, _ := juliet.ledger.shown()
	if lost, _ := judge(t, known, bodies); lost == 0 && fault != link.None {
		t.Error("nothing was lost: the link did not fail")
	}

	romeo.sendAgain(to, all, sent)
	bodies, times := juliet.ledger.shown()
	wantShown(t, all, bodies, times, true)
}

// The recipient, slixmpp, is cut off. It shows copies.
func TestSlixmppIsCutOff(t *testing.T) {
	eachFault(t, func(t *testing.T, s *servers.Server, fault link.Fault) {
		behind, network := s.Behind(t)
		cutOffOther(t, s, servers.Slixmpp(t, behind, s.Account(t, "juliet"), 0), network, fault, *messages)
	})
}

// The recipient, converse.js, is cut off. It goes on with the same stream by XEP-0198, and
// knows copies.
func TestConverseIsCutOff(t *testing.T) {
	servers.Others(t, func(t *testing.T, s *servers.Server) {
		behind, network := s.Behind(t)
		cutOffOther(t, s, servers.Converse(t, behind, s.Account(t, "juliet")), network, link.Swallow, min(*messages, 100))
	})
}

// cutOffOther is cutOff for other people's clients.
func cutOffOther(t *testing.T, s *servers.Server, juliet *servers.Client, network servers.Network, fault link.Fault, count int) {
	romeo := newEnd(t, s, s.Account(t, "romeo"), settings{policy: client.Always, retention: shortly})
	all, before := newLetters("there", count), juliet.Address()
	third, to := len(all)/3, jid.MustParse(juliet.Address()).Bare()
	sent := romeo.sendAll(to, all[:third])
	juliet.Wait(servers.Message, third/2)
	sent = append(sent, strike(network, fault, romeo, to, all[third:2*third])...)
	juliet.Wait(servers.Online, 2)
	if juliet.Address() != before {
		romeo.awaitEnd(before) // a server may send copies there, and again to the other one when it fails
	}
	sent = append(sent, romeo.sendAll(to, all[2*third:])...)
	known := romeo.results(sent)
	romeo.flush(patience) // all that has come is handled
	romeo.ledger.wantRead(t, known)
	last := newLetters("last", 1)
	romeo.sendAgain(to, append(all, last...), sent)
	awaitLast(juliet, servers.Message, last[0][0])
	bodies, times := shownBy(juliet)
	wantShown(t, append(all, last...), bodies, times, false)
	judgeFirst(t, known, times)
}

// awaitLast waits until the newest event of a kind has that id, behind which there is none.
func awaitLast(juliet *servers.Client, kind servers.Kind, id string) {
	for n := 1; ; {
		events := juliet.Wait(kind, n)
		if events[len(events)-1].ID == id {
			return
		}
		n = len(events) + 1
	}
}

// judgeFirst judges the results of the first sending by how often messages were shown in
// the end, by a client that shows copies: what was delivered was not sent again, and what was
// shown once of the rest is taken for lost at first.
func judgeFirst(t *testing.T, first map[string]client.Result, times map[string]int) {
	t.Helper()
	bodies := make(map[string]string)
	for id, r := range first {
		n, delivered := times[id], r.State == client.Delivered
		if delivered && n > 1 {
			t.Errorf("%s was delivered, and shown %d times", id, n)
		}
		if delivered && n > 0 || n > 1 {
			bodies[id] = ""
		}
	}
	judge(t, first, bodies)
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
		awaitLast(juliet, servers.Receipt, all[len(all)-1][0])
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
