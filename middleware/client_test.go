// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"iter"
	"net"
	"strings"
	"testing"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/middleware"
	"github.com/untilack/untilack/receipts"

	"github.com/google/go-cmp/cmp"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
)

func TestNewClientRefuses(t *testing.T) {
	near, far := net.Pipe()
	received, _ := connect(t, near, far)
	near, far = net.Pipe()
	ended, _ := julietsSession(t, near, far)
	_ = ended.Close()
	for name, s := range map[string]*xmpp.Session{"nil": nil, "a server's": received, "one that has ended": ended} {
		if _, err := middleware.NewClient(s, nil); !errors.Is(err, middleware.ErrSession) {
			t.Errorf("%s: got %v, want %v", name, err, middleware.ErrSession)
		}
	}
}

// What comes in reaches the handler as it was, but for the request that a Responder answers.
func TestClientHandlerSees(t *testing.T) {
	const m = "<message from='romeo@montague.lit/orchard' to='juliet@capulet.lit' type='chat' id='1'>\n<body>a &lt; b</body>%s<x xmlns='urn:x'><request xmlns='urn:xmpp:receipts'/></x></message>"
	for name, test := range map[string]struct {
		answers  bool
		in, want string
	}{
		"a message that asks, unanswered": {false, fmt.Sprintf(m, request), fmt.Sprintf(m, request)},
		"a message that asks":             {true, fmt.Sprintf(m, request), fmt.Sprintf(m, "")},
		"a presence":                      {true, "<presence from='romeo@montague.lit/orchard'/>", "<presence from='romeo@montague.lit/orchard'/>"},
		"a receipt":                       {true, acks("x"), acks("x")},
		"an answer":                       {true, "<iq type='result' id='x'/>", "<iq type='result' id='x'/>"},
		"something else":                  {true, "<r xmlns='urn:xmpp:sm:3'/>", "<r xmlns='urn:xmpp:sm:3'/>"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &middleware.ClientOptions{}
			if test.answers {
				o = answering(t)
			}
			c := dial(t, o, nil)
			c.hears(t, test.in)
			if diff := cmp.Diff([]string{test.want}, c.handled()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A stanza that is wrong is no reason to end the stream (RFC 6120 §8.3), and what is too large to
// be looked into, or too odd, goes by unseen.
func TestClientBadStanzas(t *testing.T) {
	for name, in := range map[string]string{
		"a message from what is no address":  "<message from='@@/' id='1'><body/>" + request + "</message>",
		"a message to what is no address":    "<message from='romeo@montague.lit' to='@@/' id='1'><body/>" + request + "</message>",
		"a receipt from what is no address":  "<message from='@@/'>" + received("m1") + "</message>",
		"a question from what is no address": "<iq type='get' from='@@/' id='1'><x xmlns='urn:x'/></iq>",
		"a question with a prefix":           "<iq type='get' xmlns:x='urn:x' x:from='@@/' id='1'><x xmlns='urn:x'/></iq>",
		"a message with a prefix":            "<message xmlns:x='jabber:client' x:from='@@/' id='1'><body/></message>",
		"a question without a payload":       "<iq type='get' from='mallory@capulet.lit/x' id='1'/>",
		"a question of space":                "<iq type='set' from='mallory@capulet.lit/x' id='1'> </iq>",
		"a question of text":                 "<iq type='set' from='mallory@capulet.lit/x' id='1'>text</iq>",
		"a result of text":                   "<iq type='result' from='mallory@capulet.lit/x' id='1'>text</iq>",
		"an error without a payload":         "<iq type='error' from='mallory@capulet.lit/x' id='1'/>",
		"an IQ of no known type":             "<iq type='odd' from='mallory@capulet.lit/x' id='1'/>",
		"a presence from what is no address": "<presence from='@@/'/>",
		"a message of no known type":         from(romeo.String(), "type='odd' id='1'", "<body/>"),
		"a message that is empty":            from(romeo.String(), "", ""),
		"a receipt without an id":            from(romeo.String(), "", "<received xmlns='urn:xmpp:receipts'/>"),
		"an error without an error":          from(romeo.String(), "type='error' id='m1'", ""),
		"too many attributes":                from(romeo.String(), "id='1'", "<x"+attributes(70)+"/>"),
		"too deep":                           from(romeo.String(), "id='1'", strings.Repeat("<x>", 200)+strings.Repeat("</x>", 200)),
		"too large":                          from(romeo.String(), "id='1'", "<body>"+strings.Repeat("<x>y</x>", 2000)+"</body>"+request),
		"a roster that is forged":            "<iq type='set' from='mallory@capulet.lit' id='1'><query xmlns='jabber:iq:roster'><item jid='mallory@capulet.lit' subscription='both'/></query></iq>",
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, &middleware.ClientOptions{Responder: responder(t, client.Presence), MaxStanza: 10_000}, stanzaMux())
			sent, _ := c.sends(t, toRomeo("m1"))
			for _, got := range c.hears(t, in) {
				if !strings.HasPrefix(got, "<iq") {
					t.Errorf("server got %s", got)
				}
			}
			if state := sent.Result().State; state == client.Delivered {
				t.Errorf("message is %v", state)
			}
		})
	}
}

// What is too large to be looked into reaches the handler whole.
func TestClientLargeStanza(t *testing.T) {
	c := dial(t, &middleware.ClientOptions{Responder: responder(t, client.Always), MaxStanza: 10_000}, nil)
	for _, children := range []string{
		"<body>" + strings.Repeat("<x>y</x>", 2000) + "</body>" + request,
		"<body>" + strings.Repeat("z", 20_000) + "</body>" + request,
		"<x a='" + strings.Repeat("z", 20_000) + "'>y</x>" + request,
	} {
		large := from(romeo.String(), "id='1'", children)
		large = strings.Replace(large, " >", ">", 1)
		if got := c.hears(t, large); got != nil {
			t.Errorf("server got %q", got)
		}
		if diff := cmp.Diff([]string{large}, c.handled()); diff != "" {
			t.Error(diff)
		}
	}
}

// R65: a message is acknowledged when it was handled, and if that failed a copy is new.
func TestR65ClientAcksAfterTheWork(t *testing.T) {
	o := answering(t)
	refused := errors.New("refused")
	for _, fails := range []bool{true, false} {
		c := dial(t, o, xmpp.HandlerFunc(func(xmlstream.TokenReadEncoder, *xml.StartElement) error {
			if fails {
				return refused
			}
			return nil
		}))
		c.far.send(t, asks("1"))
		if fails {
			if err := receive(t, c.done); !errors.Is(err, refused) {
				t.Errorf("Serve returned %v, want %v", err, refused)
			}
			for _, got := range c.far.rest(t) {
				if isAck(got, "1") {
					t.Error("a message that was not handled is acknowledged")
				}
			}
			continue
		}
		wantAcks(t, c.settled(t), "1")
		if got := c.handled(); len(got) != 1 {
			t.Errorf("handler got %q", got)
		}
	}
}

// A Journal that fails: no receipt, and a copy is shown.
func TestR67ClientJournalFails(t *testing.T) {
	j := &journal{fails: errors.New("disk is full")}
	r, err := client.NewResponder(&client.ResponderOptions{Policy: client.Always, Ack: &receipts.AckOptions{Account: juliet}, Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, &middleware.ClientOptions{Responder: r}, nil)
	wantAcks(t, c.hears(t, asks("1")))
	j.fails = nil // nothing is handled meanwhile
	wantAcks(t, c.hears(t, asks("1")), "1")
	if got := c.handled(); len(got) != 2 {
		t.Errorf("handler got %q", got)
	}
}

type journal struct{ fails error }

func (j *journal) Add(client.Seen) error              { return j.fails }
func (j *journal) All() iter.Seq2[client.Seen, error] { return func(func(client.Seen, error) bool) {} }
