// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers_test

import (
	"context"
	"encoding/xml"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack/internal/integration/postgres"
	"github.com/untilack/untilack/internal/integration/servers"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/ping"
	"mellium.im/xmpp/stanza"
)

var rounds = flag.Int("rounds", 1, "how often TestKill kills the server with each store, in each state of the recipient")

// TestKill kills our server again and again while 200 messages a second come, for a recipient
// who is there, is not there, or reads nothing. What it has acknowledged, by an answer to an
// IQ that was sent after the message, is not lost.
func TestKill(t *testing.T) {
	for name, store := range map[string]func(t *testing.T) string{
		"PostgreSQL": newSchema,
		"SQLite":     func(t *testing.T) string { return filepath.Join(t.TempDir(), "mail.db") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := store(t)
			v := &victim{T: t, store: store, reader: reader{copies: make(map[string]int), change: make(chan struct{})}}
			v.start()
			for round := range *rounds {
				for _, state := range []string{"online", "offline", "dark"} {
					v.round(state, round)
				}
			}
			v.server.Kill()
			t.Logf("%d kills, %d messages acknowledged, none of these lost; %d copies more", 3**rounds, v.acknowledged, v.more())
		})
	}
}

// newSchema returns the URL of a new schema in PostgreSQL.
func newSchema(t *testing.T) string {
	dsn, err := postgres.Need(t).NewSchema()
	if err != nil {
		t.Fatal(err)
	}
	return asURL(dsn)
}

// A victim is a server that is killed, and what it has in its store.
type victim struct {
	*testing.T
	store        string
	server       *servers.Server
	reader       reader // juliet
	acknowledged int
}

func (v *victim) start() { v.server = servers.UntilackOn(v.T, v.store, "romeo", "juliet") }

// login logs in, and says so.
func (v *victim) login(name, resource string) *xmpp.Session {
	v.Helper()
	a := servers.Account{Address: jid.MustParse(name + "@" + v.server.Domain), Password: "secret"}
	session, err := servers.Login(v.Context(), v.server, a, resource)
	if err == nil {
		v.Cleanup(func() { session.Conn().Close() })
		err = session.Send(v.Context(), stanza.Presence{Type: stanza.AvailablePresence}.Wrap(nil))
	}
	if err != nil {
		v.Fatal(err)
	}
	return session
}

// isSeen waits until the server has taken the presence that a session has sent: it answers what
// comes behind it.
func (v *victim) isSeen(session *xmpp.Session) {
	v.Helper()
	ctx, cancel := context.WithTimeout(v.Context(), 20*time.Second)
	defer cancel()
	if err := ping.Send(ctx, session, session.LocalAddr().Domain()); err != nil {
		v.Fatal(err)
	}
}

// round kills the server once, starts it again, and waits for what it has acknowledged.
func (v *victim) round(state string, number int) {
	v.Helper()
	switch state {
	case "online":
		juliet := v.login("juliet", "balcony")
		go juliet.Serve(&v.reader)
		v.isSeen(juliet)
	case "dark":
		v.login("juliet", "tunnel") // who reads nothing
	}
	sent := v.send(fmt.Sprint(state, number, "."), 100)
	v.server.Kill()
	v.start()
	juliet := v.login("juliet", "home")
	defer juliet.Conn().Close()
	go juliet.Serve(&v.reader)
	v.reader.await(v.T, sent)
	v.acknowledged += len(sent)
}

// send has romeo send 200 messages a second, each with an IQ behind it, until so many are
// acknowledged. It returns the ids of all that are.
func (v *victim) send(prefix string, count int) (acknowledged []string) {
	v.Helper()
	romeo := v.login("romeo", "orchard")
	answers := make(chan string, 10*count)
	go romeo.Serve(answered(answers))
	ctx, stop := context.WithCancel(v.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		ticks := time.NewTicker(5 * time.Millisecond)
		defer ticks.Stop()
		for n := 0; ctx.Err() == nil; n++ {
			<-ticks.C
			id := fmt.Sprint(prefix, n)
			m := message{Message: stanza.Message{ID: id, To: jid.MustParse("juliet@" + v.server.Domain), Type: stanza.ChatMessage}, Body: "Art thou there?"}
			iq := stanza.IQ{ID: id, Type: stanza.GetIQ, To: jid.MustParse(v.server.Domain)}
			if romeo.Encode(ctx, m) != nil || romeo.Send(ctx, iq.Wrap(xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: "urn:xmpp:ping", Local: "ping"}}))) != nil {
				return
			}
		}
	})
	defer wait.Wait()
	defer stop()
	timeout := time.After(20 * time.Second)
	for len(acknowledged) < count {
		select {
		case id := <-answers:
			if strings.HasPrefix(id, prefix) {
				acknowledged = append(acknowledged, id)
			}
		case <-timeout:
			v.Fatalf("%d messages were acknowledged, want %d", len(acknowledged), count)
		}
	}
	return acknowledged
}

// answered returns a handler that hands over the ids of IQs that are answers.
func answered(ids chan<- string) xmpp.Handler {
	return xmpp.HandlerFunc(func(r xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		iq, err := stanza.NewIQ(*start)
		if err == nil && start.Name.Local == "iq" && iq.Type == stanza.ResultIQ {
			ids <- iq.ID
		}
		return nil
	})
}

// A reader acknowledges what it is asked to, and counts the copies by id.
type reader struct {
	mutex  sync.Mutex
	copies map[string]int
	change chan struct{} // closed when there is another one
}

// HandleXMPP implements xmpp.Handler.
func (r *reader) HandleXMPP(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	if start.Name.Local != "message" {
		return nil
	}
	m, err := stanza.NewMessage(*start)
	if err != nil {
		return err
	}
	r.mutex.Lock()
	r.copies[m.ID]++
	close(r.change)
	r.change = make(chan struct{})
	r.mutex.Unlock()
	a := receipt{Message: stanza.Message{ID: "r" + m.ID, To: m.From, Type: stanza.ChatMessage}}
	a.Received.ID = m.ID
	return t.Encode(a)
}

// await returns when all of these have been read.
func (r *reader) await(t *testing.T, ids []string) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		missing, change := r.missing(ids)
		if len(missing) == 0 {
			return
		}
		select {
		case <-change:
		case <-timeout:
			t.Fatalf("%d of %d acknowledged messages are lost, the first %s", len(missing), len(ids), missing[0])
		}
	}
}

func (r *reader) missing(ids []string) (missing []string, change <-chan struct{}) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, id := range ids {
		if r.copies[id] == 0 {
			missing = append(missing, id)
		}
	}
	return missing, r.change
}

// more returns how many copies came of messages that had come before.
func (v *victim) more() (count int) {
	v.reader.mutex.Lock()
	defer v.reader.mutex.Unlock()
	for _, n := range v.reader.copies {
		count += n - 1
	}
	return count
}
