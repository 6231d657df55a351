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
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/middleware"
	"github.com/untilack/untilack/receipts"

	"github.com/google/go-cmp/cmp"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"
)

// packet is a message as programs make it.
type packet struct {
	stanza.Message
	Body    string           `xml:"body"`
	Request receipts.Request `xml:"urn:xmpp:receipts request"`
}

// self is a message that writes its own tokens.
type self struct{ text string }

func (s self) TokenReader() xml.TokenReader { return read(s.text) }

func (s self) WriteXML(w xmlstream.TokenWriter) (int, error) {
	return xmlstream.Copy(w, s.TokenReader())
}

// marshaler is a message that gives its own tokens.
type marshaler struct{ r xml.TokenReader }

func (m marshaler) TokenReader() xml.TokenReader { return m.r }

var (
	_ xmlstream.WriterTo  = self{}
	_ xmlstream.Marshaler = marshaler{}
)

// header is a message without its payload.
var header = stanza.Message{From: romeo, To: juliet.Bare(), ID: "m1", Type: stanza.ChatMessage}

// content is a payload that asks for a receipt.
func content() xml.TokenReader {
	return xmlstream.MultiReader(
		xmlstream.Wrap(xmlstream.Token(xml.CharData("hi")), xml.StartElement{Name: xml.Name{Local: "body"}}),
		receipts.Request{}.TokenReader())
}

// writers are the ways to send a message.
var writers = map[string]func(context.Context, *middleware.Session) error{
	"Send": func(ctx context.Context, s *middleware.Session) error { return s.Send(ctx, header.Wrap(content())) },
	"SendElement": func(ctx context.Context, s *middleware.Session) error {
		return s.SendElement(ctx, content(), header.StartElement())
	},
	"Encode": func(ctx context.Context, s *middleware.Session) error {
		return s.Encode(ctx, packet{Message: header, Body: "hi"})
	},
	"Encode self": func(ctx context.Context, s *middleware.Session) error {
		return s.Encode(ctx, self{message("m1", "hi")})
	},
	"Encode marshaler": func(ctx context.Context, s *middleware.Session) error {
		return s.Encode(ctx, marshaler{header.Wrap(content())})
	},
	"Encode reader": func(ctx context.Context, s *middleware.Session) error {
		return s.Encode(ctx, header.Wrap(content()))
	},
	"EncodeElement": func(ctx context.Context, s *middleware.Session) error {
		type body struct {
			Body    string           `xml:"body"`
			Request receipts.Request `xml:"urn:xmpp:receipts request"`
		}
		return s.EncodeElement(ctx, body{Body: "hi"}, header.StartElement())
	},
	"EncodeElement reader": func(ctx context.Context, s *middleware.Session) error {
		return s.EncodeElement(ctx, xmlstream.Wrap(content(), xml.StartElement{Name: xml.Name{Local: "x"}}), header.StartElement())
	},
	"SendMessage": func(ctx context.Context, s *middleware.Session) error {
		_, err := s.SendMessage(ctx, header.Wrap(content()))
		return err
	},
	"SendMessageElement": func(ctx context.Context, s *middleware.Session) error {
		_, err := s.SendMessageElement(ctx, content(), header)
		return err
	},
	"EncodeMessage": func(ctx context.Context, s *middleware.Session) error {
		_, err := s.EncodeMessage(ctx, packet{Message: header, Body: "hi"})
		return err
	},
	"EncodeMessageElement": func(ctx context.Context, s *middleware.Session) error {
		_, err := s.EncodeMessageElement(ctx, content(), header)
		return err
	},
	"TokenWriter": func(ctx context.Context, s *middleware.Session) error {
		w := s.TokenWriter()
		_, err := xmlstream.Copy(w, header.Wrap(content()))
		return errors.Join(err, w.Flush(), w.Close())
	},
	"WriteStanza": func(ctx context.Context, s *middleware.Session) error {
		return s.WriteStanza(ctx, []byte(message("m1", "hi")))
	},
}

