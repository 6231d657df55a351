// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/middleware"
	"github.com/untilack/untilack/receipts"

	"github.com/google/go-cmp/cmp"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// The tests of this file are named after what goes wrong with mellium.im/xmpp v0.23.0's own
// package receipts, one for each of 25 faults: a Client has to get it right.

// request and received are the two elements.
const request = "<request xmlns='urn:xmpp:receipts'/>"

func received(id string) string { return "<received xmlns='urn:xmpp:receipts' id='" + id + "'/>" }

// from is a message from somebody to Juliet.
func from(sender, attributes, children string) string {
	return "<message from='" + sender + "' to='" + juliet.String() + "' " + attributes + ">" + children + "</message>"
}

// 1: white space between children is a crash.
func TestMelliumFault01WhiteSpace(t *testing.T) {
	c := dial(t, answering(t), nil)
	sent, _ := c.sends(t, toRomeo("m1"))
	wantAcks(t, c.hears(t,
		from(romeo.String(), "id='1'", "\n  <body>hi</body>\n  "+request+"\n"),
		from(romeo.String(), "id='2'", " \n "+received("m1")),
	), "1")
	wantState(t, sent, client.Delivered)
}

// 2: a receipt that comes as the wait for it ends is a crash.
func TestMelliumFault02ReceiptAsTheWaitEnds(t *testing.T) {
	c := dial(t, nil, nil)
	for i := range 200 {
		sent, _ := c.sends(t, toRomeo(fmt.Sprint(i)))
		ctx, cancel := context.WithCancel(t.Context())
		var both sync.WaitGroup
		both.Go(cancel)
		both.Go(func() { c.far.send(t, acks(sent.ID())) })
		if _, err := sent.Wait(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		both.Wait()
		if got, err := sent.Wait(t.Context()); got.State != client.Delivered || err != nil {
			t.Fatalf("message %d is %v, %v", i, got, err)
		}
	}
}

// 3: two who send first lose one of their waits.
func TestMelliumFault03TwoWhoSendFirst(t *testing.T) {
	for range 20 {
		c := dial(t, nil, nil)
		sent := make([]*client.Sent, 2)
		var both sync.WaitGroup
		for i := range sent {
			both.Go(func() { sent[i], _ = c.Send(t.Context(), read(toRomeo(fmt.Sprint(i)))) })
		}
		both.Wait()
		c.far.next(t)
		c.far.next(t)
		c.hears(t, acks("0"), acks("1"))
		wantState(t, sent[0], client.Delivered)
		wantState(t, sent[1], client.Delivered)
	}
}

// 4: a message that could not be sent waits for ever, and its receipt blocks the session.
func TestMelliumFault04SendThatFails(t *testing.T) {
	c := dial(t, nil, nil)
	broken := errors.New("broken")
	start := read(toRomeo("m1"))
	parts := 0
	_, err := c.Send(t.Context(), xmlstream.ReaderFunc(func() (xml.Token, error) {
		if parts++; parts > 2 {
			return nil, broken
		}
		return start.Token()
	}))
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if got := c.Tracker().Stats().Waiting; got != 0 {
		t.Errorf("%d messages wait", got)
	}
	if got := c.hears(t, acks("m1"), acks("m1")); got != nil {
		t.Errorf("server got %q", got)
	}
}

// 5, 6: a receipt counts, whoever it is from, and if it is an error that echoes one.
func TestMelliumFault05And06ForgedReceipts(t *testing.T) {
	for name, forged := range map[string]string{
		"5: from somebody else":      from("mallory@capulet.lit/x", "id='r'", received("m1")),
		"5: from an occupant":        from("room@montague.lit/romeo", "id='r'", received("m1")),
		"5: from nobody":             "<message id='r'>" + received("m1") + "</message>",
		"6: an error with a receipt": from(romeo.String(), "type='error' id='r'", received("m1")+"<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"),
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, nil, nil)
			sent, _ := c.sends(t, toRomeo("m1"))
			c.hears(t, forged)
			wantState(t, sent, client.Waiting)
			c.hears(t, acks("m1"))
			wantState(t, sent, client.Delivered)
		})
	}
}

