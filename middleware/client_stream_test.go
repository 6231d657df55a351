// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/middleware"
	"github.com/untilack/untilack/receipts"

	"github.com/google/go-cmp/cmp"
	"mellium.im/xmpp"
)

// Over a WebSocket each stanza is a message of its own (RFC 7395 §3.3.3).
func TestClientWebSocket(t *testing.T) {
	near, far := net.Pipe()
	ws := &webSocket{Conn: near, frames: make(chan string, 1<<10)}
	c := &farEnd{Conn: far, got: ws.frames}
	go func() { _, _ = io.WriteString(far, wsHeader) }()
	s, err := xmpp.NewSession(t.Context(), juliet.Domain(), juliet, ws, xmpp.Secure, negotiator(true))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.next(t); got != wsHeader {
		t.Fatalf("header is %q", got)
	}
	o := answering(t)
	o.WebSocket = true
	us := newClient(t, s, o)
	done := make(chan error, 1)
	go func() { done <- us.Serve(stanzaMux()) }()
	sent, err := us.Send(t.Context(), read(toRomeo("m1")))
	if err != nil {
		t.Fatal(err)
	}
	want := "<message xmlns='jabber:client' to='romeo@montague.lit' type='chat' id='m1'><body>hi</body>" + request + "</message>"
	if diff := cmp.Diff(want, c.next(t)); diff != "" {
		t.Error(diff)
	}
	c.send(t, strings.Replace(acks("m1"), "<message", "<message xmlns='jabber:client'", 1))
	c.send(t, strings.Replace(asks("1"), "<message", "<message xmlns='jabber:client'", 1))
	if got := c.next(t); !isAck(got, "1") || !strings.HasPrefix(got, "<message xmlns='jabber:client' ") {
		t.Errorf("server got %s", got)
	}
	wantState(t, sent, client.Delivered)
	c.send(t, "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
	if diff := cmp.Diff([]string{"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"}, c.rest(t)); diff != "" {
		t.Error(diff)
	}
	if err := receive(t, done); err != nil {
		t.Error(err)
	}
	_ = far.Close()
}

// A component has many addresses, each of which asks and answers for itself (XEP-0114).
func TestClientComponent(t *testing.T) {
	s, far := componentSession(t)
	r, err := client.NewResponder(&client.ResponderOptions{Policy: client.Always, Ack: &receipts.AckOptions{Component: true}})
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, s, &middleware.ClientOptions{Responder: r, Inbox: 2})
	go func() { _ = c.Serve(nil) }()
	const hamlet, ophelia = "hamlet@shakespeare.lit", "ophelia@shakespeare.lit"
	var sent []*client.Sent
	for _, from := range []string{hamlet, ophelia} {
		for _, space := range []string{"", " xmlns='jabber:client'", " xmlns='jabber:component:accept'"} {
			m := "<message" + space + " from='" + from + "' to='romeo@montague.lit' id='m" + fmt.Sprint(len(sent)) + "'><body>hi</body></message>"
			waits, err := c.Send(t.Context(), xml.NewDecoder(strings.NewReader(m)))
			if err != nil {
				t.Fatal(err)
			}
			sent = append(sent, waits)
			if got := far.next(t); strings.Contains(got, "jabber:") || !strings.Contains(got, request) {
				t.Errorf("server got %s", got)
			}
		}
	}
	far.send(t, "<message from='"+romeo.String()+"' to='"+hamlet+"'>"+received("m0")+"</message>"+
		"<message from='"+romeo.String()+"' to='"+hamlet+"'>"+received("m4")+"</message>"+ // Ophelia's
		"<message from='"+romeo.String()+"' to='"+ophelia+"' id='1'><body>hi</body>"+request+"</message>"+
		"<message from='"+romeo.String()+"' to='"+ophelia+"' id='2'><body>hi</body>"+request+"</message>"+
		"<message from='"+romeo.String()+"' to='"+ophelia+"' id='3'><body>hi</body>"+request+"</message>")
	if got := far.next(t); !strings.Contains(got, "from='"+ophelia+"'") || !strings.Contains(got, "resource-constraint") {
		t.Errorf("server got %s", got)
	}
	wantState(t, sent[0], client.Delivered)
	wantState(t, sent[4], client.Waiting)
	for m := range c.Messages(t.Context()) {
		var in packet
		if err := errors.Join(m.Decode(&in), m.Ack()); err != nil || in.Body != "hi" {
			t.Errorf("got %+v, %v", in, err)
		}
		if got := far.next(t); !isAck(got, in.ID) || !strings.Contains(got, "from='"+ophelia+"'") {
			t.Errorf("server got %s", got)
		}
		if in.ID == "2" {
			break
		}
	}
}

// The roster comes from the server, and from nobody else.
func TestClientLoadRoster(t *testing.T) {
	const roster = "<query xmlns='jabber:iq:roster'><item jid='%s' subscription='%s'/></query>"
	for name, test := range map[string]struct {
		answer, want string
	}{
		"a roster":  {"<iq type='result' id='%s'>" + fmt.Sprintf(roster, "romeo@montague.lit", "from") + "</iq>", ""},
		"a refusal": {"<iq type='error' id='%s'><error type='cancel'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", "forbidden"},
		"the end":   {"</stream:stream>", "ended"},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, &middleware.ClientOptions{Responder: responder(t, client.Presence)}, nil)
			loaded := make(chan error, 1)
			go func() { loaded <- c.LoadRoster(t.Context()) }()
			m, err := receipts.Scan([]byte(c.far.next(t)))
			if err != nil || m.Element != receipts.IQStanza {
				t.Fatalf("server got %v, %v", m.Element, err)
			}
			c.far.send(t, strings.Replace(test.answer, "%s", m.ID.String(), 1))
			err = receive(t, loaded)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %s", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			push := func(from, subscription string) string {
				return "<iq type='set' id='p' from='" + from + "'>" + fmt.Sprintf(roster, "romeo@montague.lit", subscription) + "</iq>"
			}
			wantAcks(t, c.hears(t, asks("1")), "1")
			c.hears(t, push("mallory@capulet.lit", "remove"))
			wantAcks(t, c.hears(t, asks("2")), "2")
			c.hears(t, push("juliet@capulet.lit", "to"))
			wantAcks(t, c.hears(t, asks("3")))
		})
	}
	t.Run("the end of the context", func(t *testing.T) {
		c := dial(t, answering(t), nil)
		ctx, cancel := context.WithCancel(t.Context())
		loaded := make(chan error, 1)
		go func() { loaded <- c.LoadRoster(ctx) }()
		c.far.next(t)
		cancel()
		if err := receive(t, loaded); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no Responder", func(t *testing.T) {
		if err := dial(t, nil, nil).LoadRoster(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