// TestWriters checks that the keeper sees a message whichever way it is sent, and
// that the client gets it.
func TestWriters(t *testing.T) {
	for name, write := range writers {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, untilack.Config{})
			s, c := pipe(t, w, juliet, nil)
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- write(ctx, s) }()
			got := c.next(t)
			cancel()
			if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if e := w.await(t, untilack.Admitted); e.ID != "m1" || e.Sender != romeo.String() {
				t.Errorf("admitted %+v", e)
			}
			m, err := receipts.Scan([]byte(got))
			if err != nil || m.Kind != receipts.KindRequest || m.ID.String() != "m1" || !m.Marks.Has(receipts.Body) {
				t.Errorf("client got %s (%v)", got, err)
			}
			if !s.Receive([]byte(receipt("m1"))) {
				t.Error("a receipt is not forwarded")
			}
			if n := w.Count(untilack.Settled); n != 1 {
				t.Errorf("settled %d", n)
			}
		})
	}
}

// TestTransports sends a message over each.
func TestTransports(t *testing.T) {
	for name, make := range map[string]func(testing.TB, *world) (*middleware.Session, *farEnd){
		"pipe": func(t testing.TB, w *world) (*middleware.Session, *farEnd) { return pipe(t, w, juliet, nil) },
		"TCP": func(t testing.TB, w *world) (*middleware.Session, *farEnd) {
			near, far := loopback(t)
			return wrap(t, w, near, far, juliet, nil)
		},
		"TCP with deadlines": func(t testing.TB, w *world) (*middleware.Session, *farEnd) {
			near, far := loopback(t)
			return wrap(t, w, middleware.Deadlines(near, time.Second), far, juliet, nil)
		},
		"WebSocket": func(t testing.TB, w *world) (*middleware.Session, *farEnd) { return frames(t, w, nil) },
		"WebSocket with frames": func(t testing.TB, w *world) (*middleware.Session, *farEnd) {
			return frames(t, w, middleware.Frames)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, untilack.Config{})
			s, c := make(t, w)
			want := message("m1", "hi")
			if err := s.WriteStanza(t.Context(), []byte(want)); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "Web") {
				want = strings.Replace(want, "<message", "<message xmlns='jabber:client'", 1)
			}
			if diff := cmp.Diff(want, c.next(t)); diff != "" {
				t.Error(diff)
			}
			go func() { _, _ = io.WriteString(c, receipt("m1")) }()
			if !strings.HasPrefix(name, "Web") {
				raw, start, err := s.ReadStanza()
				if err != nil || start.Name.Local != "message" || !s.Receive(raw) {
					t.Fatalf("%s %v", raw, err)
				}
				w.await(t, untilack.Settled)
			}
		})
	}
}

// TestFirstDelivery checks that the keeper does not change a byte.
func TestFirstDelivery(t *testing.T) {
	stanza := []byte("<message xmlns='jabber:client' from='" + romeo.String() + "' to='juliet@capulet.lit' id='m&#49;' type='chat'" +
		" xmlns:x='urn:x' x:y=\"'\"><body xml:lang='it'>ciao &lt; &#x263A;</body ><request xmlns='urn:xmpp:receipts'/></message>")
	var got []string
	for _, admit := range []func(untilack.Candidate) untilack.Admit{
		nil,
		func(untilack.Candidate) untilack.Admit { return untilack.Admit{} },
	} {
		w := newWorld(t, untilack.Config{Admit: admit})
		s, c := pipe(t, w, juliet, nil)
		if err := s.WriteStanza(t.Context(), stanza); err != nil {
			t.Fatal(err)
		}
		got = append(got, c.next(t))
	}
	if got[0] != string(stanza) || got[1] != got[0] {
		t.Errorf("%q", got)
	}
}

