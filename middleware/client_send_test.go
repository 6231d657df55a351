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
	"testing/synctest"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/middleware"
	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/stanza"
)

// A receipt can be written in a handler that has answered an IQ, when the session must not be
// used, and so can a message.
func TestClientWritesInAHandler(t *testing.T) {
	var c *own
	messages := make(chan *middleware.Message, 1)
	ready := make(chan struct{})
	o := answering(t)
	o.Inbox = 10
	c = dial(t, o, xmpp.HandlerFunc(func(rw xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		if start.Name.Local != "iq" {
			return nil
		}
		<-ready
		iq, err := stanza.NewIQ(*start)
		if err != nil {
			return err
		}
		_, err = xmlstream.Copy(rw, iq.Result(nil))
		_, err2 := c.Send(context.Background(), read(toRomeo("m1")))
		return errors.Join(err, (<-messages).Ack(), err2)
	}))
	close(ready)
	go func() {
		for m := range c.Messages(t.Context()) {
			messages <- m
		}
	}()
	got := c.hears(t, asks("1"), "<iq type='get' id='q' from='capulet.lit'><x xmlns='urn:x'/></iq>")
	if len(got) != 3 || !strings.Contains(got[0], "id=\"q\"") || !strings.Contains(got[1], "id='m1'") || !isAck(got[2], "1") {
		t.Errorf("server got %q", got)
	}
}

// stalled makes a Client whose server reads nothing.
func stalled(t testing.TB, o middleware.ClientOptions) (*middleware.Client, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	go func() { _, _ = io.WriteString(far, tcpHeader); _, _ = io.ReadFull(far, make([]byte, len(tcpHeader))) }()
	s, err := xmpp.NewSession(t.Context(), juliet.Domain(), juliet, near, xmpp.Secure, negotiator(false))
	if err != nil {
		t.Fatal(err)
	}
	o.WriteTimeout = max(o.WriteTimeout, 100*time.Millisecond)
	c := newClient(t, s, &o)
	t.Cleanup(func() { _ = far.Close() })
	return c, far
}

// Who sends waits for room as long as its context says, and then nothing waits.
func TestClientFullQueue(t *testing.T) {
	c, _ := stalled(t, middleware.ClientOptions{QueueStanzas: 2, WriteTimeout: time.Hour})
	for i := range 2 {
		if _, err := c.Send(t.Context(), read(toRomeo(fmt.Sprint(i)))); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var sent *client.Sent
	var err error
	within(t, patience, "Send", func() { sent, err = c.Send(ctx, read(toRomeo("m"))) })
	if !errors.Is(err, untilack.ErrBusy) || !errors.Is(err, context.DeadlineExceeded) || sent != nil {
		t.Errorf("got %v, %v", sent, err)
	}
	if got := c.Tracker().Stats(); got.Waiting != 2 || got.Cancelled != 1 {
		t.Errorf("got %+v", got)
	}
	if _, err := c.Send(ctx, read(toRomeo("m"))); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v after the end of the context", err)
	}
	_ = c.Session().Conn().Close()
}

// A handler that keeps everybody from writing does not wait for room that only it can make.
func TestClientFullQueueInAHandler(t *testing.T) {
	near, far := net.Pipe()
	s, end := julietsSession(t, near, far)
	c := newClient(t, s, &middleware.ClientOptions{QueueStanzas: 2})
	errs := make(chan error, 10)
	go func() {
		_ = c.Serve(xmpp.HandlerFunc(func(rw xmlstream.TokenReadEncoder, start *xml.StartElement) error {
			iq, err := stanza.NewIQ(*start)
			if err != nil {
				return err
			}
			_, err = xmlstream.Copy(rw, iq.Result(nil))
			for i := range 5 {
				_, err := c.Send(context.Background(), read(toRomeo(fmt.Sprint(i))))
				errs <- err
			}
			return err
		}))
	}()
	end.send(t, "<iq type='get' id='q'><x xmlns='urn:x'/></iq>")
	var written, busy int
	for range 5 {
		switch err := receive(t, errs); {
		case err == nil:
			written++
		case errors.Is(err, untilack.ErrBusy):
			busy++
		default:
			t.Error(err)
		}
	}
	if written < 2 || busy == 0 {
		t.Errorf("%d written and %d busy of 5", written, busy)
	}
	for range 1 + written {
		end.next(t)
	}
}

// Close writes what is queued, and ends what waits.
func TestClientCloseDrains(t *testing.T) {
	c := dial(t, nil, nil)
	var sent []*client.Sent
	for i := range 100 {
		s, err := c.Send(t.Context(), read(toRomeo(fmt.Sprint(i))))
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, s)
	}
	_ = c.Close()
	got := c.far.rest(t)
	if len(got) != 101 || got[100] != "</stream:stream>" {
		t.Errorf("server got %d elements, the last is %s", len(got), got[len(got)-1])
	}
	for _, s := range sent {
		wantState(t, s, client.Closed)
	}
	if err := c.Err(); err != nil {
		t.Error(err)
	}
	if _, err := c.Send(t.Context(), read(toRomeo("late"))); !errors.Is(err, middleware.ErrClosed) || !errors.Is(err, xmpp.ErrOutputStreamClosed) {
		t.Errorf("got %v, want %v", err, middleware.ErrClosed)
	}
}

