// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/internal/integration/servers"
	"github.com/untilack/untilack/internal/link"
)

var compare = flag.Bool("compare", false, "TestDark runs with prosody and ejabberd too, as Debian sets them up, and says how many messages each of them has lost")

// silence is for how long nothing has to come before what has not come counts as lost, where
// another server than ours cannot be asked, and for how long links fail there.
const silence = 10 * time.Second

// A habit is a client with what it does by itself, or by hand.
type habit struct {
	name    string
	answers bool // requests for receipts
	asks    bool // for receipts, when it sends
	knows   bool // copies, and neither shows nor answers them
	start   func(testing.TB, *servers.Server, servers.Account) *servers.Client
}

var habits = []habit{
	{"slixmpp", true, true, false, func(t testing.TB, s *servers.Server, a servers.Account) *servers.Client {
		return servers.Slixmpp(t, s, a, 0)
	}},
	{"stanza", true, true, false, servers.Stanza},
	{"converse.js", true, true, true, servers.Converse},
	{"aioxmpp", true, true, false, func(t testing.TB, s *servers.Server, a servers.Account) *servers.Client {
		return servers.Aioxmpp(t, s, a, true)
	}},
	{"aioxmpp, never answers", false, true, false, func(t testing.TB, s *servers.Server, a servers.Account) *servers.Client {
		return servers.Aioxmpp(t, s, a, false)
	}},
	{"xmpp-client, TCP", false, true, false, func(t testing.TB, s *servers.Server, a servers.Account) *servers.Client {
		return servers.XMPPClient(t, s, a, false)
	}},
	{"xmpp-client, WebSocket", false, true, false, func(t testing.TB, s *servers.Server, a servers.Account) *servers.Client {
		return servers.XMPPClient(t, s, a, true)
	}},
	{"go-sendxmpp", false, false, false, servers.GoSendxmpp},
}

// TestDark has clients of all kinds, as they are, chat, and go dark in the middle of 200
// messages: in a tunnel, or stopped. Our server loses none of them, tells no sender of a
// failure, does not show anybody the same over and over, and is done with all of them after the
// next session.
func TestDark(t *testing.T) {
	eachServer(t, func(t *testing.T, s *servers.Server) {
		for _, h := range habits {
			for name, fault := range map[string]func(*story){"tunnel": (*story).tunnel, "stopped": (*story).stopped} {
				t.Run(h.name+", "+name, func(t *testing.T) {
					t.Parallel()
					tell(t, s, h).goesDark(fault)
				})
			}
		}
	})
}

// eachServer runs a test with our server, and with the others if they are to be compared.
func eachServer(t *testing.T, test func(*testing.T, *servers.Server)) {
	if *compare {
		servers.EachAsPackaged(t, test)
		return
	}
	test(t, servers.Untilack(t))
}

// A story is that of romeo and juliet, whose client has a habit.
type story struct {
	*testing.T
	habit
	server        *servers.Server
	account       servers.Account // juliet's
	sender        servers.Account // romeo's
	network       servers.Network // juliet's
	romeo, juliet *servers.Client
	to            string // juliet's bare address
	before        int    // how many messages juliet was shown before it went dark
}

// tell begins a story: both log in, and chat.
func tell(t *testing.T, s *servers.Server, h habit) *story {
	behind, network := s.Behind(t)
	story := &story{T: t, habit: h, server: s, account: s.Account(t, "juliet"), sender: s.Account(t, "romeo"), network: network}
	story.to = story.account.Address.String()
	story.juliet = h.start(t, behind, story.account)
	story.romeo = servers.Slixmpp(t, s, story.sender, 0)
	story.chat()
	return story
}

// chat checks that messages arrive both ways, and receipts from those who give them.
func (s *story) chat() {
	s.Helper()
	const each = 3
	for i := range each {
		s.juliet.Send(s.sender.Address.String(), fmt.Sprint("to", i), fmt.Sprint("wherefore ", i))
	}
	s.wantBodies(s.romeo, "wherefore", each)
	if s.asks {
		s.juliet.Wait(servers.Receipt, each)
	}
	for i := range each {
		s.romeo.Send(s.to, fmt.Sprint("from", i), fmt.Sprint("I take thee ", i))
	}
	s.wantBodies(s.juliet, "I take thee", each)
	if s.answers {
		s.romeo.Wait(servers.Receipt, each)
	}
}

// wantBodies checks that so many messages come, in any order: each may come from a session of
// its own.
func (s *story) wantBodies(c *servers.Client, text string, each int) {
	s.Helper()
	want, got := make(map[string]bool), make(map[string]bool)
	for i, m := range c.Wait(servers.Message, each) {
		want[fmt.Sprintf("%s %d", text, i)] = true
		got[m.Body] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("messages (-want +got):\n%s", diff)
	}
}

// goesDark has juliet go dark in the middle of 200 messages.
func (s *story) goesDark(fault func(*story)) {
	if s.isOurs() { // romeo must not have to answer a ping, behind his 200 messages
		s.server.Await(s, s.sender, "romeo's peace", func(b servers.Box) bool { return b.Waiting() == 0 })
	}
	s.before = len(s.juliet.Events(servers.Message))
	s.say(0, count/2)
	s.juliet.Wait(servers.Message, s.before+count/4)
	fault(s)
	if !s.isOurs() {
		s.settle()
		s.Logf("%s: lost %d of %d, of which romeo was told %d", s.Name(), count-len(s.shown()), count, len(s.romeo.Events(servers.Failure)))
		return
	}
	s.awaitAll()
	s.isNotFlooded()
	s.logsInAgain("Good morrow")
	s.logsInAgain("Good even")
	s.server.Await(s, s.account, "the end", func(b servers.Box) bool { return b.Left() == 0 })
	if failures := s.romeo.Events(servers.Failure); len(failures) > 0 {
		s.Errorf("romeo was told of %d failures, the first %+v", len(failures), failures[0])
	}
}

