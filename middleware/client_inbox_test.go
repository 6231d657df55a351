// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/middleware"
	"github.com/untilack/untilack/receipts"

	"github.com/google/go-cmp/cmp"
	"mellium.im/xmpp/stanza"
)

// A loop that is slow holds up nobody: receipts are read on, nothing is queued without an end,
// what there is no room for is refused, and a copy of that counts as new.
func TestR72ClientSlowLoop(t *testing.T) {
	o := answering(t)
	o.Inbox = 2
	c := dial(t, o, nil)
	sent, _ := c.sends(t, toRomeo("m1"))
	got := c.hears(t, asks("1"), asks("2"), asks("3"),
		from(romeo.String(), "id='4'", "<body>asks for nothing</body>"),
		from("room@montague.lit/x", "type='groupchat' id='5'", "<body>hi</body>"),
		acks("m1"))
	wantState(t, sent, client.Delivered)
	if len(got) != 2 {
		t.Fatalf("server got %q", got)
	}
	for i, id := range []string{"3", "4"} {
		m, err := receipts.Scan([]byte(got[i]))
		if err != nil || m.Type != stanza.ErrorMessage || m.ID.String() != id || m.To.String() != romeo.String() ||
			!strings.Contains(got[i], "<resource-constraint ") || !strings.Contains(got[i], "type='wait'") {
			t.Errorf("server got %s", got[i])
		}
	}
	if got := c.Missed(); got != 3 {
		t.Errorf("%d messages found no room, want 3", got)
	}
	for _, raw := range c.handled() {
		if strings.Contains(raw, "id='3'") {
			t.Errorf("handler got %s, which was refused", raw)
		}
	}
	var shown []string
	for m := range c.Messages(t.Context()) {
		scanned, err := receipts.Scan(m.Raw)
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, scanned.ID.String())
		if err := m.Ack(); err != nil {
			t.Error(err)
		}
		if len(shown) == 2 {
			c.far.send(t, asks("3"))
		}
		if len(shown) == 3 {
			break
		}
	}
	if diff := cmp.Diff([]string{"1", "2", "3"}, shown); diff != "" {
		t.Error(diff)
	}
	wantAcks(t, c.settled(t), "1", "2", "3")
}

// Of those who are not answered nobody learns that there is somebody (XEP-0184 §8).
func TestR63ClientFullInbox(t *testing.T) {
	for name, o := range map[string]*middleware.ClientOptions{
		"a stranger":   {Responder: responder(t, client.Presence), Inbox: 1},
		"no Responder": {Inbox: 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, o, nil)
			if got := c.hears(t, asks("1"), asks("2"), from(romeo.String(), "id='3'", "<body/>")); got != nil {
				t.Errorf("server got %q", got)
			}
		})
	}
}

// What the loop gets: everything but errors, receipts and copies.
func TestClientMessages(t *testing.T) {
	o := answering(t)
	o.Inbox = 100
	c := dial(t, o, nil)
	wantAcks(t, c.hears(t, asks("1"), asks("1"), acks("m"),
		from(romeo.String(), "type='error' id='2'", "<body/>"),
		from(romeo.String(), "id='3'", "<body/>"),
		from(romeo.String(), "id='4'", "<body/>"+received("m")),
		"<presence from='romeo@montague.lit/orchard'/>"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var bodies []string
	for m := range c.Messages(ctx) {
		var in packet
		if err := m.Decode(&in); err != nil {
			t.Error(err)
		}
		again, err := receipts.Encode(m.TokenReader())
		if err != nil || string(again) != string(m.Raw) {
			t.Errorf("%s reads as %s, %v", m.Raw, again, err)
		}
		if bodies = append(bodies, in.ID); len(bodies) == 3 {
			cancel()
		}
	}
	if diff := cmp.Diff([]string{"1", "3", "4"}, bodies); diff != "" {
		t.Error(diff)
	}
}

// The three ends of a message, each of which comes once.
func TestR67ClientMessageEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end   func(*middleware.Message) error
		shown int // of two copies
		acks  []string
	}{
		"Ack":   {(*middleware.Message).Ack, 1, []string{"1", "1"}},
		"Drop":  {func(m *middleware.Message) error { m.Drop(); return m.Ack() }, 1, nil},
		"Again": {func(m *middleware.Message) error { m.Again(); return m.Ack() }, 2, nil},
		"none":  {func(*middleware.Message) error { return nil }, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := answering(t)
			o.Inbox = 100
			c := dial(t, o, nil)
			shown := make(chan string, 10)
			ctx, cancel := context.WithCancel(t.Context())
			var loop sync.WaitGroup
			loop.Go(func() {
				for m := range c.Messages(ctx) {
					if err := test.end(m); err != nil {
						t.Error(err)
					}
					shown <- string(m.Raw)
				}
			})
			c.far.send(t, asks("1"))
			receive(t, shown)
			got := c.hears(t, asks("1"))
			if test.shown > 1 {
				receive(t, shown)
			}
			wantAcks(t, append(got, c.settled(t)...), test.acks...)
			cancel()
			loop.Wait()
			if len(shown) != 0 {
				t.Errorf("shown once more: %s", <-shown)
			}
		})
	}
}

// What a session leaves in its inbox when it ends is not lost to the next one, with which it
// shares its Responder.
func TestClientInboxAtTheEnd(t *testing.T) {
	for _, looping := range []bool{true, false} {
		t.Run(fmt.Sprint("looping: ", looping), func(t *testing.T) {
			o := answering(t)
			o.Inbox = 10
			c := dial(t, o, nil)
			next, stop := pullFrom(c.Messages(t.Context()))
			if looping {
				c.hears(t, asks("0"))
				if next() == nil {
					t.Fatal("there is no message")
				}
			}
			c.hears(t, asks("1"), asks("2"))
			c.far.send(t, "</stream:stream>")
			if err := receive(t, c.done); err != nil {
				t.Error(err)
			}
			if looping { // the loop goes on to the end
				m := next()
				if m == nil {
					t.Fatal("the loop ended before its messages")
				}
				if err := m.Ack(); !errors.Is(err, middleware.ErrClosed) {
					t.Errorf("Ack returned %v, want %v", err, middleware.ErrClosed)
				}
			}
			stop()

			c = dial(t, o, nil)
			got := c.hears(t, asks("1"), asks("2"))
			for m := range c.Messages(ending(t)) {
				t.Logf("shown again: %s", m.Raw)
				if looping && strings.Contains(string(m.Raw), "id='1'") {
					t.Error("a message that was worked on is shown again")
				}
			}
			if looping {
				wantAcks(t, got, "1")
			}
			if handled := c.handled(); len(handled) != map[bool]int{true: 1, false: 2}[looping] {
				t.Errorf("handler got %q", handled)
			}
		})
	}
}

// ending is a context that ends when the messages of the moment were taken.
func ending(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// pullFrom is iter.Pull with nil for the end.
func pullFrom(seq iter.Seq[*middleware.Message]) (next func() *middleware.Message, stop func()) {
	pull, stop := iter.Pull(seq)
	return func() *middleware.Message {
		m, _ := pull()
		return m
	}, stop
}

func TestClientMessagesWithoutAnInbox(t *testing.T) {
	c := dial(t, nil, nil)
	defer func() {
		if recover() == nil {
			t.Error("Messages does not panic")
		}
	}()
	c.Messages(t.Context())
}