// 7: an element of the same name in another namespace is taken for a receipt.
func TestMelliumFault07OtherNamespace(t *testing.T) {
	c := dial(t, answering(t), nil)
	sent, _ := c.sends(t, toRomeo("m1"))
	wantAcks(t, c.hears(t,
		from(romeo.String(), "id='1'", "<received xmlns='urn:xmpp:chat-markers:0' id='m1'/>"+request),
		from(romeo.String(), "id='2'", "<request xmlns='urn:x'/>"+"<body/>"),
	), "1")
	wantState(t, sent, client.Waiting)
}

// 8: each request in a message is answered, and a receipt with a request counts twice.
func TestMelliumFault08TwoInOneMessage(t *testing.T) {
	c := dial(t, answering(t), nil)
	sent, _ := c.sends(t, toRomeo("m1"))
	wantAcks(t, c.hears(t,
		from(romeo.String(), "id='1'", request+"<body>hi</body>"+request),
		from(romeo.String(), "id='2'", received("m1")+request),
	), "1")
	wantState(t, sent, client.Delivered)
	if got := c.Tracker().Stats(); got.Delivered != 1 || got.Late != 0 {
		t.Errorf("got %+v", got)
	}
}

// 9 to 13: what is sent asks where it must not, or does not where it should.
func TestMelliumFault09To13WhatAsks(t *testing.T) {
	body := xmlstream.Wrap(xmlstream.Token(xml.CharData("hi")), xml.StartElement{Name: xml.Name{Local: "body"}})
	forwarded := "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' id='inner'><body>hi</body></message></forwarded>"
	for name, test := range map[string]struct {
		message  xml.TokenReader
		requests int
	}{
		"9: a receipt":                   {read("<message to='romeo@montague.lit' id='1'>" + received("x") + "<body/></message>"), 0},
		"10: a message of mellium's own": {stanza.Message{To: romeo, Type: stanza.ChatMessage}.Wrap(body), 1},
		"11: one with an id":             {read(toRomeo("1")), 1},
		"12: what is forwarded":          {read("<message to='romeo@montague.lit' id='1'>" + forwarded + "</message>"), 0},
		"12: an error that forwards":     {read("<message to='romeo@montague.lit' type='error' id='1'>" + forwarded + "<body/></message>"), 0},
		"13: one that asks already":      {read("<message to='romeo@montague.lit' id='1'><body>hi</body>" + request + "</message>"), 1},
		"13: one to a room":              {read("<message to='room@montague.lit' type='groupchat' id='1'><body>hi</body></message>"), 0},
		"13: a chat state":               {read("<message to='romeo@montague.lit' type='chat' id='1'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>"), 0},
		"13: a marker":                   {read("<message to='romeo@montague.lit' type='chat' id='1'><displayed xmlns='urn:xmpp:chat-markers:0' id='x'/></message>"), 0},
		"13: one without an id":          {read("<message to='romeo@montague.lit'><body>hi</body></message>"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, nil, nil)
			sent, err := c.Send(t.Context(), test.message)
			if err != nil {
				t.Fatal(err)
			}
			got := c.far.next(t)
			if n := strings.Count(got, "<request"); n != test.requests {
				t.Errorf("server got %s, want %d requests", got, test.requests)
			}
			m, err := receipts.Scan([]byte(got))
			if err != nil || m.ID.String() != sent.ID() || sent.ID() == "" {
				t.Errorf("server got %s, want the id %q", got, sent.ID())
			}
			if asked := sent.Result().State == client.Waiting; asked != (test.requests > 0) {
				t.Errorf("message is %v", sent.Result().State)
			}
			if strings.Contains(got, "inner") && !strings.Contains(got, forwarded) {
				t.Errorf("what is forwarded was changed: %s", got)
			}
		})
	}
}

// 14: white space before a message is a crash.
func TestMelliumFault14SpaceBeforeAMessage(t *testing.T) {
	c := dial(t, nil, nil)
	sent, got := c.sends(t, " \n\t"+toRomeo("m1"))
	if !strings.HasPrefix(got, "<message") || sent.ID() != "m1" {
		t.Errorf("server got %q", got)
	}
}

