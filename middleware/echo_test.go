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
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/middleware"
	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"
)

// Sizes of BenchmarkEcho.
const (
	echoRounds  = 15 // at least
	echoRun     = 2000
	echoStanza  = 400
	echoIDWidth = 36
)

// BenchmarkEcho measures what wrapping a session costs: the CPU time that an echo
// over TCP takes with a wrapped session, in proportion to the same echo with an
// unwrapped one. A round is a run of each, and the median of the rounds is told:
//
//	go test -run xx -bench Echo ./middleware
//	go test -run xx -bench Echo -benchtime 51x ./middleware # so many rounds
//
// The client sends messages of 400 bytes, keeps so many under way, and, if they ask,
// answers each with a receipt, whether the server's session is wrapped or not. It is
// in the process, so that what the server spares it counts as well: a session of
// mellium.im/xmpp, or one that only moves bytes and is as light as can be. The
// server's handler sends the messages back by its own writer, or by Send.
func BenchmarkEcho(b *testing.B) {
	for _, asks := range []bool{true, false} {
		for _, client := range []string{"mellium", "bytes"} {
			for _, send := range []bool{false, true} {
				for _, window := range []int{32, 1} {
					e := echo{asks: asks, send: send, bytes: client == "bytes", window: window}
					name := map[bool]string{true: "asks", false: "plain"}[asks]
					way := map[bool]string{true: "Send", false: "writer"}[send]
					b.Run(fmt.Sprintf("%s/%s/%s/window=%d", name, client, way, window), e.benchmark)
				}
			}
		}
	}
}

// An echo is what is measured.
type echo struct {
	asks   bool // for receipts
	send   bool // whether the server's handler uses Send
	bytes  bool // whether the client only moves bytes
	window int  // how many messages are under way
}

func (e *echo) benchmark(b *testing.B) {
	unwrapped, wrapped := e.connect(b, false), e.connect(b, true)
	rounds := max(echoRounds, b.N)
	ratios, bare, cost := make([]float64, rounds), make([]float64, rounds), make([]float64, rounds)
	for i := range rounds {
		bare[i] = e.measure(b, unwrapped)
		cost[i] = e.measure(b, wrapped)
		ratios[i] = cost[i] / bare[i]
	}
	b.ReportMetric(0, "ns/op") // a round's time says nothing
	b.ReportMetric(median(ratios), "wrapped/unwrapped")
	b.ReportMetric(median(bare), "unwrapped-CPU-ns/stanza")
	b.ReportMetric(median(cost), "wrapped-CPU-ns/stanza")
}

// measure returns the CPU time that each message of a run takes, in nanoseconds.
func (e *echo) measure(b *testing.B, client echoer) float64 {
	b.Helper()
	time.Sleep(time.Millisecond) // for the receipts of the run before
	begin := cpuTime(b)
	for range e.window {
		client.send(b)
	}
	for left, under := echoRun-e.window, e.window; under > 0; {
		n := client.receive(b)
		more := min(n, left)
		for range more {
			client.send(b)
		}
		left, under = left-more, under-n+more
	}
	return float64(cpuTime(b)-begin) / echoRun
}

// An echoer is the far end of an echo.
type echoer interface {
	// send sends a message, by the next receive at the latest.
	send(b *testing.B)
	// receive waits for messages and returns how many have come.
	receive(b *testing.B) int
}

// connect connects a client to a server.
func (e *echo) connect(b *testing.B, wrap bool) echoer {
	b.Helper()
	conn := e.serve(b, wrap)
	if e.bytes {
		if _, err := io.ReadFull(conn, make([]byte, len(tcpHeader))); err != nil {
			b.Fatal(err)
		}
		return &bytesClient{Conn: conn, asks: e.asks, in: make([]byte, 0, 128<<10)}
	}
	return newMelliumClient(b, conn, e.asks)
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// An echoSession is a session, wrapped or not.
type echoSession interface {
	Send(context.Context, xml.TokenReader) error
	Serve(xmpp.Handler) error
}

// serve serves a client, and returns its connection.
func (e *echo) serve(b *testing.B, wrap bool) net.Conn {
	b.Helper()
	near, far := loopback(b)
	if _, err := io.WriteString(far, tcpHeader); err != nil {
		b.Fatal(err)
	}
	inner, err := xmpp.ReceiveSession(b.Context(), near, xmpp.Secure, negotiator(false))
	if err != nil {
		b.Fatal(err)
	}
	s := echoSession(inner)
	if wrap {
		if s, err = middleware.Wrap(runKeeper(b), inner, juliet, nil); err != nil {
			b.Fatal(err)
		}
	}
	handler := echoHandler(nil)
	if e.send {
		handler = echoHandler(s)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(handler)
	}()
	b.Cleanup(func() { _ = far.Close(); _ = near.Close(); <-served })
	return far
}

// runKeeper returns a keeper that runs, with nothing configured.
func runKeeper(b *testing.B) *untilack.Keeper {
	b.Helper()
	keeper, err := untilack.New(untilack.Config{Domain: "capulet.lit"})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = keeper.Run(ctx)
	}()
	b.Cleanup(func() { cancel(); <-done })
	return keeper
}