// The same with a Tracker that lives on: what was written waits for the next session.
func TestClientCloseKeepsTheTracker(t *testing.T) {
	tracker := client.NewTracker(&client.TrackerOptions{Account: juliet})
	defer tracker.Close(time.Now())
	o := &middleware.ClientOptions{Tracker: tracker}
	c := dial(t, o, nil)
	sent, _ := c.sends(t, toRomeo("m1"))
	_ = c.Close()
	wantState(t, sent, client.Waiting)
	if _, err := c.Send(t.Context(), read(toRomeo("m2"))); !errors.Is(err, middleware.ErrClosed) {
		t.Errorf("got %v, want %v", err, middleware.ErrClosed)
	}
	if got := tracker.Stats().Waiting; got != 1 {
		t.Errorf("%d wait, want 1", got)
	}
	c = dial(t, o, nil)
	c.hears(t, acks("m1"))
	wantState(t, sent, client.Delivered)
}

// A limited connection takes so many bytes after its header.
type limited struct {
	net.Conn
	mu   sync.Mutex
	left int
	hold chan struct{} // closed when writes may begin
}

var errBroken = errors.New("connection is broken")

func (c *limited) Write(b []byte) (int, error) {
	if strings.HasPrefix(string(b), "<stream:stream") {
		return c.Conn.Write(b)
	}
	<-c.hold
	c.mu.Lock()
	defer c.mu.Unlock()
	n, _ := c.Conn.Write(b[:min(len(b), c.left)])
	c.left -= n
	if n < len(b) {
		return n, errBroken
	}
	return n, nil
}

// When a write fails, what was not begun is Cancelled, and what may have arrived waits on.
func TestClientWriteFails(t *testing.T) {
	_, raw := dial(t, nil, nil).sends(t, toRomeo("m0"))
	for name, test := range map[string]struct{ bytes, begun int }{
		"before the first":     {0, 0},
		"in the first":         {10, 1},
		"after the first":      {len(raw), 1},
		"in the second":        {len(raw) + 1, 2},
		"at the third's end":   {3*len(raw) - 1, 3},
		"between two of those": {3 * len(raw), 3},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			conn := &limited{Conn: near, left: test.bytes, hold: make(chan struct{})}
			s, _ := julietsSession(t, conn, far)
			tracker := client.NewTracker(&client.TrackerOptions{Account: juliet})
			defer tracker.Close(time.Now())
			c := newClient(t, s, &middleware.ClientOptions{Tracker: tracker})
			var sent []*client.Sent
			for i := range 5 {
				s, err := c.Send(t.Context(), read(toRomeo(fmt.Sprint("m", i))))
				if err != nil {
					t.Fatal(err)
				}
				sent = append(sent, s)
			}
			close(conn.hold)
			within(t, patience, "the end", func() { <-c.Done() })
			for i, s := range sent {
				want := client.Cancelled
				if i < test.begun {
					want = client.Waiting
				}
				wantState(t, s, want)
			}
			if !errors.Is(c.Err(), errBroken) {
				t.Errorf("session ended by %v", c.Err())
			}
			if _, err := c.Send(t.Context(), read(toRomeo("late"))); !errors.Is(err, middleware.ErrClosed) {
				t.Errorf("got %v, want %v", err, middleware.ErrClosed)
			}
		})
	}
}

// A server that takes nothing is given up, and so is what waits to be written to it.
func TestClientStalls(t *testing.T) {
	c, _ := stalled(t, middleware.ClientOptions{})
	var sent []*client.Sent
	for i := range 3 {
		s, err := c.Send(t.Context(), read(toRomeo(fmt.Sprint(i))))
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, s)
	}
	within(t, patience, "the end", func() { <-c.Done() })
	if !errors.Is(c.Err(), middleware.ErrStalled) {
		t.Errorf("session ended by %v", c.Err())
	}
	for _, s := range sent {
		if got := s.Result().State; got != client.Cancelled && got != client.Closed {
			t.Errorf("message is %v", got)
		}
	}
}

// R34: what has waited for too long is Expired, though nothing happens on the stream, and
// however it has come to wait.
func TestR34ClientExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results := make(chan client.Result, 10)
		tracker := client.NewTracker(&client.TrackerOptions{Account: juliet, Retention: time.Hour, Result: func(r client.Result) { results <- r }})
		near, far := net.Pipe()
		s, end := julietsSession(t, near, far)
		c := newClient(t, s, &middleware.ClientOptions{Tracker: tracker})
		begin := time.Now()
		if _, err := tracker.Expect(begin, client.Waited{ID: "old", To: romeo.Bare().String(), Sent: begin.Add(-50 * time.Minute)}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Send(t.Context(), read(toRomeo("new"))); err != nil {
			t.Fatal(err)
		}
		for _, want := range []struct {
			id    string
			after time.Duration
		}{{"old", 10 * time.Minute}, {"new", time.Hour}} {
			got := <-results
			took := time.Since(begin)
			if got.ID != want.id || got.State != client.Expired || took < want.after || took > want.after+time.Minute {
				t.Errorf("after %v: %v, want %s after %v", took, got, want.id, want.after)
			}
		}
		_ = c.Close()
		for range end.got {
		}
	})
}