// TestIDs checks that an id is there before the keeper looks.
func TestIDs(t *testing.T) {
	w := newWorld(t, untilack.Config{})
	s, c := pipe(t, w, juliet, nil)
	for _, start := range []xml.StartElement{
		{Name: xml.Name{Local: "message"}, Attr: []xml.Attr{
			{Name: xml.Name{Local: "to"}, Value: juliet.String()}, {Name: xml.Name{Local: "from"}, Value: romeo.String()}}},
		{Name: xml.Name{Space: stanza.NSServer, Local: "message"}, Attr: []xml.Attr{{Name: xml.Name{Local: "id"}, Value: ""},
			{Name: xml.Name{Local: "to"}, Value: juliet.String()}, {Name: xml.Name{Local: "from"}, Value: romeo.String()}}},
	} {
		if err := s.SendElement(t.Context(), content(), start); err != nil {
			t.Fatal(err)
		}
		e := w.await(t, untilack.Admitted)
		got := c.next(t)
		if len(e.ID) < 22 || !strings.Contains(got, " id='"+e.ID+"'") || strings.Contains(got, stanza.NSServer) {
			t.Errorf("id %q in %s", e.ID, got)
		}
	}
}

// failing fails after a while.
type failing struct{ r xml.TokenReader }

var errPayload = errors.New("payload can not be read")

func (f failing) Token() (xml.Token, error) {
	token, err := f.r.Token()
	if err != nil {
		return nil, errPayload
	}
	return token, nil
}

// TestFailingPayload checks that what can not be read to its end writes nothing.
func TestFailingPayload(t *testing.T) {
	w := newWorld(t, untilack.Config{})
	s, c := pipe(t, w, juliet, nil)
	for name, err := range map[string]error{
		"Send":        s.Send(t.Context(), failing{read("<message id='bad'><body>half")}),
		"SendElement": s.SendElement(t.Context(), failing{content()}, header.StartElement()),
		"Encode":      s.Encode(t.Context(), failing{header.Wrap(content())}),
	} {
		if !errors.Is(err, errPayload) {
			t.Errorf("%s: %v", name, err)
		}
	}
	tw := s.TokenWriter()
	if err := tw.EncodeToken(header.StartElement()); err != nil {
		t.Error(err)
	}
	if err := tw.Close(); !errors.Is(err, middleware.ErrIncomplete) {
		t.Error(err)
	}
	if err := s.Encode(t.Context(), make(chan int)); err == nil {
		t.Error("a channel was encoded")
	}
	if err := s.WriteStanza(t.Context(), []byte("<message><body></message>")); !errors.Is(err, receipts.ErrSyntax) {
		t.Error(err)
	}
	if err := s.WriteStanza(t.Context(), []byte(message("m2", "whole"))); err != nil {
		t.Fatal(err)
	}
	if got := c.next(t); got != message("m2", "whole") {
		t.Errorf("client got %s", got)
	}
}

