// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package clients

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/internal/integration/servers"
	"github.com/untilack/untilack/middleware"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/ping"
	"mellium.im/xmpp/stanza"
)

// patience is how long nothing may happen before a test fails.
const patience = 30 * time.Second

// An end is a client of ours, which sends and answers. It logs in again, with the same
// resource, when its stream has ended.
type end struct {
	t         testing.TB
	server    *servers.Server
	account   servers.Account
	resource  string
	tracker   *client.Tracker
	responder *client.Responder
	ledger    *ledger
	waiting   []*client.Sent // of the process before
	asked     chan jid.JID   // for the presence, which was shown
	stop      context.CancelFunc
	stopped   chan struct{}

	mutex   sync.Mutex
	current *middleware.Client // nil: it is logging in
	changed chan struct{}      // closed when current changes
}

// settings are what may differ between ends.
type settings struct {
	resource  string        // empty: "end"
	retention time.Duration // how long a message waits; 0: a minute
	policy    client.Policy
	before    *end            // the process before this one, whose account and ledger it has
	waited    []client.Waited // what that one has sent
	journal   client.Journal
}

// newEnd returns an end that has logged in. It is stopped when the test ends.
func newEnd(t testing.TB, s *servers.Server, a servers.Account, o settings) *end {
	t.Helper()
	if o.retention == 0 {
		o.retention = time.Minute
	}
	responder, err := client.NewResponder(&client.ResponderOptions{Policy: o.policy, SenderRate: -1, Rate: -1, Journal: o.journal})
	if err != nil {
		t.Fatal(err)
	}
	e := &end{
		t: t, server: s, account: a, resource: cmp.Or(o.resource, "end"), responder: responder, ledger: newLedger(),
		asked: make(chan jid.JID, 10), stopped: make(chan struct{}), changed: make(chan struct{}),
	}
	if o.before != nil {
		e.ledger = o.before.ledger
	}
	e.tracker = client.NewTracker(&client.TrackerOptions{Account: a.Address, Retention: o.retention, Messages: -1, Late: e.ledger.late})
	for _, w := range o.waited {
		sent, err := e.tracker.Expect(time.Now(), w)
		if err != nil {
			t.Fatal(err)
		}
		e.waiting = append(e.waiting, sent)
	}
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	go e.run(ctx)
	t.Cleanup(e.end)
	e.client()
	return e
}

// end logs out for good.
func (e *end) end() {
	e.stop()
	<-e.stopped
}

// run logs in, and again until ctx ends.
func (e *end) run(ctx context.Context) {
	defer close(e.stopped)
	for ctx.Err() == nil {
		session, err := servers.Login(ctx, e.server, e.account, e.resource)
		if err != nil {
			time.Sleep(50 * time.Millisecond) // the link may be dark
			continue
		}
		e.serve(ctx, session)
		e.set(nil)
	}
}

// serve works until the session or ctx ends.
func (e *end) serve(ctx context.Context, session *xmpp.Session) {
	c, err := middleware.NewClient(session, &middleware.ClientOptions{Tracker: e.tracker, Responder: e.responder, Inbox: 10_000})
	if err != nil {
		e.t.Error(err)
		return
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = c.Serve(e.watch(c)) })
	defer serving.Wait()
	defer c.Close()
	if c.LoadRoster(ctx) != nil {
		return // it has ended
	}
	if _, err := c.Send(ctx, stanza.Presence{}.Wrap(nil)); err != nil {
		return
	}
	e.set(c)
	for m := range c.Messages(ctx) {
		e.take(m)
	}
}

// watch returns a handler that notes what receipts come in, and lets everybody see the
// presence who asks for that.
func (e *end) watch(c *middleware.Client) xmpp.Handler {
	return xmpp.HandlerFunc(func(r xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		switch start.Name.Local {
		case "message":
			var in struct {
				Received struct {
					ID string `xml:"id,attr"`
				} `xml:"urn:xmpp:receipts received"`
			}
			err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), r)).Decode(&in)
			if err == nil && in.Received.ID != "" {
				e.ledger.read(in.Received.ID)
			}
			return err
		case "presence":
			return e.admit(c, start)
		}
		return nil
	})
}

// admit answers a presence, if it asks for ours.
func (e *end) admit(c *middleware.Client, start *xml.StartElement) error {
	in, err := stanza.NewPresence(*start)
	if err != nil || in.Type != stanza.SubscribePresence {
		return err
	}
	if _, err := c.Send(context.Background(), stanza.Presence{To: in.From, Type: stanza.SubscribedPresence}.Wrap(nil)); err != nil {
		return err
	}
	e.asked <- in.From
	return nil
}

