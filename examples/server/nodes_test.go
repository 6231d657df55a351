// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"testing"
	"time"
)

// enter has somebody log in at a node, with no presence if the priority is absent.
func (s *Server) enter(t *testing.T, name, resource string, priority int) *raw {
	t.Helper()
	c := dial(t, s.Addr.TCP).login(name, resource)
	if priority != absent {
		c.stanza("<presence><priority>%d</priority></presence>", priority)
	}
	c.sync()
	return c
}

// What priorities mean to the tests of nodes.
const (
	quiet  = -1
	absent = -1000 // logged in, and no presence
	none   = -1001 // not logged in
)

// twoNodes starts two servers that have the same store.
func twoNodes(t *testing.T) (here, there *Server) {
	t.Helper()
	c := testConfig(t)
	c.PollEvery, c.ReturnTime = 20*time.Millisecond, 100*time.Millisecond
	return start(t, c), start(t, c)
}

// TestNodes checks that messages reach the session of an account at either node, in order,
// and that receipts come back, to the session that they are for.
func TestNodes(t *testing.T) {
	for name, test := range map[string]struct {
		here, there int // priorities of juliet's sessions here, where romeo is, and there
		to          string
		want        string // the one that gets them
	}{
		"bare, there":              {none, 0, "juliet@localhost", "there"},
		"bare, quiet here":         {quiet, 0, "juliet@localhost", "there"},
		"bare, both":               {0, 5, "juliet@localhost", "here"},
		"full, there":              {none, 0, "juliet@localhost/there", "there"},
		"full, there, quiet":       {none, quiet, "juliet@localhost/there", "there"},
		"full, there, no presence": {none, absent, "juliet@localhost/there", "there"},
		"full, there, both":        {5, 0, "juliet@localhost/there", "there"},
		"full, there, quiet, both": {5, quiet, "juliet@localhost/there", "there"},
		"full, here":               {0, 5, "juliet@localhost/here", "here"},
		"full, gone":               {0, none, "juliet@localhost/gone", "here"},
	} {
		for _, kind := range []string{"chat", "normal"} {
			if name == "full, gone" && kind == "normal" {
				continue // that is refused: see TestTable1
			}
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				here, there := twoNodes(t)
				romeo, juliets := here.enter(t, "romeo", "orchard", absent), make(map[string]*raw)
				there.enter(t, "romeo", "tablet", 7) // to see none of it
				if test.here != none {
					juliets["here"] = here.enter(t, "juliet", "here", test.here)
				}
				if test.there != none {
					juliets["there"] = there.enter(t, "juliet", "there", test.there)
				}
				for i := range 5 {
					romeo.stanza("<message to='%s' id='m%d' type='%s'>%s</message>", test.to, i, kind, ask)
				}
				for i := range 5 {
					contains(t, juliets[test.want].element("message", "id='m"), fmt.Sprintf("id='m%d'", i))
					juliets[test.want].acknowledge("romeo@localhost/orchard", fmt.Sprint("m", i))
				}
				for i := range 5 {
					romeo.element("message", fmt.Sprintf("id='rm%d'", i))
				}
				here.empties(t)
			})
		}
	}
}

// TestNodesTable1 sends to the full address of a session at another node what no receipt comes for.
func TestNodesTable1(t *testing.T) {
	t.Parallel()
	here, there := twoNodes(t)
	romeo, juliet := here.enter(t, "romeo", "orchard", 0), there.enter(t, "juliet", "there", 0)
	tablet := here.enter(t, "juliet", "here", 0)
	for _, kind := range []string{"groupchat", "headline", "error"} {
		romeo.stanza("<message to='juliet@localhost/there' id='%s' type='%s'><body>x</body></message>", kind, kind)
		juliet.element("message", "id='"+kind+"'")
	}
	juliet.sync()
	here.empties(t)
	romeo.stanza("<message to='juliet@localhost/here' id='last'><body>x</body></message>")
	contains(t, tablet.element("message", "id="), "id='last'") // and nothing before it
}

// TestNodesBlock checks that whom somebody blocks at one node is blocked when they come to another.
func TestNodesBlock(t *testing.T) {
	t.Parallel()
	here, there := twoNodes(t)
	romeo, juliet := here.enter(t, "romeo", "orchard", 0), there.enter(t, "juliet", "phone", 0)
	juliet.stanza("<iq type='set' id='block'><block xmlns='urn:xmpp:blocking'><item jid='romeo@localhost'/></block></iq>")
	juliet.element("iq", "id='block'")
	juliet.leave()
	phone := here.enter(t, "juliet", "phone", 0)
	romeo.stanza("<message to='juliet@localhost' id='m1'>%s</message>", ask)
	romeo.element("message", "id='m1'") // an error
	phone.not("id='m1'")
}

// TestNodesOwn sends to another session of one's own account, which is at another node.
func TestNodesOwn(t *testing.T) {
	t.Parallel()
	here, there := twoNodes(t)
	phone, tablet := here.enter(t, "juliet", "phone", 0), there.enter(t, "juliet", "tablet", 0)
	for _, kind := range []string{"chat", "normal", "headline"} {
		phone.stanza("<message to='juliet@localhost/tablet' id='%s' type='%s'>%s</message>", kind, kind, ask)
		tablet.element("message", "id='"+kind+"'")
	}
	phone.not("type='error'")
}

