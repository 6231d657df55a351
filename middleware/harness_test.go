// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"bytes"
	"context"
	"encoding/xml"
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

	"go.uber.org/goleak"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	juliet = jid.MustParse("juliet@capulet.lit/balcony")
	nurse  = jid.MustParse("nurse@capulet.lit/hall")
	romeo  = jid.MustParse("romeo@montague.lit/orchard")
)

// patience is how long a test waits for what has to happen.
const patience = 10 * time.Second

const (
	tcpHeader = `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' id='1'>`
	wsHeader  = `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0' id='1'/>`
)

// negotiator exchanges stream headers, and nothing else.
func negotiator(webSocket bool) xmpp.Negotiator {
	return func(_ context.Context, in, out *stream.Info, s *xmpp.Session, _ any) (xmpp.SessionState, io.ReadWriter, any, error) {
		in.XMLNS, out.XMLNS = stanza.NSClient, stanza.NSClient
		if err := readHeader(s, webSocket); err != nil {
			return 0, nil, nil, err
		}
		header := tcpHeader
		if webSocket {
			header = wsHeader
		}
		_, err := io.WriteString(s.Conn(), header)
		return xmpp.Ready | xmpp.Authn, nil, nil, err
	}
}

// readHeader reads the stream header of the other side.
func readHeader(s *xmpp.Session, webSocket bool) error {
	r := s.TokenReader()
	defer r.Close()
	for open := true; open; {
		token, err := r.Token()
		if err != nil {
			return err
		}
		switch token.(type) {
		case xml.StartElement:
			open = webSocket // there the header is an element with an end
		case xml.EndElement:
			open = false
		}
	}
	return nil
}

// A world is a keeper that runs, and what it has told.
type world struct {
	*untilack.Keeper
	events chan untilack.Event
}

func newWorld(t testing.TB, config untilack.Config) *world {
	t.Helper()
	w := &world{events: make(chan untilack.Event, 1<<16)}
	config.Domain = "capulet.lit"
	if config.PersistAfter == 0 {
		config.PersistAfter = -1
	}
	config.Watch = func(e untilack.Event) {
		select {
		case w.events <- e:
		default:
		}
	}
	k, err := untilack.New(config)
	if err != nil {
		t.Fatal(err)
	}
	w.Keeper = k
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = k.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return w
}

// await waits for an event.
func (w *world) await(t testing.TB, reason untilack.Reason) untilack.Event {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case e := <-w.events:
			if e.Reason == reason {
				return e
			}
		case <-limit:
			t.Fatalf("nothing was %v", reason)
		}
	}
}

// A farEnd is the other side of a session.
type farEnd struct {
	net.Conn
	got chan string // elements, in their own bytes
}

// next returns the next element that the client gets.
func (c *farEnd) next(t testing.TB) string {
	t.Helper()
	select {
	case e, ok := <-c.got:
		if !ok {
			t.Fatal("the connection was closed")
		}
		return e
	case <-time.After(patience):
		t.Fatal("the client got nothing")
	}
	return ""
}

// warm sends a message and waits until the client has it. Until then the keeper
// may still be looking for older ones, which come first.
func warm(t testing.TB, s *middleware.Session, c *farEnd) {
	t.Helper()
	if err := s.WriteStanza(t.Context(), []byte(message("warm", "up"))); err != nil {
		t.Fatal(err)
	}
	c.nextMessage(t, s)
	s.Receive([]byte(receipt("warm")))
}

// nextMessage returns the next message, answers the keeper's probes on the way
// and passes over the rest.
func (c *farEnd) nextMessage(t testing.TB, s *middleware.Session) string {
	t.Helper()
	for {
		got, ok := "", false
		select {
		case got, ok = <-c.got:
		case <-time.After(patience):
			t.Fatal("the client got no message")
		}
		if !ok {
			t.Fatalf("the connection was closed: %v", s.Err())
		}
		if strings.HasPrefix(got, "<message") {
			return got
		}
		m, err := receipts.Scan([]byte(got))
		if err != nil {
			t.Fatalf("client got %s (%v)", got, err)
		}
		if m.Element == receipts.IQStanza {
			s.Receive([]byte("<iq type='result' id='" + m.ID.String() + "'/>"))
		}
	}
}

// rest returns all that the client gets until the end.
func (c *farEnd) rest(t testing.TB) []string {
	t.Helper()
	var all []string
	limit := time.After(patience)
	for {
		select {
		case e, ok := <-c.got:
			if !ok {
				return all
			}
			all = append(all, e)
		case <-limit:
			t.Fatal("the connection was not closed")
		}
	}
}

