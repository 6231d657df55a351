// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers_test

import (
	"encoding/xml"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/internal/integration/postgres"
	"github.com/untilack/untilack/internal/integration/servers"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // clients that are dark need no processor
		panic(err)
	}
	code := m.Run()
	servers.StopShared()
	postgres.StopShared()
	os.Exit(code)
}

// A message that mellium sends is read and acknowledged.
func TestDial(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		account := s.Account(t, "romeo")
		romeo := servers.Dial(t, s, account)
		if got := romeo.LocalAddr(); !got.Bare().Equal(account.Address) || got.Resourcepart() == "" {
			t.Fatalf("bound to %s, want a resource of %s", got, account.Address)
		}
		juliet := servers.Slixmpp(t, s, s.Account(t, "juliet"), 0)
		received := make(chan receipt, 1)
		go romeo.Serve(listen(received))
		m := message{Message: stanza.Message{ID: "a1", To: jid.MustParse(juliet.Address()), Type: stanza.ChatMessage}, Body: "Art thou there?"}
		if err := romeo.Encode(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-received:
			if got.Received.ID != "a1" || got.From.String() != juliet.Address() {
				t.Errorf("got %+v, want a receipt for a1 from %s", got, juliet.Address())
			}
		case <-time.After(20 * time.Second):
			t.Error("no receipt came")
		}
	})
}

// A message asks for a receipt.
type message struct {
	stanza.Message
	Body    string   `xml:"body"`
	Request struct{} `xml:"urn:xmpp:receipts request"`
}

// A receipt is the answer.
type receipt struct {
	stanza.Message
	Received struct {
		ID string `xml:"id,attr"`
	} `xml:"urn:xmpp:receipts received"`
}

// listen returns a handler that hands over receipts.
func listen(received chan<- receipt) xmpp.Handler {
	return xmpp.HandlerFunc(func(r xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		var got receipt
		err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), r)).Decode(&got)
		if err == nil && got.Received.ID != "" {
			received <- got
		}
		return err
	})
}

func TestSlixmpp(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		for _, work := range []time.Duration{0, time.Millisecond} {
			t.Run(work.String(), func(t *testing.T) {
				romeo := servers.Slixmpp(t, s, s.Account(t, "romeo"), 0)
				behind, network := s.Behind(t)
				juliet := servers.Slixmpp(t, behind, s.Account(t, "juliet"), work)
				speak(t, romeo, juliet)
				speak(t, juliet, romeo)
				cut(t, network, juliet, romeo)
			})
		}
	})
}

// speak checks that messages arrive, and their receipts.
func speak(t *testing.T, from, to *servers.Client) {
	t.Helper()
	const count = 20
	want := make(map[string]string)
	for i := range count {
		id := fmt.Sprintf("%s%d", from.Address(), i)
		want[id] = fmt.Sprintf("<Art> thou there? %d", i)
		from.Send(to.Address(), id, want[id])
	}
	got, received := make(map[string]string), make(map[string]string)
	for _, m := range to.Wait(servers.Message, count) {
		got[m.ID] = m.Body
		if m.From != from.Address() || m.Delayed {
			t.Errorf("got %+v, want it from %s and not delayed", m, from.Address())
		}
	}
	for _, r := range from.Wait(servers.Receipt, count) {
		received[r.ID] = want[r.ID]
		if r.From != to.Address() {
			t.Errorf("got %+v, want it from %s", r, to.Address())
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, received); diff != "" {
		t.Errorf("messages with a receipt (-want +got):\n%s", diff)
	}
}

func TestConverse(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		romeo := servers.Slixmpp(t, s, s.Account(t, "romeo"), 0)
		behind, network := s.Behind(t)
		juliet := servers.Converse(t, behind, s.Account(t, "juliet"))
		speak(t, romeo, juliet)
		speak(t, juliet, romeo)
		cut(t, network, juliet, romeo)
	})
}

// cut checks that a client that is cut off logs in again by itself, and speaks.
func cut(t *testing.T, network servers.Network, client, to *servers.Client) {
	t.Helper()
	network.Cut()
	client.Wait(servers.Offline, 1)
	client.Wait(servers.Online, 2)
	before := len(client.Events(servers.Receipt))
	client.Send(to.Address(), "back", "I am back")
	receipts := client.Wait(servers.Receipt, before+1)
	if got := receipts[len(receipts)-1].ID; got != "back" {
		t.Errorf("got a receipt for %s, want one for back", got)
	}
}

// TestNodes has two clients talk whose servers have nothing in common but a PostgreSQL.
func TestNodes(t *testing.T) {
	dsn, err := postgres.Need(t).NewSchema()
	if err != nil {
		t.Fatal(err)
	}
	store := asURL(dsn)
	here, there := servers.UntilackOn(t, store, "romeo", "juliet"), servers.UntilackOn(t, store, "romeo", "juliet")
	account := func(name string) servers.Account {
		return servers.Account{Address: jid.MustParse(name + "@" + here.Domain), Password: "secret"}
	}
	const count = 50
	romeo := servers.Slixmpp(t, here, account("romeo"), 0)
	juliet := servers.Slixmpp(t, there, account("juliet"), 0)
	for i := range count {
		romeo.Send("juliet@"+there.Domain, fmt.Sprint("m", i), "Art thou there?")
	}
	for i, m := range juliet.Wait(servers.Message, count) {
		if want := fmt.Sprint("m", i); m.ID != want {
			t.Errorf("got %s, want %s", m.ID, want)
		}
	}
	romeo.Wait(servers.Receipt, count)
	if failures := romeo.Events(servers.Failure); len(failures) > 0 {
		t.Errorf("got failures: %+v", failures)
	}
}

// asURL returns a data source name as a URL.
func asURL(dsn string) string {
	values := make(url.Values)
	for _, field := range strings.Fields(dsn) {
		name, value, _ := strings.Cut(field, "=")
		values.Set(name, value)
	}
	return "postgres:///?" + values.Encode()
}
