// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/middleware"
	"github.com/untilack/untilack/receipts"
)

// TestQuestion checks with what the Keeper asks whether a client is alive, and that any answer
// will do.
func TestQuestion(t *testing.T) {
	const ping, version = "<ping xmlns='urn:xmpp:ping'/>", "<query xmlns='jabber:iq:version'/>"
	for probe, want := range map[string]string{"": ping, version: version} {
		t.Run(want, func(t *testing.T) {
			w := newWorld(t, untilack.Config{AckWait: 10 * time.Millisecond})
			s, c := pipe(t, w, juliet, &middleware.Options{Probe: probe})
			if err := s.WriteStanza(t.Context(), []byte(message("m1", "<ping/>"))); err != nil {
				t.Fatal(err)
			}
			c.next(t) // the message
			question := c.next(t)
			m, err := receipts.Scan([]byte(question))
			if err != nil {
				t.Fatalf("got %s (%v)", question, err)
			}
			id := m.ID.String()
			if want := "<iq type='get' id='" + id + "' from='capulet.lit' to='" + juliet.String() + "'>" + want + "</iq>"; question != want {
				t.Errorf("got %s, want %s", question, want)
			}
			if s.Receive([]byte("<iq type='error' id='" + id + "'><error type='cancel'/></iq>")) {
				t.Error("the answer is to be routed on")
			}
			w.await(t, untilack.Finished)
		})
	}
}
