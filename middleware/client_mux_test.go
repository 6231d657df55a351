// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"context"
	"encoding/xml"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/middleware"

	"github.com/google/go-cmp/cmp"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/receipts"
	"mellium.im/xmpp/stanza"
)

// Mellium's own package receipts lives in the mux behind Handler: each settles what it has sent,
// and a message has one receipt, by the rules of the Responder if there is one.
func TestClientBesideMelliumsReceipts(t *testing.T) {
	for name, test := range map[string]struct {
		o    *middleware.ClientOptions
		acks []string
	}{
		"both answer":              {answering(t), []string{"1"}},
		"the Responder is silent":  {&middleware.ClientOptions{Responder: responder(t, client.Never)}, nil},
		"there is no Responder":    {nil, []string{"1"}},
		"messages are in an inbox": {&middleware.ClientOptions{Responder: responder(t, client.Always), Inbox: 10}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var unhandled []string
			theirs := &receipts.Handler{Unhandled: func(id string) { unhandled = append(unhandled, id) }}
			c := dial(t, test.o, stanzaMux(receipts.Handle(theirs)))
			ours, _ := c.sends(t, toRomeo("ours"))
			sent := make(chan error, 1)
			go func() {
				body := xmlstream.Wrap(xmlstream.Token(xml.CharData("hi")), xml.StartElement{Name: xml.Name{Local: "body"}})
				sent <- theirs.SendMessageElement(t.Context(), c.Session(), body, stanza.Message{ID: "theirs", To: romeo, Type: stanza.ChatMessage})
			}()
			if got := c.far.next(t); !strings.Contains(got, `id="theirs"`) {
				t.Fatalf("server got %s", got)
			}
			wantAcks(t, c.hears(t, asks("1"), acks("theirs"), acks("ours")), test.acks...)
			if err := receive(t, sent); err != nil {
				t.Errorf("theirs: %v", err)
			}
			wantState(t, ours, client.Delivered)
			if diff := cmp.Diff([]string{"ours"}, unhandled); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// muxedClient is a Client whose door is HandleClient.
func muxedClient(t testing.TB, o *middleware.ClientOptions, options ...mux.Option) (*own, *mux.ServeMux) {
	t.Helper()
	near, far := net.Pipe()
	s, end := julietsSession(t, near, far)
	c := &own{Client: newClient(t, s, o), far: end, done: make(chan error, 1)}
	pong := mux.IQFunc(stanza.GetIQ, xml.Name{Space: "urn:xmpp:ping", Local: "ping"},
		func(iq stanza.IQ, rw xmlstream.TokenReadEncoder, _ *xml.StartElement) error {
			// What is queued comes first, as the tests expect.
			if _, err := c.Send(context.Background(), stanza.Presence{ID: iq.ID}.Wrap(nil)); err != nil {
				return err
			}
			_, err := xmlstream.Copy(rw, iq.Result(nil))
			return err
		})
	m := stanzaMux(append(options, pong, middleware.HandleClient(c.Client))...)
	go func() {
		c.done <- s.Serve(m)
		_ = c.Close()
	}()
	return c, m
}

// written returns what the Client writes until all that came in was handled.
func (c *own) written(t testing.TB, stanzas ...string) []string {
	t.Helper()
	const ping = "last"
	c.far.send(t, strings.Join(stanzas, "")+"<iq type='get' id='"+ping+"' from='capulet.lit'><ping xmlns='urn:xmpp:ping'/></iq>")
	var all []string
	for presence, result := false, false; !presence || !result; {
		switch got := c.far.next(t); {
		case strings.HasPrefix(got, "<presence"):
			presence = true
		case strings.HasPrefix(got, "<iq"):
			result = true
		default:
			all = append(all, got)
		}
	}
	return all
}

// A mux calls for each child: whatever is in a message, there is one receipt.
func TestHandleClient(t *testing.T) {
	c, m := muxedClient(t, answering(t))
	sent, _ := c.sends(t, toRomeo("m1"))
	wantAcks(t, c.written(t,
		from(romeo.String(), "id='1'", request+"<body>hi</body> "+request),
		from(romeo.String(), "id='1'", request+"<body>hi</body> "+request), // a copy
		from(romeo.String(), "id='2'", received("m1")+request+received("x")),
		from(romeo.String(), "type='headline' id='3'", "<body>hi</body>"+request),
	), "1", "1", "3")
	wantState(t, sent, client.Delivered)
	if got := c.Tracker().Stats(); got.Delivered != 1 || got.Late != 0 {
		t.Errorf("got %+v", got)
	}
	bounced, _ := c.sends(t, toRomeo("m2"))
	c.written(t, from("romeo@montague.lit", "type='error' id='m2'", "<body/>"+request+
		"<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"))
	wantState(t, bounced, client.Bounced)

	var features []info.Feature
	if err := m.ForFeatures("", func(f info.Feature) error { features = append(features, f); return nil }); err != nil {
		t.Error(err)
	}
	if len(features) == 0 || features[0].Var != "urn:xmpp:receipts" {
		t.Errorf("features are %v", features)
	}
}

// With an Inbox it is the loop that acknowledges.
func TestHandleClientInbox(t *testing.T) {
	o := answering(t)
	o.Inbox = 1
	c, _ := muxedClient(t, o)
	got := c.written(t, asks("1"), asks("2"))
	if len(got) != 1 || !strings.Contains(got[0], "resource-constraint") {
		t.Errorf("server got %q", got)
	}
	for m := range c.Messages(t.Context()) {
		if err := m.Ack(); err != nil {
			t.Error(err)
		}
		break
	}
	wantAcks(t, c.written(t), "1")
}

// What is registered twice is a mistake that a mux does not let pass.
func TestHandleClientBesideMelliumsReceipts(t *testing.T) {
	c := dial(t, nil, nil)
	defer func() {
		if recover() == nil {
			t.Error("a mux with both does not panic")
		}
	}()
	stanzaMux(middleware.HandleClient(c.Client), receipts.Handle(new(receipts.Handler)))
}

// Without a Responder nothing is said of receipts, and nothing answered.
func TestHandleClientWithoutResponder(t *testing.T) {
	c, m := muxedClient(t, nil)
	wantAcks(t, c.written(t, asks("1")))
	said := errors.New("said")
	if err := m.ForFeatures("", func(info.Feature) error { return said }); err != nil {
		t.Error(err)
	}
	c.far.send(t, "</stream:stream>")
	select {
	case err := <-c.done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("Serve goes on")
	}
}