// TestConcurrentWriters mixes all ways of writing, those of the embedded session
// included.
func TestConcurrentWriters(t *testing.T) {
	const each = 50
	w := newWorld(t, untilack.Config{})
	near, far := loopback(t)
	s, c := wrap(t, w, near, far, juliet, &middleware.Options{QueueStanzas: 1 << 14, QueueBytes: 1 << 28})
	body := strings.Repeat("x", 9000)
	ways := []func(id string) error{
		func(id string) error { return s.WriteStanza(t.Context(), []byte(message(id, body))) },
		func(id string) error { return s.Send(t.Context(), read(message(id, body))) },
		func(id string) error {
			return s.Encode(t.Context(), packet{Message: stanza.Message{ID: id, To: juliet, From: romeo}, Body: body})
		},
		func(id string) error { return s.Session.Send(t.Context(), read(message(id, body))) },
		func(id string) error {
			tw := s.Session.TokenWriter()
			defer tw.Close()
			_, err := xmlstream.Copy(tw, read(message(id, body)))
			return err
		},
	}
	var senders sync.WaitGroup
	for n, way := range ways {
		senders.Go(func() {
			for i := range each {
				if err := way(fmt.Sprintf("%d-%d", n, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	last := make([]int, len(ways))
	for range each * len(ways) {
		m, err := receipts.Scan([]byte(c.nextMessage(t, s)))
		if err != nil {
			t.Fatal(err)
		}
		var n, i int
		if _, err := fmt.Sscanf(m.ID.String(), "%d-%d", &n, &i); err != nil || i != last[n] {
			t.Fatalf("message %q after %d", m.ID, last[n])
		}
		last[n]++
	}
	senders.Wait()
}

// TestStalledRecipient checks that a client that reads nothing holds up neither
// who sends to it nor who sends to others, while it lasts.
func TestStalledRecipient(t *testing.T) {
	w := newWorld(t, untilack.Config{})
	near, far := net.Pipe() // has no buffer at all
	stalled := &farEnd{Conn: far, got: make(chan string, 1)}
	go func() { _, _ = io.WriteString(far, tcpHeader); _, _ = io.ReadFull(far, make([]byte, len(tcpHeader))) }()
	inner, err := xmpp.ReceiveSession(t.Context(), near, xmpp.Secure, negotiator(false))
	if err != nil {
		t.Fatal(err)
	}
	s, err := middleware.Wrap(w.Keeper, inner, juliet, &middleware.Options{WriteTimeout: time.Hour, QueueStanzas: 10})
	if err != nil {
		t.Fatal(err)
	}
	other, c := pipe(t, w, nurse, nil)
	const messages = 100
	var longest time.Duration
	var busy int
	for i := range messages {
		took := within(t, patience, "sending", func() {
			if err := s.WriteStanza(t.Context(), []byte(message(fmt.Sprint("m", i), "hi"))); err != nil {
				t.Error(err)
			}
			if err := s.WriteStanza(t.Context(), []byte("<presence/>")); errors.Is(err, untilack.ErrBusy) {
				busy++
			} else if err != nil {
				t.Error(err)
			}
			if err := other.WriteStanza(t.Context(), []byte("<presence/>")); err != nil {
				t.Error(err)
			}
		})
		c.next(t)
		longest = max(longest, took)
	}
	t.Logf("%d messages to each, none read by one: the longest write took %v, %d presences were refused", messages, longest, busy)
	if longest > time.Second || busy < messages-10 {
		t.Errorf("longest %v, busy %d", longest, busy)
	}
	if n := len(w.Waiting(juliet.Bare().String())); n != messages {
		t.Errorf("%d messages are kept", n)
	}
	// It reads again: everything comes, in order.
	go stalled.readAfterHeader()
	for i := range messages {
		if got := stalled.nextMessage(t, s); !strings.Contains(got, fmt.Sprintf("id='m%d'", i)) {
			t.Fatalf("message %d is %s", i, got)
		}
		s.Receive([]byte(receipt(fmt.Sprint("m", i))))
	}
	_ = far.Close()
	_ = s.Close()
	for range stalled.got {
	}
}

func (c *farEnd) readAfterHeader() {
	c.Conn = &prefixed{c.Conn, strings.NewReader(tcpHeader)}
	c.read()
}

// prefixed gives some bytes first.
type prefixed struct {
	net.Conn
	first *strings.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if p.first.Len() > 0 {
		return p.first.Read(b)
	}
	return p.Conn.Read(b)
}

// TestWriteTimeout checks that a write that blocks ends the stream, and that
// what was kept stays so.
func TestWriteTimeout(t *testing.T) {
	w := newWorld(t, untilack.Config{})
	near, far := net.Pipe()
	go func() { _, _ = io.WriteString(far, tcpHeader); _, _ = io.ReadFull(far, make([]byte, len(tcpHeader))) }()
	inner, err := xmpp.ReceiveSession(t.Context(), near, xmpp.Secure, negotiator(false))
	if err != nil {
		t.Fatal(err)
	}
	const limit = 50 * time.Millisecond
	s, err := middleware.Wrap(w.Keeper, inner, juliet, &middleware.Options{WriteTimeout: limit})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := s.WriteStanza(t.Context(), []byte(message(fmt.Sprint("m", i), "hi"))); err != nil {
			t.Fatal(err)
		}
	}
	served := make(chan error)
	go func() { served <- s.Serve(nil) }()
	took := within(t, patience, "the end", func() { <-s.Done() })
	t.Logf("ended after %v", took)
	if err := <-served; !errors.Is(err, middleware.ErrStalled) || !errors.Is(s.Err(), middleware.ErrStalled) {
		t.Errorf("%v, %v", err, s.Err())
	}
	w.await(t, untilack.Closed)
	if err := s.WriteStanza(t.Context(), []byte("<presence/>")); !errors.Is(err, middleware.ErrClosed) || !errors.Is(err, xmpp.ErrOutputStreamClosed) {
		t.Error(err)
	}
	// They go to the next stream, in order.
	again, c := pipe(t, w, juliet, nil)
	for i := range 3 {
		if got := c.next(t); !strings.Contains(got, fmt.Sprintf("id='m%d'", i)) || !strings.Contains(got, "urn:xmpp:delay") {
			t.Errorf("message %d is %s", i, got)
		}
	}
	again.Close()
}

// TestStalledAnswer checks that an answer to an IQ that the client does not take
// ends the stream too, though the embedded session writes it.
func TestStalledAnswer(t *testing.T) {
	w := newWorld(t, untilack.Config{})
	near, far := net.Pipe()
	go func() {
		_, _ = io.WriteString(far, tcpHeader)
		_, _ = io.ReadFull(far, make([]byte, len(tcpHeader)))
		_, _ = io.WriteString(far, "<iq type='get' id='1'><x xmlns='urn:x'/></iq>")
	}()
	inner, err := xmpp.ReceiveSession(t.Context(), near, xmpp.Secure, negotiator(false))
	if err != nil {
		t.Fatal(err)
	}
	s, err := middleware.Wrap(w.Keeper, inner, juliet, &middleware.Options{WriteTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	within(t, patience, "the end", func() {
		err = s.Serve(xmpp.HandlerFunc(func(rw xmlstream.TokenReadEncoder, start *xml.StartElement) error {
			iq, err := stanza.NewIQ(*start)
			if err != nil {
				return err
			}
			_, err = xmlstream.Copy(rw, iq.Result(nil))
			return err
		}))
	})
	if !errors.Is(err, middleware.ErrStalled) {
		t.Error(err)
	}
}

// TestReplaced checks what a client is told whose resource is bound anew.
func TestReplaced(t *testing.T) {
	w := newWorld(t, untilack.Config{})
	s, c := pipe(t, w, juliet, nil)
	ws, wc := frames(t, w, nil)
	want := []string{"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", "</stream:stream>"}
	if diff := cmp.Diff(want, c.rest(t)); diff != "" {
		t.Error(diff)
	}
	if err := s.Serve(nil); !errors.Is(err, stream.Conflict) {
		t.Error(err)
	}
	_, _ = pipe(t, w, juliet, nil)
	want = []string{
		"<stream:error xmlns:stream='http://etherx.jabber.org/streams'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
		"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
	}
	if diff := cmp.Diff(want, wc.rest(t)); diff != "" {
		t.Error(diff)
	}
	<-ws.Done()
}

// TestClose checks that what was queued goes out before the end.
func TestClose(t *testing.T) {
	w := newWorld(t, untilack.Config{})
	s, c := pipe(t, w, juliet, nil)
	for range 3 {
		if err := s.WriteStanza(t.Context(), []byte("<presence/>")); err != nil {
			t.Fatal(err)
		}
	}
	var closers sync.WaitGroup
	for range 3 {
		closers.Go(func() { _ = s.Close() })
	}
	if diff := cmp.Diff([]string{"<presence/>", "<presence/>", "<presence/>", "</stream:stream>"}, c.rest(t)); diff != "" {
		t.Error(diff)
	}
	closers.Wait()
	w.await(t, untilack.Closed)
}

// TestWrapErrors checks what can not be wrapped.
func TestWrapErrors(t *testing.T) {
	w := newWorld(t, untilack.Config{})
	near, far := net.Pipe()
	inner, _ := connect(t, near, far)
	if _, err := middleware.Wrap(nil, inner, juliet, nil); !errors.Is(err, middleware.ErrSession) {
		t.Error(err)
	}
	if _, err := middleware.Wrap(w.Keeper, nil, juliet, nil); !errors.Is(err, middleware.ErrSession) {
		t.Error(err)
	}
	if _, err := middleware.Wrap(w.Keeper, inner, juliet.Bare(), nil); !errors.Is(err, untilack.ErrAddress) {
		t.Error(err)
	}
	if err := inner.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := middleware.Wrap(w.Keeper, inner, juliet, nil); !errors.Is(err, middleware.ErrSession) {
		t.Error(err)
	}
}