// TestNotBounced checks that no error answers what no receipt comes for, when a session at another
// node is gone before it has read it: an error least of all (RFC 6120 §8.3.1).
func TestNotBounced(t *testing.T) {
	t.Parallel()
	here, there := twoNodes(t)
	romeo, juliet := here.enter(t, "romeo", "orchard", 0), there.enter(t, "juliet", "phone", 0)
	tablet := there.enter(t, "juliet", "tablet", 0)
	juliet.mute = true
	for _, kind := range []string{"groupchat", "headline", "error"} {
		romeo.stanza("<message to='juliet@localhost/phone' id='%s' type='%s'><body>x</body></message>", kind, kind)
		juliet.element("message", "id='"+kind+"'")
	}
	juliet.conn.Close()
	there.empties(t)
	tablet.stanza("<message to='romeo@localhost/orchard' id='last'><body>x</body></message>")
	contains(t, romeo.element("message", ""), "id='last'") // and nothing before it
}

// TestNodeTakesOver checks that what a session does not acknowledge goes to one at another
// node when it ends.
func TestNodeTakesOver(t *testing.T) {
	t.Parallel()
	near, far := twoNodes(t)
	romeo := near.enter(t, "romeo", "orchard", 0)
	here, there := near.enter(t, "juliet", "here", 0), far.enter(t, "juliet", "there", 0)
	for id, to := range map[string]string{"m1": "juliet@localhost", "m2": "juliet@localhost/here"} {
		romeo.stanza("<message to='%s' id='%s' type='chat'>%s</message>", to, id, ask)
		here.element("message", "id='"+id+"'")
	}
	here.conn.Close()
	for _, id := range []string{"m1", "m2"} {
		there.element("message", "id='"+id+"'")
		there.acknowledge("romeo@localhost/orchard", id)
		romeo.element("message", "id='r"+id+"'")
	}
	near.empties(t)
}

// TestNodeTakesBack checks that what is for a session at another node, which is dark and then gone,
// goes to one that is here.
func TestNodeTakesBack(t *testing.T) {
	t.Parallel()
	near, far := twoNodes(t)
	romeo := near.enter(t, "romeo", "orchard", 0)
	there, here := far.enter(t, "juliet", "there", 0), near.enter(t, "juliet", "here", 0)
	romeo.stanza("<message to='juliet@localhost/there' id='m1' type='chat'>%s</message>", ask)
	far.takes(t)
	there.conn.Close() // she has answered nothing
	here.element("message", "id='m1'")
	here.acknowledge("romeo@localhost/orchard", "m1")
	romeo.element("message", "id='rm1'")
	near.empties(t)
}

// TestNodeReplaces checks that a client that comes back to another node ends its old session, and
// gets what that had.
func TestNodeReplaces(t *testing.T) {
	t.Parallel()
	near, far := twoNodes(t)
	romeo, dark := near.enter(t, "romeo", "orchard", 0), near.enter(t, "juliet", "phone", 0)
	romeo.stanza("<message to='juliet@localhost/phone' id='m1'>%s</message>", ask)
	dark.element("message", "id='m1'")
	phone := dial(t, far.Addr.TCP).login("juliet", "phone")
	contains(t, dark.element("stream:error", ""), "<conflict")
	phone.element("message", "id='m1'")
	for i := range 5 {
		romeo.stanza("<message to='juliet@localhost/phone' id='n%d'>%s</message>", i, ask)
		phone.element("message", fmt.Sprintf("id='n%d'", i))
		phone.acknowledge("romeo@localhost/orchard", fmt.Sprint("n", i))
		romeo.element("message", fmt.Sprintf("id='rn%d'", i))
	}
	phone.acknowledge("romeo@localhost/orchard", "m1")
	near.empties(t)
}

// TestBounce checks that a sender is told of a message that is for one session alone, which is gone
// before it has read it (RFC 6121 §8.5.3.2.1), at whichever node.
func TestBounce(t *testing.T) {
	for name, where := range map[string]func(here, there *Server) *Server{
		"here":  func(here, _ *Server) *Server { return here },
		"there": func(_, there *Server) *Server { return there },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there := twoNodes(t)
			at := where(here, there)
			romeo, juliet := here.enter(t, "romeo", "orchard", absent), at.enter(t, "juliet", "phone", 0)
			tablet := at.enter(t, "juliet", "tablet", 0)
			romeo.stanza("<message to='juliet@localhost/phone' id='m1'>%s</message>", ask)
			at.takes(t)
			juliet.conn.Close()
			contains(t, romeo.element("message", `id="m1"`), `type="error"`, `from="juliet@localhost/phone"`, "-unavailable ")
			romeo.stanza("<message to='juliet@localhost/tablet' id='last'>%s</message>", ask)
			contains(t, tablet.element("message", "id="), "id='last'") // and nothing before it
		})
	}
}

// TestReturns checks that a message for one session alone waits for that a while, and its sender is
// told nothing.
func TestReturns(t *testing.T) {
	t.Parallel()
	s := start(t, testConfig(t))
	romeo, dark := s.enter(t, "romeo", "orchard", 0), s.enter(t, "juliet", "phone", 0)
	romeo.stanza("<message to='juliet@localhost/phone' id='m1'>%s</message>", ask)
	s.takes(t)
	dark.conn.Close()
	for end := time.Now().Add(patience); s.clients.Sessions() > 1 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	phone := dial(t, s.Addr.TCP).login("juliet", "phone")
	phone.element("message", "id='m1'")
	phone.acknowledge("romeo@localhost/orchard", "m1")
	contains(t, romeo.element("message", "id="), "id='rm1'") // and no error before it
}

// takes waits until something is on its way to a client.
func (s *Server) takes(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); s.keeper.Stats().Waiting == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing was taken up")
		}
	}
}
