// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// TestOrder checks that messages that come while their recipient's presence is told to many do
// not overtake those that were kept.
func TestOrder(t *testing.T) {
	t.Parallel()
	s := start(t, testConfig(t))
	s.befriend(t, "juliet@localhost", 2000) // it takes a while to tell them
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	go func() { _, _ = io.Copy(io.Discard, romeo.conn) }()
	const count = 400
	half := make(chan struct{})
	go func() {
		for i := range count {
			if i == count/2 {
				close(half)
			}
			fmt.Fprintf(romeo.conn, "<message to='juliet@localhost' id='m%d' type='chat'>%s</message>", i, ask)
			time.Sleep(200 * time.Microsecond)
		}
	}()
	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony")
	<-half
	juliet.stanza("<presence/>")
	for i := range count {
		contains(t, juliet.element("message", "id='m"), fmt.Sprintf("id='m%d'", i))
	}
}

// befriend gives an account so many contacts.
func (s *Server) befriend(t *testing.T, account string, count int) {
	t.Helper()
	db, _ := s.store.Database()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() // does nothing after the commit
	for i := range count {
		contact := fmt.Sprintf("friend%d@localhost", i)
		_, err := tx.Exec(`INSERT INTO server_roster VALUES (?, ?, ?)`, account, contact, `{"Contact":"`+contact+`","From":true,"To":true,"Shown":true}`)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// TestReceiptsOfOneName checks that receipts come for a client that was not there, though they all
// have the same id.
func TestReceiptsOfOneName(t *testing.T) {
	t.Parallel()
	s := start(t, testConfig(t))
	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony").present()
	for i := range 3 {
		juliet.stanza("<message to='romeo@localhost/orchard' id='ack' type='chat'><received xmlns='urn:xmpp:receipts' id='m%d'/></message>", i)
	}
	juliet.sync()
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	for i := range 3 {
		contains(t, romeo.element("message", "id='ack'"), fmt.Sprintf("id='m%d'", i))
	}
}

// TestLockedStore checks that a store that does not answer delays one message, and refuses the
// others only if their recipient is not there.
func TestLockedStore(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.StoreTime = 500 * time.Millisecond
	s := start(t, c)
	romeo := dial(t, s.Addr.TCP).login("romeo", "orchard").present()
	juliet := dial(t, s.Addr.TCP).login("juliet", "balcony").present()
	db, err := sql.Open("sqlite", "file:"+c.Store)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lock, err := db.Conn(t.Context())
	if err == nil {
		_, err = lock.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	}
	if err != nil {
		t.Fatal(err)
	}
	romeo.stanza("<message to='nurse@localhost' type='chat'><body>x</body></message>")
	if got := romeo.element("message", "type='error'"); strings.Contains(got, " id=") {
		t.Errorf("got %s for a message without an id, want none", got)
	}
	const count = 40 // would take 20 s, one after the other
	for i := range count {
		romeo.stanza("<message to='nurse@localhost' id='n%d' type='chat'>%s</message>", i, ask)
	}
	romeo.stanza("<message to='juliet@localhost' id='m' type='chat'>%s</message>", ask)
	juliet.element("message", "id='m'")
	for i := range count {
		contains(t, romeo.element("message", fmt.Sprintf("id='n%d'", i)), "type='error'", "<error type='wait'>")
	}
	if _, err := lock.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
}

// TestReceiptsForABusySender checks that a sender who reads late gets all receipts then, more than
// his session has room for, and not only in his next session.
func TestReceiptsForABusySender(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Memory, c.AckWait, c.ProbeWait, c.WriteTimeout = true, time.Minute, time.Minute, time.Minute
	s := start(t, c)
	romeo, juliet := s.enter(t, "romeo", "orchard", 0), s.enter(t, "juliet", "phone", 0)
	const count = 1200
	body := strings.Repeat("x", 12_000)
	for i := range count {
		juliet.stanza("<message to='romeo@localhost/orchard' id='r%d' type='chat'><received xmlns='urn:xmpp:receipts' id='m%d'/><body>%s</body></message>", i, i, body)
	}
	juliet.sync()
	if s.waitsFor(t, "romeo@localhost") == 0 {
		t.Fatal("he has got all")
	}
	_ = romeo.conn.SetReadDeadline(time.Now().Add(patience))
	seen := make(map[string]bool)
	for in := bufio.NewReader(romeo.conn); len(seen) < count; {
		part, err := in.ReadString('>')
		if err != nil {
			t.Fatalf("%d of %d have come: %v", len(seen), count, err)
		}
		switch {
		case strings.HasPrefix(part, "<received"):
			seen[part] = true
		case strings.HasPrefix(part, "<iq"):
			romeo.stanza("<iq type='result' id='%s' to='localhost'/>", strings.SplitN(part, "'", 5)[3])
		}
	}
}