// 15 to 18: what is answered though it must not be, or wrongly.
func TestMelliumFault15To18WhatIsAnswered(t *testing.T) {
	for name, test := range map[string]struct {
		policy client.Policy
		in     []string
		want   []string
	}{
		"15: a stranger":                {client.Presence, []string{asks("1")}, nil},
		"15: receipts are off":          {client.Never, []string{asks("1")}, nil},
		"16: a room":                    {client.Always, []string{from("room@montague.lit/romeo", "type='groupchat' id='1'", "<body>hi</body>"+request)}, nil},
		"17: no id":                     {client.Always, []string{from(romeo.String(), "", "<body>hi</body>"+request)}, nil},
		"17: an empty id":               {client.Always, []string{from(romeo.String(), "id=''", "<body>hi</body>"+request)}, nil},
		"18: another client of our own": {client.Always, []string{from("juliet@capulet.lit/chamber", "id='1'", "<body>hi</body>"+request)}, nil},
		"18: our own account":           {client.Always, []string{from("juliet@capulet.lit", "id='1'", "<body>hi</body>"+request)}, nil},
		"18: mail":                      {client.Always, []string{from(romeo.String(), "id='1'", "<body>hi</body>"+request+"<delay xmlns='urn:xmpp:delay' stamp='2026-03-01T12:00:00Z'/>")}, []string{"1"}},
		"18: copies":                    {client.Always, []string{asks("1"), asks("1"), asks("1")}, []string{"1", "1", "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, &middleware.ClientOptions{Responder: responder(t, test.policy)}, nil)
			wantAcks(t, c.hears(t, test.in...), test.want...)
			if got := c.handled(); len(got) != 1 {
				t.Errorf("handler got %q, want one message", got)
			}
		})
	}
}

// 16: where rooms are answered at all, it is the room, and not the occupant.
func TestMelliumFault16Room(t *testing.T) {
	r, err := client.NewResponder(&client.ResponderOptions{
		Policy: client.Always,
		Ack:    &receipts.AckOptions{Account: juliet, GroupChat: true},
		Own:    func(occupant jid.JID) bool { return occupant.Resourcepart() == "juliet" },
	})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, &middleware.ClientOptions{Responder: r}, nil)
	got := c.hears(t,
		from("room@montague.lit/romeo", "type='groupchat' id='1'", "<body>hi</body>"+request),
		from("room@montague.lit/juliet", "type='groupchat' id='2'", "<body>hi</body>"+request))
	wantAcks(t, got, "1")
	m, err := receipts.Scan([]byte(got[0]))
	if err != nil || m.To.String() != "room@montague.lit" || m.Type != stanza.GroupChatMessage {
		t.Errorf("server got %s", got[0])
	}
}

// 19: who waits for a message that has bounced waits until its time is over.
func TestMelliumFault19Bounce(t *testing.T) {
	c := dial(t, nil, nil)
	sent, _ := c.sends(t, toRomeo("m1"))
	c.far.send(t, from("romeo@montague.lit", "type='error' id='m1'",
		"<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"))
	got, err := sent.Wait(t.Context())
	if got.State != client.Bounced || err != nil {
		t.Fatalf("message is %v, %v", got, err)
	}
	if want := (stanza.Error{Condition: stanza.ServiceUnavailable}); !errors.Is(got.Err, want) {
		t.Errorf("got %v, want %v", got.Err, want)
	}
}

