// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"context"
	"encoding/xml"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/middleware"
	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
)

// A recording is a connection whose far end has said all it will ever say.
type recording struct {
	net.Conn // nil: nothing else is used
	*strings.Reader
}

func (recording) Write(b []byte) (int, error)      { return len(b), nil }
func (r recording) Read(b []byte) (int, error)     { return r.Reader.Read(b) }
func (recording) Close() error                     { return nil }
func (recording) SetDeadline(time.Time) error      { return nil }
func (recording) SetReadDeadline(time.Time) error  { return nil }
func (recording) SetWriteDeadline(time.Time) error { return nil }

func fuzzSeeds(f *testing.F) {
	for _, seed := range []string{
		"", " ", "</stream:stream>", "text", "<a/>", "<message/>", "<message xmlns=''/>", message("1", "x"), receipt("1"),
		"<iq type='result' id='untilack-1'/>", "<iq type='get' id='1' from='@@'/>", "<message to='@@'><body/></message>",
		"<!-- -->", "<?x?>", "<stream:error/>", "<stream:stream/>", "<message><![CDATA[x]]></message>", "<a:b/>",
		"<x:message xmlns:x='jabber:client' x:from='1'/>", "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
		"<message xmlns='jabber:server'><a xmlns='jabber:client'/></message>", "<presence></iq>", "<message>" + strings.Repeat("<a>", 300),
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
}

// FuzzReadStanza checks that whatever comes in, nothing panics, the loop ends,
// and each stanza is whole and says whose it is.
func FuzzReadStanza(f *testing.F) {
	fuzzSeeds(f)
	w := newWorld(f, untilack.Config{})
	f.Fuzz(func(t *testing.T, in string, webSocket bool) {
		s := replay(t, w, in, webSocket)
		defer s.Close()
		for {
			raw, start, err := s.ReadStanza()
			if err != nil {
				return
			}
			m, err := receipts.Scan(raw)
			if err != nil {
				t.Fatalf("%q: %v", raw, err)
			}
			if m.Element != receipts.Other && m.From.String() != juliet.String() {
				t.Fatalf("%q is from %q", raw, m.From)
			}
			if start.Name.Local == "" {
				t.Fatalf("%q has no name", raw)
			}
			s.Receive(raw)
		}
	})
}

// FuzzServe checks the same for handlers, which write back what they get.
func FuzzServe(f *testing.F) {
	fuzzSeeds(f)
	w := newWorld(f, untilack.Config{})
	f.Fuzz(func(t *testing.T, in string, webSocket bool) {
		s := replay(t, w, in, webSocket)
		_ = s.Serve(xmpp.HandlerFunc(func(rw xmlstream.TokenReadEncoder, start *xml.StartElement) error {
			_, _ = xmlstream.Copy(rw, xmlstream.MultiReader(xmlstream.Token(*start), rw))
			return nil
		}))
	})
}

// FuzzClientServe checks that whatever a server says, nothing panics, what is written is
// whole, and only what asks for a receipt gets one, and once.
func FuzzClientServe(f *testing.F) {
	fuzzSeeds(f)
	f.Add(asks("1")+asks("1")+acks("m1")+asks("2"), false)
	f.Add(from("romeo@montague.lit", "type='error' id='m1'", received("m1")+"<error/>"+request+request), false)
	f.Add("<iq type='set'><query xmlns='jabber:iq:roster'><item jid='a@b' subscription='from'/></query></iq>", false)
	f.Fuzz(func(t *testing.T, in string, handles bool) {
		conn := &sink{recording: recording{Reader: strings.NewReader(tcpHeader + in)}}
		s, err := xmpp.NewSession(context.Background(), juliet.Domain(), juliet, conn, xmpp.Secure, negotiator(false))
		if err != nil {
			t.Skip(err)
		}
		c := newClient(t, s, &middleware.ClientOptions{Responder: responder(t, client.Always), WriteTimeout: time.Second})
		sent, err := c.Send(t.Context(), read(toRomeo("m1")))
		if err != nil {
			t.Fatal(err)
		}
		var next xmpp.Handler
		asked := 0
		if handles {
			next, asked = stanzaMux(), strings.Count(in, "request")
		}
		_ = c.Serve(next)
		<-c.Done()
		written := strings.Join(conn.writes, "")
		if before, _, failed := strings.Cut(written, "<error xmlns=\"http://etherx.jabber.org/streams\">"); failed {
			wellFormed(t, before+"</stream:stream>") // mellium writes half of an error that has no condition
		} else {
			wellFormed(t, written)
		}
		if acks := strings.Count(written, "<received "); acks > asked {
			t.Fatalf("%d receipts for %d requests", acks, asked)
		}
		if sent.Result().State == client.Waiting {
			t.Fatal("a message waits after the end")
		}
	})
}

// wellFormed checks a stream.
func wellFormed(t *testing.T, stream string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(stream))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%q: %v", stream, err)
		}
	}
}

// replay wraps a session whose client says what is in, once.
func replay(t *testing.T, w *world, in string, webSocket bool) *middleware.Session {
	t.Helper()
	header := tcpHeader
	if webSocket {
		header = wsHeader
	}
	conn := recording{Reader: strings.NewReader(header + in)}
	inner, err := xmpp.ReceiveSession(context.Background(), conn, xmpp.Secure, negotiator(webSocket))
	if err != nil {
		t.Skip(err)
	}
	s, err := middleware.Wrap(w.Keeper, inner, juliet, &middleware.Options{WebSocket: webSocket, WriteTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A sink keeps what is written to it, write by write.
type sink struct {
	recording
	writes []string
}

func (s *sink) Write(b []byte) (int, error) {
	s.writes = append(s.writes, string(b))
	return len(b), nil
}

// FuzzFrames checks that it does not matter how a stream is cut into writes.
func FuzzFrames(f *testing.F) {
	f.Add("<a b='>'/><c>d<e/></c> \n<f></f></stream:stream>", 3)
	f.Add(message("1", "x")+receipt("1"), 1)
	f.Fuzz(func(t *testing.T, text string, size int) {
		size = max(1, size)
		var whole, cut sink
		_, _ = io.WriteString(middleware.Frames(&whole), text)
		c := middleware.Frames(&cut)
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			if m, err := io.WriteString(c, rest[:n]); m != n || err != nil {
				t.Fatal(m, err)
			}
			rest = rest[n:]
		}
		if strings.Join(whole.writes, "|") != strings.Join(cut.writes, "|") {
			t.Fatalf("%q, cut: %q", whole.writes, cut.writes)
		}
	})
}
