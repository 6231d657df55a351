// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers_test

import (
	"encoding/xml"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/internal/integration/servers"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/ping"
	"mellium.im/xmpp/stanza"
)

// TestSessionsAtBothNodes has two accounts with a session at each of two nodes on one
// PostgreSQL. What is for one session, by its full address, reaches that and no other, and so
// do receipts; what is for an account reaches the session that takes such messages.
func TestSessionsAtBothNodes(t *testing.T) {
	store := newSchema(t)
	here, there := servers.UntilackOn(t, store, "romeo", "juliet"), servers.UntilackOn(t, store, "romeo", "juliet")
	orchard, window := enter(t, here, "romeo", "orchard", 0), enter(t, there, "romeo", "window", 5)
	laptop, phone := enter(t, here, "juliet", "laptop", -1), enter(t, there, "juliet", "phone", 0)
	const count = 50
	types := []stanza.MessageType{stanza.ChatMessage, stanza.NormalMessage}
	var want []string
	for _, to := range []string{"juliet@" + here.Domain + "/phone", "juliet@" + here.Domain} {
		for i := range count {
			id := fmt.Sprint(to, i)
			want = append(want, id)
			m := message{Message: stanza.Message{ID: id, To: jid.MustParse(to), Type: types[i%2]}, Body: "Art thou there?"}
			if err := orchard.Encode(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want[len(want)-count:], phone.next(t, count)); diff != "" {
			t.Errorf("messages to %s (-want +got):\n%s", to, diff)
		}
	}
	if got := len(orchard.next(t, 2*count)); got != 2*count {
		t.Errorf("got %d receipts, want %d", got, 2*count)
	}
	for name, s := range map[string]*session{"laptop": laptop, "window": window} {
		if n := len(s.got); n > 0 {
			t.Errorf("%d messages came to the %s, want none", n, name)
		}
	}
}

// A session answers who asks for a receipt, and notes the ids of messages and of what
// receipts are for.
type session struct {
	*xmpp.Session
	got chan string
}

// enter logs in, with a priority.
func enter(t *testing.T, s *servers.Server, name, resource string, priority int) *session {
	t.Helper()
	a := servers.Account{Address: jid.MustParse(name + "@" + s.Domain), Password: "secret"}
	logged, err := servers.Login(t.Context(), s, a, resource)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { logged.Conn().Close() })
	entered := &session{logged, make(chan string, 1000)}
	go logged.Serve(entered)
	level := xmlstream.Wrap(xmlstream.Token(xml.CharData(fmt.Sprint(priority))), xml.StartElement{Name: xml.Name{Local: "priority"}})
	if err := logged.Send(t.Context(), stanza.Presence{}.Wrap(level)); err != nil {
		t.Fatal(err)
	}
	if err := ping.Send(t.Context(), logged, jid.MustParse(s.Domain)); err != nil { // the presence was read
		t.Fatal(err)
	}
	return entered
}

// HandleXMPP implements xmpp.Handler.
func (s *session) HandleXMPP(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	if start.Name.Local != "message" {
		return nil
	}
	var m receipt
	if err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), t)).Decode(&m); err != nil {
		return err
	}
	if m.Received.ID != "" {
		s.got <- m.Received.ID
		return nil
	}
	s.got <- m.ID
	answer := receipt{Message: stanza.Message{ID: "r" + m.ID, To: m.From, Type: stanza.ChatMessage}}
	answer.Received.ID = m.ID
	return t.Encode(answer)
}

// next returns the next ids.
func (s *session) next(t *testing.T, count int) (ids []string) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for range count {
		select {
		case id := <-s.got:
			ids = append(ids, id)
		case <-timeout:
			t.Fatalf("%d of %d have come: %q", len(ids), count, ids)
		}
	}
	return ids
}