// echoHandler sends each message back to juliet, as if from whom she has addressed,
// through s or, without it, the handler's own writer. Receipts end here.
func echoHandler(s echoSession) xmpp.HandlerFunc {
	return func(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		var reply xml.StartElement
		reply.Name = start.Name
		for _, a := range start.Attr {
			switch a.Name.Local {
			case "from":
				continue
			case "to":
				a.Name.Local = "from"
			case "id":
				if strings.HasPrefix(a.Value, "r") {
					return nil
				}
			}
			reply.Attr = append(reply.Attr, a)
		}
		reply.Attr = append(reply.Attr, xml.Attr{Name: xml.Name{Local: "to"}, Value: "juliet@capulet.lit"})
		if s != nil {
			return s.Send(context.Background(), xmlstream.MultiReader(xmlstream.Token(reply), t))
		}
		if err := t.EncodeToken(reply); err != nil {
			return err
		}
		_, err := xmlstream.Copy(t, t)
		return err
	}
}

// A bytesClient only moves bytes.
type bytesClient struct {
	net.Conn
	asks bool
	sent int
	in   []byte
	out  []byte
}

func (c *bytesClient) send(*testing.B) {
	request := ""
	if c.asks {
		request = "<request xmlns='urn:xmpp:receipts'/>"
	}
	c.sent++
	before := len(c.out)
	c.out = fmt.Appendf(c.out, "<message to='%s' id='%s' type='chat'><body>", romeo, echoID(c.sent))
	c.out = append(c.out, echoBody[:echoStanza-(len(c.out)-before)-len(request)-len("</body></message>")]...)
	c.out = append(append(append(c.out, "</body>"...), request...), "</message>"...)
}

var echoBody = strings.Repeat("Good night! ", echoStanza/12)

func echoID(n int) string { return fmt.Sprintf("m%0*d", echoIDWidth-1, n) }

// receive answers those that ask, with what is sent next.
func (c *bytesClient) receive(b *testing.B) (messages int) {
	b.Helper()
	if _, err := c.Write(c.out); err != nil {
		b.Fatal(err)
	}
	c.out = c.out[:0]
	n, err := c.Read(c.in[len(c.in):cap(c.in)])
	if err != nil {
		b.Fatal(err)
	}
	c.in = c.in[:len(c.in)+n]
	const end = "</message>"
	rest := c.in
	for ; ; messages++ {
		i := bytes.Index(rest, []byte(end))
		if i < 0 {
			break
		}
		if id := bytes.Index(rest[:i], []byte(" id=")); c.asks {
			id += len(" id='")
			c.out = fmt.Appendf(c.out, "<message to='%s' id='r%d' type='chat'><received xmlns='urn:xmpp:receipts' id='%s'/></message>",
				romeo, c.sent, rest[id:id+echoIDWidth])
		}
		rest = rest[i+len(end):]
	}
	c.in = c.in[:copy(c.in, rest)]
	return messages
}

// A melliumClient is a session of mellium.im/xmpp.
type melliumClient struct {
	*xmpp.Session
	asks bool
	sent int
	got  chan struct{}
}

func newMelliumClient(b *testing.B, conn net.Conn, asks bool) *melliumClient {
	b.Helper()
	ready := func(_ context.Context, in, out *stream.Info, s *xmpp.Session, _ any) (xmpp.SessionState, io.ReadWriter, any, error) {
		in.XMLNS, out.XMLNS = stanza.NSClient, stanza.NSClient
		r := s.TokenReader()
		defer r.Close()
		_, err := r.Token() // the server's header
		return xmpp.Ready | xmpp.Authn, nil, nil, err
	}
	s, err := xmpp.NewSession(b.Context(), juliet.Domain(), juliet, conn, xmpp.Secure, ready)
	if err != nil {
		b.Fatal(err)
	}
	c := &melliumClient{Session: s, asks: asks, got: make(chan struct{}, echoRun)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(xmpp.HandlerFunc(c.handle))
	}()
	b.Cleanup(func() { _ = conn.Close(); <-served })
	return c
}

// handle takes a message, and answers one that asks.
func (c *melliumClient) handle(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	defer func() { c.got <- struct{}{} }()
	if !c.asks {
		return nil
	}
	id := ""
	for _, a := range start.Attr {
		if a.Name.Local == "id" {
			id = a.Value
		}
	}
	received := xml.StartElement{Name: xml.Name{Space: receipts.NS, Local: "received"}, Attr: []xml.Attr{{Name: xml.Name{Local: "id"}, Value: id}}}
	_, err := xmlstream.Copy(t, stanza.Message{ID: "r" + id, To: romeo, Type: stanza.ChatMessage}.Wrap(xmlstream.Wrap(nil, received)))
	return err
}

func (c *melliumClient) send(b *testing.B) {
	b.Helper()
	c.sent++
	id := echoID(c.sent)
	length := echoStanza - len("<message to='"+romeo.String()+"' id='"+id+"' type='chat'><body></body></message>")
	request := xml.TokenReader(nil)
	if c.asks {
		length -= len("<request xmlns='urn:xmpp:receipts'/>")
		request = xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: receipts.NS, Local: "request"}})
	}
	body := xmlstream.Wrap(xmlstream.Token(xml.CharData(echoBody[:length])), xml.StartElement{Name: xml.Name{Local: "body"}})
	payload := body
	if c.asks {
		payload = xmlstream.MultiReader(body, request)
	}
	if err := c.Send(context.Background(), stanza.Message{ID: id, To: romeo, Type: stanza.ChatMessage}.Wrap(payload)); err != nil {
		b.Fatal(err)
	}
}

func (c *melliumClient) receive(b *testing.B) int {
	b.Helper()
	select {
	case <-c.got:
		return 1
	case <-time.After(patience):
		b.Fatal("no echo has come")
	}
	return 0
}

// cpuTime returns what the process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