// R31: one that waits for a few seconds does so, whenever the Tracker was looked at last.
func TestR31ClientExpiresSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := client.NewTracker(&client.TrackerOptions{Account: juliet, Retention: 5 * time.Second})
		near, far := net.Pipe()
		s, end := julietsSession(t, near, far)
		c := newClient(t, s, &middleware.ClientOptions{Tracker: tracker})
		for _, pause := range []time.Duration{0, 7 * time.Second, 29 * time.Second} {
			time.Sleep(pause)
			begin := time.Now()
			sent, err := c.Send(t.Context(), read(toRomeo(pause.String())))
			if err != nil {
				t.Fatal(err)
			}
			got, err := sent.Wait(t.Context())
			if took := time.Since(begin); got.State != client.Expired || err != nil || took < 5*time.Second || took > 6*time.Second {
				t.Errorf("after %v: %v, %v", took, got, err)
			}
		}
		_ = c.Close()
		for range end.got {
		}
	})
}

// What can not be tracked is not written.
func TestClientSendRefuses(t *testing.T) {
	tracker := client.NewTracker(&client.TrackerOptions{Account: juliet, Messages: 1})
	c := dial(t, &middleware.ClientOptions{Tracker: tracker}, nil)
	first, _ := c.sends(t, toRomeo("m1"))
	for name, test := range map[string]struct {
		message string
		want    error
	}{
		"too many":                     {toRomeo("m2"), client.ErrFull},
		"a receipt that asks for one":  {"<message to='romeo@montague.lit' id='m3'>" + received("x") + request + "</message>", receipts.ErrNoRequest},
		"what is nested too deeply":    {strings.Repeat("<x>", 300) + strings.Repeat("</x>", 300), receipts.ErrLimit},
		"what has an end and no start": {"</x>", nil},
	} {
		sent, err := c.Send(t.Context(), read(test.message))
		if sent != nil || err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, %v, want %v", name, sent, err, test.want)
		}
	}
	if got := c.settled(t); got != nil {
		t.Errorf("server got %q", got)
	}
	wantState(t, first, client.Waiting)
	tracker.Close(time.Now())
	if _, err := c.Send(t.Context(), read(toRomeo("m4"))); !errors.Is(err, client.ErrClosed) || errors.Is(err, middleware.ErrClosed) {
		t.Errorf("got %v, want %v", err, client.ErrClosed)
	}
}

// That a second try finds no room says nothing about the first one. Others wait for room, too.
func TestClientSecondTryWithAFullQueue(t *testing.T) {
	c, _ := stalled(t, middleware.ClientOptions{QueueStanzas: 1, WriteTimeout: time.Hour, Responder: responder(t, client.Always)})
	sent, err := c.Send(t.Context(), read(toRomeo("m1")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Send(ctx, read(toRomeo("m1"))); !errors.Is(err, untilack.ErrBusy) {
		t.Errorf("got %v, want %v", err, untilack.ErrBusy)
	}
	wantState(t, sent, client.Waiting)
	if err := c.LoadRoster(ctx); !errors.Is(err, untilack.ErrBusy) {
		t.Errorf("got %v, want %v", err, untilack.ErrBusy)
	}
	_ = c.Session().Conn().Close()
	within(t, patience, "the end", func() { <-c.Done() })
	if err := c.LoadRoster(t.Context()); !errors.Is(err, middleware.ErrClosed) {
		t.Errorf("got %v, want %v", err, middleware.ErrClosed)
	}
}

// Many who send, acknowledge and read at once.
func TestClientRace(t *testing.T) {
	const writers, each = 8, 50
	o := answering(t)
	o.Inbox = 16
	c := dial(t, o, nil)
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	var loops sync.WaitGroup
	for range 2 {
		loops.Go(func() {
			for m := range c.Messages(ctx) {
				_ = m.Ack()
			}
		})
	}
	for w := range writers {
		all.Go(func() {
			for i := range each {
				sent, err := c.Send(ctx, read(toRomeo(fmt.Sprintf("%d-%d", w, i))))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := sent.Wait(ctx); err != nil || got.State != client.Delivered {
					t.Errorf("message is %v, %v", got, err)
				}
			}
		})
	}
	all.Go(func() {
		for tracked := 0; tracked < writers*each; {
			got := c.far.next(t)
			m, err := receipts.Scan([]byte(got))
			if err != nil {
				t.Error(err)
				return
			}
			if m.Kind == receipts.KindRequest {
				tracked++
				c.far.send(t, acks(m.ID.String())+asks("in-"+m.ID.String()))
			}
		}
	})
	all.Wait()
	cancel()
	loops.Wait()
	_ = c.Close()
	if got := c.Tracker().Stats(); got.Delivered != writers*each || got.Forged != 0 {
		t.Errorf("got %+v", got)
	}
}
