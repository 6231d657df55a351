// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/middleware"

	"mellium.im/xmpp"
	"mellium.im/xmpp/stanza"
)

// stall wraps the session of a client that reads nothing until readAfterHeader is
// called.
func stall(t *testing.T, w *world, o middleware.Options) (*middleware.Session, *farEnd) {
	t.Helper()
	near, far := net.Pipe()
	c := &farEnd{Conn: far, got: make(chan string, 1<<10)}
	go func() { _, _ = io.WriteString(far, tcpHeader); _, _ = io.ReadFull(far, make([]byte, len(tcpHeader))) }()
	inner, err := xmpp.ReceiveSession(t.Context(), near, xmpp.Secure, negotiator(false))
	if err != nil {
		t.Fatal(err)
	}
	o.WriteTimeout = time.Hour
	s, err := middleware.Wrap(w.Keeper, inner, juliet, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = far.Close()
		_ = s.Close()
	})
	return s, c
}

// What waits for a client that reads nothing is bounded in bytes, not in stanzas
// alone.
func TestQueueBytes(t *testing.T) {
	s, _ := stall(t, newWorld(t, untilack.Config{}), middleware.Options{QueueBytes: 10_000})
	long := []byte("<presence><status>" + strings.Repeat("a", 1000) + "</status></presence>")
	for i := range 10 {
		if err := s.WriteStanza(t.Context(), long); errors.Is(err, untilack.ErrBusy) {
			return
		} else if err != nil {
			t.Fatalf("stanza %d: %v", i, err)
		}
	}
	t.Errorf("10 stanzas of %d bytes wait in a queue of 10,000", len(long))
}

// There is room for the Keeper's question whether the client lives, whatever waits.
func TestProbeOfAClientWithAFullQueue(t *testing.T) {
	w := newWorld(t, untilack.Config{AckWait: 100 * time.Millisecond, ProbeWait: time.Minute})
	s, c := stall(t, w, middleware.Options{QueueStanzas: 2})
	if err := s.WriteStanza(t.Context(), []byte(message("m1", "hi"))); err != nil {
		t.Fatal(err)
	}
	for w.Count(untilack.Queued) > w.Count(untilack.Delivered) { // until then m1 is not in the queue
		time.Sleep(time.Millisecond)
	}
	for err := error(nil); !errors.Is(err, untilack.ErrBusy); {
		err = s.WriteStanza(t.Context(), []byte("<presence/>"))
	}
	w.await(t, untilack.Probed)
	time.Sleep(20 * time.Millisecond) // the ping is put right after that is told
	go c.readAfterHeader()
	for range 4 {
		if strings.HasPrefix(c.next(t), "<iq") {
			return
		}
	}
	t.Error("there was no ping")
}

// That there is room again is told at once: a busy client gets what waits as quickly
// as it reads.
func TestAQueueWithRoomAgain(t *testing.T) {
	s, c := stall(t, newWorld(t, untilack.Config{}), middleware.Options{QueueStanzas: 1})
	const messages = 20
	for i := range messages {
		if err := s.WriteStanza(t.Context(), []byte(message(fmt.Sprint("m", i), "hi"))); err != nil {
			t.Fatal(err)
		}
	}
	go c.readAfterHeader()
	start := time.Now()
	for i := range messages {
		if got := c.nextMessage(t, s); !strings.Contains(got, fmt.Sprintf("id='m%d'", i)) {
			t.Fatalf("message %d is %s", i, got)
		}
		s.Receive([]byte(receipt(fmt.Sprint("m", i))))
	}
	if took := time.Since(start); took > messages*time.Second/2 {
		t.Errorf("%d messages took %v", messages, took)
	}
}

// Receive does not keep the host's bytes.
func TestAnswerInABufferThatIsUsedAgain(t *testing.T) {
	s, c := pipe(t, newWorld(t, untilack.Config{}), juliet, nil)
	answered := make(chan error)
	go func() {
		answered <- s.UnmarshalIQ(t.Context(), stanza.IQ{ID: "q", Type: stanza.GetIQ, To: juliet}.Wrap(nil), nil)
	}()
	c.next(t)
	buffer := []byte("<iq type='result' id='q'/>")
	if s.Receive(buffer) {
		t.Error("the answer is to be routed on")
	}
	copy(buffer, strings.Repeat("<", len(buffer)))
	if err := receive(t, answered); err != nil {
		t.Errorf("the answer was %v", err)
	}
}