func (c *farEnd) send(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// read splits a stream into its elements. An error of the parser is passed on as
// if it were one.
func (c *farEnd) read() {
	defer close(c.got)
	var seen bytes.Buffer
	d := xml.NewDecoder(io.TeeReader(c.Conn, &seen))
	depth, start := 0, int64(0)
	for {
		before := d.InputOffset()
		token, err := d.Token()
		if err != nil {
			if !strings.Contains(err.Error(), "closed pipe") && err != io.EOF && !strings.HasSuffix(err.Error(), "unexpected EOF") &&
				!strings.Contains(err.Error(), "closed network") && !strings.Contains(err.Error(), "reset by peer") {
				c.got <- "error: " + err.Error()
			}
			return
		}
		switch token.(type) {
		case xml.StartElement:
			if depth++; depth == 2 {
				start = before
			}
		case xml.EndElement:
			if depth--; depth == 0 {
				c.got <- "</stream:stream>"
				continue
			}
			if depth == 1 {
				c.got <- string(seen.Bytes()[start:d.InputOffset()])
			}
		}
	}
}

// connect makes a session on one end of a connection and a client on the other.
func connect(t testing.TB, server, far net.Conn) (*xmpp.Session, *farEnd) {
	t.Helper()
	c := &farEnd{Conn: far, got: make(chan string, 1<<14)}
	go func() { _, _ = io.WriteString(far, tcpHeader) }()
	go c.read()
	s, err := xmpp.ReceiveSession(context.Background(), server, xmpp.Secure, negotiator(false))
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

// pipe wraps a session over a net.Pipe.
func pipe(t testing.TB, w *world, address jid.JID, o *middleware.Options) (*middleware.Session, *farEnd) {
	t.Helper()
	near, far := net.Pipe()
	return wrap(t, w, near, far, address, o)
}

func wrap(t testing.TB, w *world, near, far net.Conn, address jid.JID, o *middleware.Options) (*middleware.Session, *farEnd) {
	t.Helper()
	inner, c := connect(t, near, far)
	s, err := middleware.Wrap(w.Keeper, inner, address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, c
}

// loopback returns two ends of a TCP connection.
func loopback(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return near, far
}

// A webSocket is a connection each of whose writes is a message.
type webSocket struct {
	net.Conn
	mu     sync.Mutex
	frames chan string
	closed bool
}

func (c *webSocket) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	c.frames <- string(b)
	return len(b), nil
}

func (c *webSocket) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		close(c.frames)
	}
	return c.Conn.Close()
}

// frames wraps a session over something like a WebSocket. below may put something
// between the session and the connection.
func frames(t testing.TB, w *world, below func(net.Conn) net.Conn) (*middleware.Session, *farEnd) {
	t.Helper()
	near, far := net.Pipe()
	ws := &webSocket{Conn: near, frames: make(chan string, 1<<14)}
	c := &farEnd{Conn: far, got: ws.frames}
	go func() { _, _ = io.WriteString(far, wsHeader) }()
	var conn net.Conn = ws
	if below != nil {
		conn = below(ws)
	}
	inner, err := xmpp.ReceiveSession(context.Background(), conn, xmpp.Secure, negotiator(true))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.next(t); got != wsHeader {
		t.Fatalf("header is %q", got)
	}
	s, err := middleware.Wrap(w.Keeper, inner, juliet, &middleware.Options{WebSocket: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		_ = far.Close()
	})
	return s, c
}

// message is a message from romeo to juliet that asks for a receipt.
func message(id, body string) string {
	return fmt.Sprintf("<message from='%s' to='%s' type='chat' id='%s'><body>%s</body><request xmlns='urn:xmpp:receipts'/></message>",
		romeo, juliet.Bare(), id, body)
}

// receipt is juliet's receipt.
func receipt(id string) string {
	return fmt.Sprintf("<message to='%s' id='r-%s'><received xmlns='urn:xmpp:receipts' id='%s'/></message>", romeo, id, id)
}

// read returns a reader of a stanza's tokens.
func read(text string) *xml.Decoder {
	d := xml.NewDecoder(strings.NewReader(text))
	d.DefaultSpace = stanza.NSClient
	return d
}

// within fails the test if f does not return in time.
func within(t testing.TB, limit time.Duration, what string, f func()) time.Duration {
	t.Helper()
	begin := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("%s took longer than %v", what, limit)
	}
	return time.Since(begin)
}