const (
	count    = 200
	question = "Art thou there? " // how each of them begins
)

// say has romeo send juliet those messages.
func (s *story) say(from, to int) {
	for i := from; i < to; i++ {
		s.romeo.Send(s.to, fmt.Sprint("dark", i), fmt.Sprint(question, i))
	}
}

// tunnel has juliet's link swallow everything until she gets a new one. Her server is not
// told of that: to it her old session lasts, too.
func (s *story) tunnel() {
	online := len(s.juliet.Events(servers.Online))
	s.network.Fail(link.Swallow)
	s.say(count/2, count)
	s.await("the tunnel", func(b servers.Box) bool { return b.Waiting() >= count/2 })
	s.network.Restore()
	s.network.Strand()
	s.juliet.Wait(servers.Online, online+1)
}

// stopped has juliet's client stand still until her server thinks that she has gone.
func (s *story) stopped() {
	online := len(s.juliet.Events(servers.Online))
	s.juliet.Stop()
	s.say(count/2, count)
	s.await("the end of her session", func(b servers.Box) bool { return b.Sessions == 0 })
	s.juliet.Continue()
	if s.isOurs() {
		s.juliet.Wait(servers.Online, online+1)
	}
}

func (s *story) isOurs() bool { return s.server.Name == "untilack" }

// await waits until our server knows that of juliet, or for a while from when another one has all
// that romeo has sent: it may take that as slowly as it likes.
func (s *story) await(what string, known func(servers.Box) bool) {
	s.Helper()
	if !s.isOurs() {
		before := len(s.romeo.Events(servers.Message))
		s.romeo.Send(s.romeo.Address(), "taken", "To myself")
		s.romeo.Wait(servers.Message, before+1)
		time.Sleep(silence)
		return
	}
	s.server.Await(s, s.account, what, known)
}

// settle waits until nothing has come to juliet for a while.
func (s *story) settle() {
	for before := -1; before < len(s.juliet.Events(servers.Message)); time.Sleep(silence) {
		before = len(s.juliet.Events(servers.Message))
	}
}

// shown returns how often juliet was shown each of the messages.
func (s *story) shown() map[string]int {
	copies := make(map[string]int)
	for _, m := range s.juliet.Events(servers.Message)[s.before:] {
		if strings.HasPrefix(m.Body, question) {
			copies[m.Body]++
		}
	}
	return copies
}

// awaitAll waits until all messages have come, juliet's client has read whatever is left of them,
// and romeo has a receipt for each, from a client that answers each copy.
func (s *story) awaitAll() {
	s.Helper()
	for n := count; len(s.shown()) < count; n++ {
		s.awaitMessages(n)
	}
	s.romeo.Send(s.to, "night", goodNight) // behind all that is in the store
	for n := count; !slices.ContainsFunc(s.awaitMessages(n), isGoodNight); n++ {
	}
	s.server.Await(s, s.account, "rest", func(b servers.Box) bool {
		return b.Moving == 0 && (!s.answers || s.knows || s.receipts() == count)
	})
}

const goodNight = "Good night"

func isGoodNight(m servers.Event) bool { return m.Body == goodNight }

// receipts returns for how many of the messages romeo has one.
func (s *story) receipts() int {
	known := make(map[string]bool)
	for _, r := range s.romeo.Events(servers.Receipt) {
		if strings.HasPrefix(r.ID, "dark") {
			known[r.ID] = true
		}
	}
	return len(known)
}

// sessions is how many juliet has until all has come, at most: the one that went dark, the one
// after it, and one more if a busy machine did not let her answer in time.
const sessions = 3

// awaitMessages waits until juliet was shown so many since she went dark, and returns them. It ends
// the test if that takes too many sessions, or copies.
func (s *story) awaitMessages(n int) []servers.Event {
	s.Helper()
	if online := len(s.juliet.Events(servers.Online)); online > sessions || n > sessions*count {
		s.Fatalf("there were %d sessions, and %d messages in them; want %d sessions at most", online, n, sessions)
	}
	return s.juliet.Wait(servers.Message, s.before+n)[s.before:]
}

// isNotFlooded checks that nothing was shown twice in one session of juliet's.
func (s *story) isNotFlooded() {
	s.Helper()
	online, copies := len(s.juliet.Events(servers.Online)), 0
	for body, n := range s.shown() {
		copies += n
		if n > online {
			s.Errorf("%q was shown %d times in %d sessions", body, n, online)
		}
	}
	s.Logf("%d copies of %d messages were shown in %d sessions", copies, count, online)
}

// logsInAgain checks that nothing old is shown when juliet logs in again, that nothing is on its way
// to her client in the end, and that it stays. One that knows copies may get one of each.
func (s *story) logsInAgain(greeting string) {
	s.Helper()
	online, before := len(s.juliet.Events(servers.Online)), len(s.juliet.Events(servers.Message))
	s.network.Cut()
	s.juliet.Wait(servers.Online, online+1)
	s.romeo.Send(s.to, greeting, greeting)
	if m := s.juliet.Wait(servers.Message, before+1)[before]; m.Body != greeting {
		s.Errorf("got %q after all had come, want %q", m.Body, greeting)
	}
	s.server.Await(s, s.account, "rest", func(b servers.Box) bool { return b.Waiting() == 0 })
	if got := len(s.juliet.Events(servers.Online)); got > online+1 {
		s.Errorf("there were %d sessions when nothing was left to come, want one", got-online)
	}
}