// 20: of two messages of one id, one takes the other's wait away.
func TestMelliumFault20SameID(t *testing.T) {
	c := dial(t, nil, nil)
	first, _ := c.sends(t, toRomeo("m1"))
	second, copied := c.sends(t, toRomeo("m1"))
	if first != second {
		t.Error("a message that waits is two")
	}
	if !strings.Contains(copied, "<delay xmlns='urn:xmpp:delay'") {
		t.Errorf("server got %s, want a stamp of the first time", copied)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := second.Wait(ctx); err == nil {
		t.Errorf("message is %v", got)
	}
	c.hears(t, acks("m1"))
	wantState(t, first, client.Delivered)
}

// 21: attributes that mellium does not know are left out.
func TestMelliumFault21Attributes(t *testing.T) {
	c := dial(t, nil, nil)
	_, got := c.sends(t, "<message to='romeo@montague.lit' id='m1' xml:lang='it' xmlns:x='urn:x' x:y='z' other='1'><body>hi</body></message>")
	for _, want := range []string{"xml:lang='it'", "other='1'", ":y='z'"} {
		if !strings.Contains(got, want) {
			t.Errorf("server got %s, want %s", got, want)
		}
	}
}

// 22: of a receipt that nobody waits for, all that is told is an id.
func TestMelliumFault22WhoseReceipt(t *testing.T) {
	late := make(chan client.Result, 10)
	tracker := client.NewTracker(&client.TrackerOptions{Account: juliet, Late: func(r client.Result) { late <- r }})
	defer tracker.Close(time.Now())
	c := dial(t, &middleware.ClientOptions{Tracker: tracker}, nil)
	sent, _ := c.sends(t, toRomeo("m1"))
	c.hears(t, acks("m1"), from("romeo@montague.lit/phone", "id='r'", received("m1")), from("mallory@capulet.lit/x", "id='r'", received("m1")))
	if got := sent.Result().By; !got.Equal(romeo) {
		t.Errorf("delivered by %v", got)
	}
	if got := receive(t, late); got.By.String() != "romeo@montague.lit/phone" || got.ID != "m1" || !got.Late {
		t.Errorf("told %+v", got)
	}
	if got := tracker.Stats().Forged; got != 1 || len(late) != 0 {
		t.Errorf("%d forged, %d told", got, len(late))
	}
}

// 23: a struct with the request in it is encoded to the request alone, if that is embedded. No
// type can help that: here a struct needs no request at all.
func TestMelliumFault23StructAsks(t *testing.T) {
	c := dial(t, nil, nil)
	sent, err := c.Encode(t.Context(), struct {
		stanza.Message
		Body string `xml:"body"`
	}{stanza.Message{To: romeo, Type: stanza.ChatMessage}, "hi"})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.far.next(t); !strings.Contains(got, request) || !strings.Contains(got, "<body>hi</body>") {
		t.Errorf("server got %s", got)
	}
	wantState(t, sent, client.Waiting)
}

// 24: one handler for two accounts mixes up their ids.
func TestMelliumFault24TwoAccounts(t *testing.T) {
	juliets, nurses := dial(t, nil, nil), dial(t, nil, nil)
	sent, _ := juliets.sends(t, toRomeo("m1"))
	nurses.hears(t, acks("m1"))
	wantState(t, sent, client.Waiting)

	shared := client.NewTracker(nil) // goes by the addresses in the stanzas
	defer shared.Close(time.Now())
	a, b := dial(t, &middleware.ClientOptions{Tracker: shared}, nil), dial(t, &middleware.ClientOptions{Tracker: shared}, nil)
	first, _ := a.sends(t, "<message from='juliet@capulet.lit/balcony' to='romeo@montague.lit' id='m1'><body>hi</body></message>")
	second, _ := b.sends(t, "<message from='nurse@capulet.lit/hall' to='romeo@montague.lit' id='m1'><body>hi</body></message>")
	b.hears(t, "<message from='"+romeo.String()+"' to='nurse@capulet.lit/hall'>"+received("m1")+"</message>")
	wantState(t, first, client.Waiting)
	wantState(t, second, client.Delivered)
}

// 25: nothing tests that a receipt finds its message. Here is one for each type that a message
// and its receipt may have (XEP-0184 §5.1, §7).
func TestMelliumFault25TheMatch(t *testing.T) {
	types := []string{"normal", "chat", "headline"}
	for _, sent := range types {
		for _, got := range types {
			t.Run(sent+" and "+got, func(t *testing.T) {
				c := dial(t, nil, nil)
				waits, _ := c.sends(t, "<message to='romeo@montague.lit' type='"+sent+"'><body>hi</body></message>")
				c.hears(t, from(romeo.String(), "type='"+got+"' id='r'", received(waits.ID())))
				result, err := waits.Wait(t.Context())
				if diff := cmp.Diff(client.Delivered, result.State); diff != "" || err != nil {
					t.Error(diff, err)
				}
			})
		}
	}
}
