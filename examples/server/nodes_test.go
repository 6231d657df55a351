// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"testing"
	"time"
)

// enter has somebody log in at a node.
func (s *Server) enter(t *testing.T, name, resource string, priority int) *raw {
	t.Helper()
	c := dial(t, s.Addr.TCP).login(name, resource)
	c.stanza("<presence><priority>%d</priority></presence>", priority)
	c.sync()
	return c
}

// twoNodes starts two servers that have the same store.
func twoNodes(t *testing.T) (here, there *Server) {
	t.Helper()
	c := testConfig(t)
	c.PollEvery = 20 * time.Millisecond
	return start(t, c), start(t, c)
}

// TestNodes checks that messages reach the session of an account at either node, in order,
// and that receipts come back.
func TestNodes(t *testing.T) {
	const quiet, none = -1, -2
	for name, test := range map[string]struct {
		here, there int // priorities of juliet's sessions here, where romeo is, and there
		to          string
		want        string
	}{
		"bare, there":      {none, 0, "juliet@localhost", "there"},
		"bare, quiet here": {quiet, 0, "juliet@localhost", "there"},
		"bare, both":       {0, 5, "juliet@localhost", "here"},
		"full, there":      {none, 0, "juliet@localhost/there", "there"},
		"full, here":       {0, 5, "juliet@localhost/here", "here"},
		"full, gone":       {0, none, "juliet@localhost/gone", "here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there := twoNodes(t)
			romeo, juliets := here.enter(t, "romeo", "orchard", 0), make(map[string]*raw)
			if test.here != none {
				juliets["here"] = here.enter(t, "juliet", "here", test.here)
			}
			if test.there != none {
				juliets["there"] = there.enter(t, "juliet", "there", test.there)
			}
			for i := range 5 {
				romeo.stanza("<message to='%s' id='m%d' type='chat'>%s</message>", test.to, i, ask)
			}
			for i := range 5 {
				contains(t, juliets[test.want].element("message", "id='m"), fmt.Sprintf("id='m%d'", i))
				juliets[test.want].acknowledge("romeo@localhost/orchard", fmt.Sprint("m", i))
			}
			for i := range 5 {
				romeo.element("message", fmt.Sprintf("id='rm%d'", i))
			}
			here.settles(t)
		})
	}
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
	near.settles(t)
}
