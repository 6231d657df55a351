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
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/middleware"
	"github.com/untilack/untilack/receipts"

	"github.com/google/go-cmp/cmp"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"
)

// recorder passes on what reaches a handler, as bytes.
func recorder(got chan<- string) xmpp.Handler {
	return xmpp.HandlerFunc(func(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		raw, err := receipts.Encode(xmlstream.MultiReader(xmlstream.Token(*start), t))
		got <- string(raw)
		return err
	})
}

// serve serves s until it ends.
func serve(s *middleware.Session, h xmpp.Handler) chan error {
	done := make(chan error, 1)
	go func() { done <- s.Serve(h) }()
	return done
}

// receive waits for a value.
func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	panic("not reached")
}

// attributes returns as many attributes.
func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d='1'", i)
	}
	return b.String()
}

// TestHandlerSees checks what reaches the next handler, and how.
func TestHandlerSees(t *testing.T) {
	from := " from='" + juliet.String() + "'"
	for name, test := range map[string]struct{ in, want, reply string }{
		"message": {
			in:   "<message to='romeo@montague.lit' id='1'><body>a &lt; b</body></message>",
			want: "<message to='romeo@montague.lit' id='1'" + from + "><body>a &lt; b</body></message>",
		},
		"forged": {
			in:   "<message from='nurse@capulet.lit/hall' to='romeo@montague.lit' id='1'/>",
			want: "<message from='" + juliet.String() + "' to='romeo@montague.lit' id='1'/>",
		},
		"presence": {in: "<presence from='x'/>", want: "<presence" + from + "/>"},
		"presence to what is no address": {
			in: "<presence to='@@/'/>",
		},
		"answer to somebody": {
			in:   "<iq type='result' to='romeo@montague.lit/orchard' id='untilack-1'/>",
			want: "<iq type='result' to='romeo@montague.lit/orchard' id='untilack-1'" + from + "/>",
		},
		"answer to what is no address": {in: "<iq type='result' to='@@/' id='1'/>", reply: ""},
		"question": {
			in:    "<iq type='get' from='@@/' id='1'><x xmlns='urn:x'/></iq>",
			want:  "<iq type='get' from='" + juliet.String() + "' id='1'><x xmlns='urn:x'/></iq>",
			reply: "service-unavailable",
		},
		"message to what is no address": {in: "<message to='@@/' id='1'><body/></message>", reply: "jid-malformed"},
		"error to what is no address":   {in: "<message to='@@/' id='1' type='error'/>"},
		"too many attributes": {
			in:    "<message id='1'><x" + attributes(70) + "/></message>",
			reply: "bad-request",
		},
		"acknowledgement": {in: "<r xmlns='urn:xmpp:sm:3'/>", want: "<r xmlns='urn:xmpp:sm:3'/>"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, untilack.Config{})
			s, c := pipe(t, w, juliet, nil)
			got := make(chan string, 10)
			done := serve(s, recorder(got))
			c.send(t, test.in+" \n <presence id='last'/>")
			want := []string{"<presence id='last'" + from + "/>"}
			if test.want != "" {
				want = append([]string{test.want}, want...)
			}
			for _, want := range want {
				if diff := cmp.Diff(want, receive(t, got)); diff != "" {
					t.Error(diff)
				}
			}
			if test.reply != "" {
				if got := c.next(t); !strings.Contains(got, test.reply) {
					t.Errorf("client got %s", got)
				}
			}
			c.send(t, "</stream:stream>")
			if err := receive(t, done); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{"</stream:stream>"}, c.rest(t)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestHandlerWrites checks that the keeper sees what a handler writes, whichever
// of the writer's methods it uses, and that an IQ has one answer, in its place.
func TestHandlerWrites(t *testing.T) {
	m := packet{Message: stanza.Message{ID: "m1", From: romeo, To: juliet, Type: stanza.ChatMessage}, Body: "hi"}
	for name, write := range map[string]func(xmlstream.TokenReadEncoder) error{
		"EncodeToken": func(t xmlstream.TokenReadEncoder) error {
			_, err := xmlstream.Copy(t, header.Wrap(content()))
			return err
		},
		"Encode":      func(t xmlstream.TokenReadEncoder) error { return t.Encode(m) },
		"Encode self": func(t xmlstream.TokenReadEncoder) error { return t.Encode(self{message("m1", "hi")}) },
		"EncodeElement": func(t xmlstream.TokenReadEncoder) error {
			return t.EncodeElement(m, xml.StartElement{Name: xml.Name{Local: "message"}})
		},
	} {
		for _, in := range []string{"<message id='q'/>", "<iq type='set' id='q'/>", "<presence id='q'/>"} {
			t.Run(name+" "+in, func(t *testing.T) {
				w := newWorld(t, untilack.Config{})
				s, c := pipe(t, w, juliet, nil)
				warm(t, s, c)
				serve(s, xmpp.HandlerFunc(func(rw xmlstream.TokenReadEncoder, start *xml.StartElement) error {
					err := write(rw)
					if start.Name.Local != "iq" {
						return err
					}
					iq, err2 := stanza.NewIQ(*start)
					_, err3 := xmlstream.Copy(rw, iq.Result(nil))
					return errors.Join(err, err2, err3, rw.Encode(stanza.Presence{ID: "after"}.Wrap(nil)))
				}))
				c.send(t, in)
				for e := w.await(t, untilack.Admitted); e.ID != "m1"; e = w.await(t, untilack.Admitted) {
				}
				want := []string{"id='m1'"}
				if strings.HasPrefix(in, "<iq") {
					want = append(want, `type="result"`, "after")
				}
				for range want { // a message may queue behind an older one, and other stanzas pass it
					got := c.next(t)
					isIt := func(part string) bool { return strings.Contains(got, part) }
					at := slices.IndexFunc(want, isIt)
					if at < 0 || isIt("after") && slices.Contains(want, `type="result"`) {
						t.Fatalf("client got %s, %q is yet to come", got, want)
					}
					want = slices.Delete(want, at, at+1)
				}
				c.send(t, "</stream:stream>")
				if diff := cmp.Diff([]string{"</stream:stream>"}, c.rest(t)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// TestHandlerFlood checks that a handler that writes more than the queue takes
// waits for its client, and for nobody else's.
func TestHandlerFlood(t *testing.T) {
	const count = 500
	w := newWorld(t, untilack.Config{})
	s, c := pipe(t, w, juliet, &middleware.Options{QueueStanzas: 4})
	serve(s, xmpp.HandlerFunc(func(rw xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		for i := range count {
			if err := rw.Encode(stanza.Presence{ID: fmt.Sprint(i)}.Wrap(nil)); err != nil {
				return err
			}
		}
		iq, _ := stanza.NewIQ(*start)
		_, err := xmlstream.Copy(rw, iq.Result(nil))
		return err
	}))
	c.send(t, "<iq type='get' id='q'/>")
	for i := range count {
		if got := c.next(t); !strings.Contains(got, fmt.Sprintf("id='%d'", i)) {
			t.Fatalf("presence %d is %s", i, got)
		}
	}
	if got := c.next(t); !strings.Contains(got, "result") {
		t.Errorf("the last is %s", got)
	}
}

// TestMux checks that the handlers of mellium's own multiplexer work.
func TestMux(t *testing.T) {
	w := newWorld(t, untilack.Config{})
	s, c := pipe(t, w, juliet, nil)
	done := serve(s, mux.New(stanza.NSClient, mux.MessageFunc(stanza.ChatMessage, xml.Name{Local: "body"},
		func(m stanza.Message, rw xmlstream.TokenReadEncoder) error {
			m.To, m.From = m.From, romeo
			_, err := xmlstream.Copy(rw, m.Wrap(content()))
			return err
		})))
	c.send(t, "<message type='chat' id='1' to='romeo@montague.lit'><body>hi</body></message>")
	if got := c.next(t); !strings.Contains(got, "to='"+juliet.String()+"'") {
		t.Errorf("client got %s", got)
	}
	c.send(t, "<message type='chat' id='2' to='@@'><body>hi</body></message>")
	if got := c.next(t); !strings.Contains(got, "jid-malformed") {
		t.Errorf("client got %s", got)
	}
	c.send(t, "</stream:stream>")
	if err := receive(t, done); err != nil {
		t.Error(err)
	}
}

// TestOnlyTheRecipientSettles checks that it is the session that counts, and not
// what a stanza says.
func TestOnlyTheRecipientSettles(t *testing.T) {
	w := newWorld(t, untilack.Config{})
	s, c := pipe(t, w, juliet, nil)
	other, oc := pipe(t, w, nurse, nil)
	got := make(chan string, 10)
	serve(s, recorder(got))
	serve(other, recorder(got))
	if err := s.WriteStanza(t.Context(), []byte(message("m1", "hi"))); err != nil {
		t.Fatal(err)
	}
	c.next(t)
	forged := strings.Replace(receipt("m1"), "<message", "<message from='"+juliet.String()+"'", 1)
	oc.send(t, forged)
	if got := receive(t, got); !strings.Contains(got, "from='"+nurse.String()+"'") {
		t.Errorf("forwarded %s", got)
	}
	if n := w.Count(untilack.Settled); n != 0 || len(w.Waiting(juliet.Bare().String())) != 1 {
		t.Errorf("settled %d", n)
	}
	c.send(t, strings.Replace(receipt("m1"), "<message", "<message from='"+nurse.String()+"'", 1))
	if got := receive(t, got); !strings.Contains(got, "from='"+juliet.String()+"'") {
		t.Errorf("forwarded %s", got)
	}
	if n := w.Count(untilack.Settled); n != 1 {
		t.Errorf("settled %d", n)
	}
}

// TestProbe checks that the keeper's own question is answered to it alone.
func TestProbe(t *testing.T) {
	for name, serveBy := range map[string]func(*middleware.Session, chan<- string){
		"Serve": func(s *middleware.Session, got chan<- string) { serve(s, recorder(got)) },
		"loop": func(s *middleware.Session, got chan<- string) {
			go func() {
				defer s.Close()
				for {
					raw, _, err := s.ReadStanza()
					if err != nil {
						return
					}
					if s.Receive(raw) {
						got <- string(raw)
					}
				}
			}()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, untilack.Config{AckWait: 10 * time.Millisecond})
			s, c := pipe(t, w, juliet, nil)
			got := make(chan string, 10)
			serveBy(s, got)
			if err := s.WriteStanza(t.Context(), []byte(message("m1", "hi"))); err != nil {
				t.Fatal(err)
			}
			c.next(t)
			ping, err := receipts.Scan([]byte(c.next(t)))
			if err != nil || ping.Element != receipts.IQStanza {
				t.Fatal(err)
			}
			c.send(t, "<iq type='result' to='romeo@montague.lit' id='"+ping.ID.String()+"'/>")
			if raw := receive(t, got); !strings.Contains(raw, "romeo") {
				t.Errorf("forwarded %s", raw)
			}
			c.send(t, "<iq type='result' id='"+ping.ID.String()+"'/><presence/>")
			if raw := receive(t, got); !strings.HasPrefix(raw, "<presence") {
				t.Errorf("forwarded %s", raw)
			}
			w.await(t, untilack.Answered)
		})
	}
}

// TestQuestions checks the methods that wait for an answer.
func TestQuestions(t *testing.T) {
	w := newWorld(t, untilack.Config{})
	s, c := pipe(t, w, juliet, nil)
	got := make(chan string, 10)
	serve(s, recorder(got))
	server := juliet.Domain()
	iq := stanza.IQ{ID: "q", Type: stanza.GetIQ, From: server, To: juliet}
	answers := func(answer string) {
		go func() {
			for range c.got {
				_, _ = io.WriteString(c, answer)
				return
			}
		}()
	}
	type version struct {
		XMLName xml.Name `xml:"jabber:iq:version query"`
		Name    string   `xml:"name"`
	}
	result := "<iq type='result' id='q' to='capulet.lit'><query xmlns='jabber:iq:version'><name>x</name><os/></query></iq>"

	answers("<iq type='result' id='q' to='romeo@montague.lit'/>" + result)
	var v version
	if err := s.UnmarshalIQElement(t.Context(), nil, iq, &v); err != nil || v.Name != "x" {
		t.Errorf("%+v %v", v, err)
	}
	if raw := receive(t, got); !strings.Contains(raw, "romeo") {
		t.Errorf("handler got %s", raw)
	}
	answers(result)
	iter, start, err := s.IterIQElement(t.Context(), nil, iq)
	if err != nil || start.Name.Local != "query" {
		t.Fatal(err)
	}
	var names []string
	for iter.Next() {
		child, _ := iter.Current()
		names = append(names, child.Name.Local)
	}
	if diff := cmp.Diff([]string{"name", "os"}, names); diff != "" || iter.Err() != nil || iter.Close() != nil {
		t.Error(diff, iter.Err())
	}
	answers("<iq type='error' id='q'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
	if err := s.UnmarshalIQ(t.Context(), iq.Wrap(nil), nil); !errors.Is(err, stanza.Error{Condition: stanza.ItemNotFound}) {
		t.Error(err)
	}
	answers(result)
	r, err := s.EncodeIQ(t.Context(), iq.Wrap(nil))
	if err != nil || r.Close() != nil {
		t.Error(err)
	}
	answers(result)
	if r, err = s.EncodeIQElement(t.Context(), version{}, iq); err != nil || r.Close() != nil {
		t.Error(err)
	}
	answers("<presence type='error' id='p'/>")
	if r, err = s.SendPresenceElement(t.Context(), nil, stanza.Presence{ID: "p"}); err != nil || r.Close() != nil {
		t.Error(err)
	}
	answers("<presence type='error' id='p'/>")
	if r, err = s.EncodePresenceElement(t.Context(), version{}, stanza.Presence{ID: "p"}); err != nil || r.Close() != nil {
		t.Error(err)
	}
	// The keeper is told, too.
	answers("<message type='error' id='m1' to='" + romeo.String() + "'/>")
	if r, err = s.SendMessageElement(t.Context(), content(), header); err != nil || r.Close() != nil {
		t.Error(err)
	}
	w.await(t, untilack.Rejected)

	ended := make(chan error)
	go func() {
		_, err := s.SendIQ(context.Background(), iq.Wrap(nil))
		ended <- err
	}()
	c.next(t)
	_ = c.Conn.Close()
	if err := receive(t, ended); !errors.Is(err, middleware.ErrClosed) {
		t.Error(err)
	}
	if _, err := s.SendIQ(t.Context(), iq.Wrap(nil)); !errors.Is(err, middleware.ErrClosed) {
		t.Error(err)
	}
	if _, err := s.SendMessage(t.Context(), iq.Wrap(nil)); err == nil {
		t.Error("an IQ was sent as a message")
	}
	if raw, err := s.SendIQ(t.Context(), iq.Result(nil)); raw != nil || !errors.Is(err, middleware.ErrClosed) {
		t.Error(raw, err)
	}
}

// TestLimits checks what becomes of a stanza that is too large, or of what is no
// stanza.
func TestLimits(t *testing.T) {
	for name, test := range map[string]struct {
		in, condition string
		err           error
	}{
		"long text":        {"<message><body>" + strings.Repeat("x", 3000) + "</body></message>", "policy-violation", middleware.ErrTooLarge},
		"many tokens":      {"<message>" + strings.Repeat("<a/>", 3000) + "</message>", "policy-violation", middleware.ErrTooLarge},
		"deep":             {"<message>" + strings.Repeat("<a>", 300), "policy-violation", middleware.ErrTooLarge},
		"no namespace":     {"<message xmlns=''/>", "invalid-namespace", stream.InvalidNamespace},
		"comment":          {"<message><!-- x --></message>", "", nil},
		"text":             {"text<a/>", "bad-format", nil},
		"broken":           {"<message></body>", "not-well-formed", nil},
		"connection ended": {"<message>", "", nil},
	} {
		o := &middleware.Options{MaxStanza: 2000}
		t.Run(name+" by Serve", func(t *testing.T) {
			w := newWorld(t, untilack.Config{})
			s, c := pipe(t, w, juliet, o)
			done := serve(s, nil)
			go func() {
				_, _ = io.WriteString(c, test.in)
				if name == "connection ended" {
					_ = c.Close()
				}
			}()
			err := receive(t, done)
			if err == nil || test.err != nil && !errors.Is(err, test.err) && !errors.Is(err, stream.PolicyViolation) {
				t.Error(err)
			}
			if w.await(t, untilack.Closed); s.Close() != nil {
				t.Error("closed twice")
			}
			if got := strings.Join(c.rest(t), ""); test.err != nil && !strings.Contains(got, test.condition) {
				t.Errorf("client got %s", got)
			}
		})
		t.Run(name+" by ReadStanza", func(t *testing.T) {
			w := newWorld(t, untilack.Config{})
			s, c := pipe(t, w, juliet, o)
			go func() {
				_, _ = io.WriteString(c, test.in)
				if name == "connection ended" {
					_ = c.Close()
				}
			}()
			_, _, err := s.ReadStanza()
			if err == nil || errors.Is(err, io.EOF) || test.err != nil && !errors.Is(err, test.err) {
				t.Error(err)
			}
			_ = s.Close()
			if got := strings.Join(c.rest(t), ""); !strings.Contains(got, test.condition) {
				t.Errorf("client got %s", got)
			}
		})
	}
}

// TestReadStanza checks what a loop of one's own reads.
func TestReadStanza(t *testing.T) {
	w := newWorld(t, untilack.Config{})
	s, c := pipe(t, w, juliet, nil)
	in := " \n<message xmlns:x='urn:x' x:a='1' from='nurse@capulet.lit' to='romeo@montague.lit' id='1'><x:y/></message> <r xmlns='urn:xmpp:sm:3'/>\n" +
		"<message id='bad'><x" + attributes(70) + "/></message><presence/></stream:stream>"
	go func() { _, _ = io.WriteString(c, in) }()
	var got []string
	for {
		raw, start, err := s.ReadStanza()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, start.Name.Local+" "+string(raw))
	}
	want := []string{
		"message <message xmlns:x='urn:x' x:a='1' from='" + juliet.String() + "' to='romeo@montague.lit' id='1'><y xmlns='urn:x'/></message>",
		"r <r xmlns='urn:xmpp:sm:3'/>",
		"presence <presence from='" + juliet.String() + "'/>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := c.next(t); !strings.Contains(got, "bad-request") || !strings.Contains(got, "id='bad'") {
		t.Errorf("client got %s", got)
	}
	_ = s.Close()
	if diff := cmp.Diff([]string{"</stream:stream>"}, c.rest(t)); diff != "" {
		t.Error(diff)
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

// TestWebSocket checks that each stanza is one message, and how the stream ends.
func TestWebSocket(t *testing.T) {
	for name, below := range map[string]func(net.Conn) net.Conn{"without Frames": nil, "with Frames": middleware.Frames} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, untilack.Config{AckWait: 50 * time.Millisecond})
			s, c := frames(t, w, below)
			got := make(chan string, 10)
			done := serve(s, xmpp.HandlerFunc(func(rw xmlstream.TokenReadEncoder, start *xml.StartElement) error {
				if start.Name.Local != "iq" {
					return recorder(got).HandleXMPP(rw, start)
				}
				iq, err := stanza.NewIQ(*start)
				if err != nil {
					return err
				}
				long := xmlstream.Wrap(xmlstream.Token(xml.CharData(strings.Repeat("y", 9000))), xml.StartElement{Name: xml.Name{Space: "urn:x", Local: "x"}})
				_, err = xmlstream.Copy(rw, iq.Result(long))
				return err
			}))
			for _, size := range []int{10, 9 << 10, 100 << 10} {
				id := fmt.Sprint("m", size)
				if err := s.Send(t.Context(), read(message(id, strings.Repeat("x", size)))); err != nil {
					t.Fatal(err)
				}
				frame := c.next(t)
				for strings.Contains(frame, "urn:xmpp:ping") {
					frame = c.next(t)
				}
				if !strings.HasPrefix(frame, "<message xmlns='jabber:client' ") || !strings.HasSuffix(frame, "</message>") || len(frame) < size {
					t.Fatalf("%d bytes: %.60s…", len(frame), frame)
				}
				c.send(t, "<message xmlns='jabber:client' to='"+romeo.String()+"'><received xmlns='urn:xmpp:receipts' id='"+id+"'/></message>")
				if raw := receive(t, got); !strings.HasPrefix(raw, "<message to='"+romeo.String()+"' from='"+juliet.String()+"'>") {
					t.Errorf("forwarded %s", raw)
				}
				w.await(t, untilack.Settled)
			}
			if below != nil {
				c.send(t, "<iq xmlns='jabber:client' type='get' id='1'/>")
				if frame := c.next(t); len(frame) < 9000 || !strings.HasSuffix(frame, "</iq>") {
					t.Errorf("answer of %d bytes", len(frame))
				}
			}
			c.send(t, "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
			if err := receive(t, done); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"}, c.rest(t)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWebSocketWithoutNamespace checks that such a stanza is not lost silently.
func TestWebSocketWithoutNamespace(t *testing.T) {
	w := newWorld(t, untilack.Config{})
	s, c := frames(t, w, nil)
	done := serve(s, nil)
	c.send(t, "<message to='romeo@montague.lit'/>")
	if err := receive(t, done); !errors.Is(err, stream.InvalidNamespace) {
		t.Error(err)
	}
	got := c.rest(t)
	if len(got) != 2 || !strings.Contains(got[0], "invalid-namespace") || !strings.HasPrefix(got[1], "<close") {
		t.Errorf("client got %q", got)
	}
}

// TestOverrides checks that no method that writes is left to the embedded session.
func TestOverrides(t *testing.T) {
	left := map[string]string{
		"Conn": "is the connection itself", "ConnectionState": "", "Feature": "", "In": "", "LocalAddr": "", "Out": "",
		"RemoteAddr": "", "SetCloseDeadline": "reads", "State": "", "TokenReader": "reads", "UpdateAddr": "",
	}
	inner := reflect.TypeFor[*xmpp.Session]()
	outer := reflect.TypeFor[*middleware.Session]()
	for i := range inner.NumMethod() {
		name := inner.Method(i).Name
		if _, ok := left[name]; ok {
			continue
		}
		// A method that is promoted is a wrapper that the compiler makes.
		m, ok := outer.MethodByName(name)
		if !ok || promoted(m) {
			t.Errorf("%s is the embedded session's", name)
		}
	}
}