// A message is one as we send and read it.
type message struct {
	stanza.Message
	Body string `xml:"body"`
}

// take shows a message, and acknowledges it after that.
func (e *end) take(m *middleware.Message) {
	var in message
	if err := m.Decode(&in); err != nil {
		e.t.Errorf("message %s: %v", m.Raw, err)
		return
	}
	e.ledger.show(in.ID, in.Body)
	_ = m.Ack() // its session may have ended
}

func (e *end) set(c *middleware.Client) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.current = c
	close(e.changed)
	e.changed = make(chan struct{})
}

// client waits until the end is logged in.
func (e *end) client() *middleware.Client {
	e.t.Helper()
	for {
		e.mutex.Lock()
		c, changed := e.current, e.changed
		e.mutex.Unlock()
		if c != nil {
			return c
		}
		select {
		case <-changed:
		case <-time.After(patience):
			e.t.Fatalf("%s is not logged in", e.account.Address)
		}
	}
}

// address returns the full address.
func (e *end) address() jid.JID { return e.client().Session().LocalAddr() }

// send sends a message, as soon as there is a session that takes it.
func (e *end) send(to jid.JID, id, body string) *client.Sent {
	e.t.Helper()
	for {
		c := e.client()
		sent, err := c.Encode(context.Background(), message{stanza.Message{ID: id, To: to, Type: stanza.ChatMessage}, body})
		switch {
		case err == nil:
			return sent
		case !errors.Is(err, middleware.ErrClosed):
			e.t.Fatalf("message %s: %v", id, err)
		}
		<-c.Done()
		time.Sleep(time.Millisecond) // until it is no more the current one
	}
}

// flush waits until the server has taken what was sent, as its answer to a later question
// shows, and reports whether that was in time.
func (e *end) flush(within time.Duration) bool {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return e.client().LoadRoster(ctx) == nil
}

// awaitEnd waits until the server knows that somebody's session has ended: it answers for it.
func (e *end) awaitEnd(address string) {
	e.t.Helper()
	question := ping.IQ{IQ: stanza.IQ{Type: stanza.GetIQ, To: jid.MustParse(address)}}
	for start := time.Now(); time.Since(start) < patience; {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := e.client().Session().UnmarshalIQ(ctx, question.TokenReader(), nil)
		cancel()
		if errors.As(err, new(stanza.Error)) {
			return
		}
	}
	e.t.Fatalf("%s does not end", address)
}

// letters are ids and bodies of messages, in order.
type letters [][2]string

// newLetters makes messages whose ids and bodies are their own.
func newLetters(name string, count int) letters {
	made := make(letters, count)
	for i := range made {
		made[i] = [2]string{fmt.Sprintf("%s-%d", name, i), fmt.Sprintf("<%s> & %d", name, i)}
	}
	return made
}

// sendAll sends letters.
func (e *end) sendAll(to jid.JID, all letters) []*client.Sent {
	e.t.Helper()
	sent := make([]*client.Sent, len(all))
	for i, l := range all {
		sent[i] = e.send(to, l[0], l[1])
	}
	return sent
}

// results waits until it is known of all what became of them.
func (e *end) results(sent []*client.Sent) map[string]client.Result {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	known := make(map[string]client.Result)
	for r := range e.tracker.Results(ctx, sent...) {
		known[r.ID] = r
	}
	if len(known) < len(sent) {
		e.t.Fatalf("%d of %d messages have a result", len(known), len(sent))
	}
	return known
}

// sendAgain sends what was not delivered once more, with the same ids, until it is. A receipt
// that has come late counts: not every client acknowledges a copy.
func (e *end) sendAgain(to jid.JID, all letters, sent []*client.Sent) {
	e.t.Helper()
	tries := make(map[string][]*client.Sent)
	for round := 0; ; round++ {
		for _, s := range sent {
			tries[s.ID()] = append(tries[s.ID()], s)
		}
		var rest letters
		for _, l := range all {
			if !slices.ContainsFunc(tries[l[0]], isDelivered) {
				rest = append(rest, l)
			}
		}
		if len(rest) == 0 {
			return
		}
		if round == 20 {
			e.t.Fatalf("%d messages are not delivered after %d tries, the first one %s: %+v", len(rest), round, rest[0][0], e.tracker.Stats())
		}
		sent = e.sendAll(to, rest)
		e.results(sent)
	}
}

func isDelivered(s *client.Sent) bool { return s.Result().State == client.Delivered }
