// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/middleware"
	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"
)

// An own is a Client of Juliet's, and the server at the far end.
type own struct {
	*middleware.Client
	far  *farEnd
	got  chan string // what has reached the handler but for pings
	done chan error  // of Serve
}

// julietsSession is a session of Juliet's with her server.
func julietsSession(t testing.TB, near, far net.Conn) (*xmpp.Session, *farEnd) {
	t.Helper()
	c := &farEnd{Conn: far, got: make(chan string, 1<<14)}
	go func() { _, _ = io.WriteString(far, tcpHeader) }()
	go c.read()
	s, err := xmpp.NewSession(context.Background(), juliet.Domain(), juliet, near, xmpp.Secure, negotiator(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = far.Close()
		for range c.got {
		}
	})
	return s, c
}

// newClient makes a Client that nobody serves yet.
func newClient(t testing.TB, s *xmpp.Session, o *middleware.ClientOptions) *middleware.Client {
	t.Helper()
	c, err := middleware.NewClient(s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// dial makes a Client over a net.Pipe and serves it. What comes in goes to next, if there
// is one, after it was noted.
func dial(t testing.TB, o *middleware.ClientOptions, next xmpp.Handler) *own {
	t.Helper()
	near, far := net.Pipe()
	s, end := julietsSession(t, near, far)
	c := &own{Client: newClient(t, s, o), far: end, got: make(chan string, 1<<14), done: make(chan error, 1)}
	go func() { c.done <- c.Serve(c.noting(next)) }()
	return c
}

// noting is a handler that notes what comes in, as bytes, and answers pings.
func (c *own) noting(next xmpp.Handler) xmpp.Handler {
	return xmpp.HandlerFunc(func(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		var list []xml.Token
		raw, err := receipts.Encode(noted{xmlstream.MultiReader(xmlstream.Token(*start), t), &list})
		if err != nil {
			raw = []byte(err.Error())
		}
		if strings.Contains(string(raw), "urn:xmpp:ping") {
			iq, err := stanza.NewIQ(*start)
			if err != nil {
				return err
			}
			_, err = xmlstream.Copy(t, iq.Result(nil))
			return err
		}
		c.got <- string(raw)
		list = list[1:] // the start
		if next == nil {
			return nil
		}
		return next.HandleXMPP(struct {
			xml.TokenReader
			xmlstream.Encoder
		}{xmlstream.ReaderFunc(func() (xml.Token, error) {
			if len(list) == 0 {
				return nil, io.EOF
			}
			token := list[0]
			list = list[1:]
			return token, nil
		}), t}, start)
	})
}

// A noted reader keeps the tokens that it reads.
type noted struct {
	r    xml.TokenReader
	list *[]xml.Token
}

func (n noted) Token() (xml.Token, error) {
	token, err := n.r.Token()
	if token != nil {
		*n.list = append(*n.list, xml.CopyToken(token))
	}
	return token, err
}

var pings atomic.Uint64

// hears has stanzas come in, waits until they were handled, and returns what the Client has
// written by then.
func (c *own) hears(t testing.TB, stanzas ...string) []string {
	t.Helper()
	c.far.send(t, strings.Join(stanzas, ""))
	return c.settled(t)
}

// settled waits until all that came in was handled, and returns what was written.
func (c *own) settled(t testing.TB) []string {
	t.Helper()
	id := fmt.Sprintf("ping-%d", pings.Add(1))
	c.far.send(t, "<iq type='get' id='"+id+"' from='capulet.lit'><ping xmlns='urn:xmpp:ping'/></iq>")
	var all []string
	for {
		got := c.far.next(t)
		if strings.Contains(got, id) {
			return all
		}
		all = append(all, got)
	}
}

// handled returns what has reached the handler.
func (c *own) handled() []string {
	var all []string
	for len(c.got) > 0 {
		all = append(all, <-c.got)
	}
	return all
}

// sends has the Client send a message to Romeo, and returns it with what the server got.
func (c *own) sends(t testing.TB, message string) (*client.Sent, string) {
	t.Helper()
	sent, err := c.Send(t.Context(), read(message))
	if err != nil {
		t.Fatal(err)
	}
	return sent, c.far.next(t)
}

// responder returns one that answers everybody, unless the policy says otherwise.
func responder(t testing.TB, policy client.Policy) *client.Responder {
	t.Helper()
	r, err := client.NewResponder(&client.ResponderOptions{Policy: policy, Ack: &receipts.AckOptions{Account: juliet}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answering are the options of a Client that answers everybody.
func answering(t testing.TB) *middleware.ClientOptions {
	t.Helper()
	return &middleware.ClientOptions{Responder: responder(t, client.Always)}
}

// asks is a message of Romeo's that asks for a receipt.
func asks(id string) string { return message(id, "hi") }

// acks is a receipt of Romeo's for a message of Juliet's.
func acks(id string) string {
	return fmt.Sprintf("<message from='%s' to='%s' id='r-%s'><received xmlns='urn:xmpp:receipts' id='%s'/></message>", romeo, juliet, id, id)
}

// toRomeo is a message to Romeo.
func toRomeo(id string) string {
	return fmt.Sprintf("<message to='%s' type='chat' id='%s'><body>hi</body></message>", romeo.Bare(), id)
}

// isAck reports whether a stanza is a receipt for a message.
func isAck(stanza, id string) bool {
	m, err := receipts.Scan([]byte(stanza))
	if err != nil || m.Kind != receipts.KindReceived {
		return false
	}
	for received := range m.Received() {
		return received.String() == id
	}
	return false
}

// wantAcks fails the test unless exactly these messages were acknowledged, in this order,
// and nothing else was written.
func wantAcks(t testing.TB, got []string, ids ...string) {
	t.Helper()
	if len(got) != len(ids) {
		t.Fatalf("server got %q, want receipts for %q", got, ids)
	}
	for i, id := range ids {
		if !isAck(got[i], id) {
			t.Errorf("server got %s, want the receipt for %s", got[i], id)
		}
	}
}

// wantState fails the test unless that is what became of a message.
func wantState(t testing.TB, sent *client.Sent, want client.State) {
	t.Helper()
	if got := sent.Result(); got.State != want {
		t.Errorf("message %s is %v, want %v", sent.ID(), got, want)
	}
}

// componentSession is a session of a component, shakespeare.lit.
func componentSession(t testing.TB) (*xmpp.Session, *farEnd) {
	t.Helper()
	near, far := net.Pipe()
	c := &farEnd{Conn: far, got: make(chan string, 1<<14)}
	go func() {
		_, _ = io.WriteString(far, "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' from='shakespeare.lit' id='1'><handshake/>")
	}()
	go c.read()
	s, err := component.NewSession(t.Context(), jid.MustParse("shakespeare.lit"), []byte("secret"), near)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = far.Close()
		for range c.got {
		}
	})
	if got := c.next(t); !strings.HasPrefix(got, "<handshake>") {
		t.Fatalf("server got %s", got)
	}
	return s, c
}

// stanzaMux is a mux for a client's session.
func stanzaMux(options ...mux.Option) *mux.ServeMux { return mux.New(stanza.NSClient, options...) }
