// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"fmt"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/untilack/untilack/client"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	romeo = jid.MustParse("romeo@montague.lit/orchard")
)

const (
	juliet  = "juliet@capulet.lit"
	balcony = juliet + "/balcony"
	chamber = juliet + "/chamber"
	tybalt  = "tybalt@capulet.lit/street"
)

// asking returns a message that is going to ask.
func asking(to, id string) string {
	return fmt.Sprintf(`<message to='%s' id='%s' type='chat'><body>Art thou there?</body></message>`, to, id)
}

// receipt returns the receipt for a message.
func receipt(from, id string) string {
	return fmt.Sprintf(`<message from='%s' to='romeo@montague.lit/orchard' id='r1' type='chat'><received xmlns='urn:xmpp:receipts' id='%s'/></message>`, from, id)
}

// bounced returns a message that has come back.
func bounced(from, id string) string {
	return fmt.Sprintf(`<message from='%s' to='romeo@montague.lit/orchard' id='%s' type='error'><body>Art thou there?</body><request xmlns='urn:xmpp:receipts'/><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`, from, id)
}

// A sender is a Tracker whose hooks are listened to.
type sender struct {
	testing.TB
	*client.Tracker
	now         time.Time
	first, late []client.Result
}

// newSender returns a sender; nil options are those of a client of Romeo's.
func newSender(t testing.TB, o *client.TrackerOptions) *sender {
	s := &sender{TB: t, now: start}
	if o == nil {
		o = &client.TrackerOptions{Account: romeo}
	}
	with := *o
	with.Result = func(r client.Result) { s.first = append(s.first, r) }
	with.Late = func(r client.Result) { s.late = append(s.late, r) }
	s.Tracker = client.NewTracker(&with)
	return s
}

// send has a message wait.
func (s *sender) send(stanza string) *client.Sent {
	s.Helper()
	_, sent, err := s.Track(s.now, nil, []byte(stanza))
	if err != nil {
		s.Fatal(err)
	}
	if got := sent.Result().State; got != client.Waiting {
		s.Fatalf("it is %v", got)
	}
	return sent
}

// hear receives a stanza.
func (s *sender) hear(stanza string, want bool) {
	s.Helper()
	if got := s.Receive(s.now, []byte(stanza)); got != want {
		s.Errorf("got %v, want %v for %s", got, want, stanza)
	}
}

// later lets time pass, and returns how many messages it has finished.
func (s *sender) later(d time.Duration) (count int) {
	s.now = s.now.Add(d)
	for range s.Due(s.now) {
		count++
	}
	return count
}

// is checks what is known of a message.
func (s *sender) is(sent *client.Sent, want client.State) {
	s.Helper()
	if got := sent.Result().State; got != want {
		s.Errorf("it is %v, want %v", got, want)
	}
}

// told checks how often the hooks were called.
func (s *sender) told(first, late int) {
	s.Helper()
	if len(s.first) != first || len(s.late) != late {
		s.Errorf("the hooks got %v and %v, want %d and %d", s.first, s.late, first, late)
	}
}
