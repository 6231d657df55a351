// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/receipts"
)

func TestS44(t *testing.T) {
	t.Run("a receipt from another account is ignored", func(t *testing.T) {
		s := newSender(t, nil)
		sent := s.send(asking(juliet, "m1"))
		s.hear(receipt(tybalt, "m1"), false)
		s.is(sent, client.Waiting)
		s.told(0, 0)
		if got := s.Stats().Forged; got != 1 {
			t.Errorf("%d are forged", got)
		}
	})
	t.Run("a receipt from another resource counts", func(t *testing.T) {
		s := newSender(t, nil)
		sent := s.send(asking(chamber, "m1"))
		s.hear(receipt(balcony, "m1"), true)
		s.is(sent, client.Delivered)
		s.told(1, 0)
	})
	t.Run("the second receipt is told to Late", func(t *testing.T) {
		s := newSender(t, nil)
		sent := s.send(asking(juliet, "m1"))
		s.hear(receipt(balcony, "m1"), true)
		s.hear(receipt(chamber, "m1"), true)
		s.told(1, 1)
		if got := s.late[0]; got.By.String() != chamber || !got.Late || got.State != client.Delivered {
			t.Errorf("Late got %+v", got)
		}
		if got := sent.Result(); got.By.String() != balcony || got.Late {
			t.Errorf("the result is %+v", got)
		}
	})
	t.Run("a receipt after the time is told to Late", func(t *testing.T) {
		s := newSender(t, &client.TrackerOptions{Account: romeo, Retention: time.Minute})
		sent := s.send(asking(juliet, "m1"))
		if got := s.later(time.Minute); got != 1 {
			t.Errorf("%d messages expired", got)
		}
		s.is(sent, client.Expired)
		s.hear(receipt(balcony, "m1"), true)
		s.told(1, 1)
		s.is(sent, client.Delivered)
	})
}

func TestS45(t *testing.T) {
	s := newSender(t, nil)
	sent := s.send(asking(juliet, "m1"))
	s.now = s.now.Add(time.Second)
	s.hear(bounced(juliet, "m1"), true)
	want := client.Result{
		ID: "m1", To: jid.MustParse(juliet), Sent: start, State: client.Bounced,
		By: jid.MustParse(juliet), At: start.Add(time.Second),
		Err: stanza.Error{Type: stanza.Cancel, Condition: stanza.ServiceUnavailable},
	}
	if diff := cmp.Diff(want, sent.Result()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]client.Result{want}, s.first); diff != "" {
		t.Error(diff)
	}
	if !errors.Is(want.Err, stanza.Error{Condition: stanza.ServiceUnavailable}) {
		t.Error("the error is none to be compared")
	}
}

// What of an error is kept.
func TestR39Errors(t *testing.T) {
	const ns = ` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'`
	for _, c := range []struct {
		name, child string
		want        stanza.Error
	}{
		{"with a text", `<error type='wait'><resource-constraint` + ns + `/><text` + ns + `>Full</text></error>`, stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: map[string]string{"": "Full"}}},
		{"without an error", ``, stanza.Error{Type: stanza.Cancel, Condition: stanza.UndefinedCondition}},
		{"with an error of something else", `<error xmlns='urn:x'/>`, stanza.Error{}},
		{"with a text that is too long", `<error type='wait'><resource-constraint` + ns + `/><text` + ns + `>` + strings.Repeat("a", 5000) + `</text></error>`, stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint}},
		{"with names that are too long", `<error type='` + strings.Repeat("a", 5000) + `'><` + strings.Repeat("a", 5000) + ns + `/></error>`, stanza.Error{Type: stanza.Cancel, Condition: stanza.UndefinedCondition}},
		{"with many texts", `<error type='wait'><resource-constraint` + ns + `/>` + manyTexts() + `</error>`, stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSender(t, nil)
			sent := s.send(asking(juliet, "m1"))
			s.hear(`<message type='error' from='`+juliet+`' id='m1'>`+c.child+`</message>`, true)
			if diff := cmp.Diff(c.want, sent.Result().Err); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func manyTexts() string {
	var b strings.Builder
	for i := range 500 {
		fmt.Fprintf(&b, `<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='x-%d'>12345</text>`, i)
	}
	return b.String()
}

func TestR22ReceiptsOfTheFirstVersion(t *testing.T) {
	const old = `<message from='` + balcony + `' id='m1'><received xmlns='urn:xmpp:receipts'/></message>`
	s := newSender(t, nil)
	sent := s.send(asking(juliet, "m1"))
	s.hear(`<message from='`+tybalt+`' id='m1'><received xmlns='urn:xmpp:receipts'/></message>`, false)
	s.hear(old, true)
	s.is(sent, client.Delivered)
	s.hear(old, false) // it waits no more
	s.told(1, 0)

	s = newSender(t, &client.TrackerOptions{Account: romeo, Strict: true})
	sent = s.send(asking(juliet, "m1"))
	s.hear(old, false)
	s.is(sent, client.Waiting)
}

func TestR19EachReceiptCounts(t *testing.T) {
	s := newSender(t, nil)
	one, two := s.send(asking(juliet, "m1")), s.send(asking(juliet, "m2"))
	s.hear(`<message from='`+balcony+`'><received xmlns='urn:xmpp:receipts' id='m1'/><received xmlns='urn:xmpp:receipts' id='m3'/><received xmlns='urn:xmpp:receipts' id='m2'/></message>`, true)
	s.is(one, client.Delivered)
	s.is(two, client.Delivered)
}

func TestR20AReceiptThatAsksIsAReceipt(t *testing.T) {
	s := newSender(t, nil)
	sent := s.send(asking(juliet, "m1"))
	s.hear(`<message from='`+balcony+`' id='a'><received xmlns='urn:xmpp:receipts' id='m1'/><request xmlns='urn:xmpp:receipts'/></message>`, true)
	s.is(sent, client.Delivered)
}

// What asks and what does not, and what is written.
func TestTrackAsks(t *testing.T) {
	const request = `<request xmlns='urn:xmpp:receipts'/>`
	for _, c := range []struct {
		name, stanza, want string // want: "" if it stays
		options            receipts.RequestOptions
		state              client.State
		err                error
	}{
		{name: "R26 a message with a body", stanza: `<message to='a@b' id='m1'><body/></message>`, want: `<message to='a@b' id='m1'><body/>` + request + `</message>`, state: client.Waiting},
		{name: "R26 a message to a room", stanza: `<message to='a@b' id='m1' type='groupchat'><body/></message>`, state: client.NotAsked},
		{name: "R27 an error", stanza: `<message to='a@b' id='m1' type='error'><body/></message>`, state: client.NotAsked},
		{name: "R27 an error that asks", stanza: `<message to='a@b' id='m1' type='error'>` + request + `</message>`, err: receipts.ErrNoRequest},
		{name: "R28 a receipt", stanza: `<message to='a@b' id='m1'><received xmlns='urn:xmpp:receipts' id='m2'/></message>`, state: client.NotAsked},
		{name: "R28 a receipt that asks", stanza: `<message to='a@b' id='m1'><received xmlns='urn:xmpp:receipts' id='m2'/>` + request + `</message>`, err: receipts.ErrNoRequest},
		{name: "R29 a message without an id", stanza: `<message to='a@b'><body/></message>`, want: `<message id='new' to='a@b'><body/>` + request + `</message>`, state: client.Waiting},
		{name: "R33 somebody who is known not to answer", stanza: `<message to='a@b/c' id='m1'><body/></message>`, options: receipts.RequestOptions{Lacks: func(to string) bool { return to == "a@b/c" }}, state: client.NotAsked},
		{name: "R44 a message that asks already", stanza: `<message to='a@b' id='m1'>` + request + `</message>`, state: client.Waiting},
		{name: "R44 a chat state", stanza: `<message to='a@b' id='m1'><active xmlns='http://jabber.org/protocol/chatstates'/></message>`, state: client.NotAsked},
		{name: "R46 a message to a room that asks already", stanza: `<message to='a@b' id='m1' type='groupchat'>` + request + `</message>`, state: client.NotAsked},
		{name: "R46 a message to a room if it shall", stanza: `<message to='a@b' id='m1' type='groupchat'><body/></message>`, want: `<message to='a@b' id='m1' type='groupchat'><body/>` + request + `</message>`, options: receipts.RequestOptions{GroupChat: true}, state: client.Waiting},
		{name: "R64 the own account", stanza: `<message to='Romeo@Montague.lit/garden' id='m1'><body/></message>`, state: client.NotAsked},
		{name: "R64 the own account that is asked already", stanza: `<message to='romeo@montague.lit' id='m1'>` + request + `</message>`, state: client.NotAsked},
		{name: "R64 nobody", stanza: `<message id='m1'><body/></message>`, state: client.NotAsked},
		{name: "a query", stanza: `<iq to='a@b'><body/></iq>`, state: client.NotAsked},
		{name: "what is no stanza", stanza: `<r xmlns='urn:xmpp:sm:3'/>`, state: client.NotAsked},
		{name: "what is malformed", stanza: `<message>`, err: receipts.ErrSyntax},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.options.NewID = func() string { return "new" }
			s := newSender(t, &client.TrackerOptions{Account: romeo, Request: &c.options})
			if c.want == "" {
				c.want = c.stanza
			}
			out, sent, err := s.Track(start, []byte("kept"), []byte(c.stanza))
			if c.err != nil {
				if !errors.Is(err, c.err) || string(out) != "kept" || sent != nil || s.Stats() != (client.TrackerStats{}) {
					t.Errorf("got %q, %v, %v, %+v", out, sent, err, s.Stats())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("kept"+c.want, string(out)); diff != "" {
				t.Error(diff)
			}
			s.is(sent, c.state)
			want := client.TrackerStats{NotAsked: 1}
			if c.state == client.Waiting {
				want = client.TrackerStats{Asked: 1, Waiting: 1}
			}
			if diff := cmp.Diff(want, s.Stats()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Nothing is to be waited for without end, and nobody has to wait for as long as another.
func TestR31WaitsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := client.NewTracker(nil)
		_, sent, err := tracker.Track(time.Now(), nil, []byte(asking(juliet, "m1")))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		got, err := sent.Wait(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || got.State != client.Waiting || time.Since(begun) != time.Minute {
			t.Errorf("got %v, %v after %v", got, err, time.Since(begun))
		}
		go func() {
			for next, ok := tracker.Next(); ok; next, ok = tracker.Next() {
				time.Sleep(time.Until(next))
				for range tracker.Due(time.Now()) {
				}
			}
		}()
		if got, err = sent.Wait(t.Context()); err != nil || got.State != client.Expired || time.Since(begun) != 24*time.Hour {
			t.Errorf("got %v, %v after %v", got, err, time.Since(begun))
		}
	})
}

// That no receipt came is no failure: there is no error, and nothing is sent once more.
func TestR34R35ExpiredSaysNothing(t *testing.T) {
	s := newSender(t, &client.TrackerOptions{Retention: time.Minute})
	sent := s.send(asking(juliet, "m1"))
	if got := s.later(time.Minute - 1); got != 0 {
		t.Errorf("%d expired too early", got)
	}
	s.later(1)
	want := client.Result{ID: "m1", To: jid.MustParse(juliet), Sent: start, State: client.Expired, At: start.Add(time.Minute)}
	if diff := cmp.Diff(want, sent.Result()); diff != "" {
		t.Error(diff)
	}
	if got := s.later(100 * time.Hour); got != 0 || s.Stats().Asked != 1 {
		t.Errorf("%d more, %+v", got, s.Stats())
	}
}

func TestR36SeveralReceipts(t *testing.T) {
	s := newSender(t, nil)
	s.send(asking(juliet, "m1"))
	for range 3 {
		s.hear(receipt(balcony, "m1"), true)
		s.hear(receipt(chamber, "m1"), true)
	}
	s.told(1, 5)
	want := client.TrackerStats{Asked: 1, Delivered: 1, Late: 5}
	if diff := cmp.Diff(want, s.Stats()); diff != "" {
		t.Error(diff)
	}
}

func TestR37AnyTypeOfReceipt(t *testing.T) {
	for _, kind := range []string{"normal", "chat", "headline", "groupchat", "", "other"} {
		s := newSender(t, nil)
		sent := s.send(asking(juliet, "m1"))
		s.hear(`<message from='`+balcony+`' type='`+kind+`'><received xmlns='urn:xmpp:receipts' id='m1'/></message>`, true)
		s.is(sent, client.Delivered)
	}
}

// Whose receipts and errors count.
func TestR38R39Origins(t *testing.T) {
	const (
		room   = "hall@rooms.capulet.lit"
		marked = `<message to='` + room + `/Nurse' id='m1'><body/><x xmlns='http://jabber.org/protocol/muc#user'/></message>`
	)
	neither, both, onlyError := "neither", "receipt and error", "error"
	isRoom := &client.TrackerOptions{Account: romeo, Room: func(bare jid.JID) bool { return bare.String() == room }}
	component := &client.TrackerOptions{}
	for _, c := range []struct {
		name    string
		options *client.TrackerOptions
		stanza  string
		from    string
		want    string
	}{
		{"R38 the address itself", nil, asking(balcony, "m1"), balcony, both},
		{"R38 another resource", nil, asking(balcony, "m1"), chamber, both},
		{"R38 a resource of a bare address", nil, asking(juliet, "m1"), balcony, both},
		{"R38 the bare address", nil, asking(balcony, "m1"), juliet, both},
		{"R38 an address in other letters", nil, asking("Juliet@CAPULET.lit/balcony", "m1"), balcony, both},
		{"R38 an address in other letters, the other way", nil, asking(balcony, "m1"), "JULIET@capulet.Lit", both},
		{"R38 a server", nil, asking("capulet.lit", "m1"), "capulet.lit", both},
		{"R38 another account", nil, asking(juliet, "m1"), tybalt, neither},
		{"R38 the same name elsewhere", nil, asking(juliet, "m1"), "juliet@montague.lit/balcony", neither},
		{"R38 a longer name", nil, asking(juliet, "m1"), juliet + "x", neither},
		{"R38 no address", nil, asking(juliet, "m1"), "@@", neither},
		{"R38 a resource that is too long", nil, asking(juliet, "m1"), juliet + "/" + strings.Repeat("a", 4000), neither},
		{"R38 the own client", nil, asking(juliet, "m1"), "romeo@montague.lit/garden", neither},
		{"R38 an occupant", nil, marked, room + "/Nurse", both},
		{"R38 another occupant", nil, marked, room + "/Tybalt", neither},
		{"R38 an occupant by the hook", isRoom, asking(room+"/Nurse", "m1"), room + "/Nurse", both},
		{"R38 another occupant by the hook", isRoom, asking(room+"/Nurse", "m1"), room + "/Tybalt", neither},
		{"R38 a resource of what is no room by the hook", isRoom, asking(balcony, "m1"), chamber, both},
		{"R38 a mark without a resource, which is an invitation", nil, strings.Replace(marked, "/Nurse", "", 1), room + "/Nurse", both},
		{"R38 a malformed address, which is taken as it is", isRoom, asking("@/Nurse", "m1"), "@/Tybalt", both},
		{"R38 the room without a resource", isRoom, asking(room, "m1"), room + "/Nurse", both},
		{"R39 the recipient's account", nil, asking(balcony, "m1"), juliet, both},
		{"R39 the recipient's server", nil, asking(balcony, "m1"), "capulet.lit", onlyError},
		{"R39 the recipient's server in capitals", nil, asking(balcony, "m1"), "CAPULET.LIT", onlyError},
		{"R39 a client of the recipient's server", nil, asking(balcony, "m1"), "capulet.lit/x", neither},
		{"R39 the room", nil, marked, room, onlyError},
		{"R39 the room's service", nil, marked, "rooms.capulet.lit", onlyError},
		{"R39 the own server", nil, asking(juliet, "m1"), "montague.lit", onlyError},
		{"R39 the own account", nil, asking(juliet, "m1"), "romeo@montague.lit", onlyError},
		{"R39 nobody, which is the own account", nil, asking(juliet, "m1"), "", onlyError},
		{"R39 the own client", nil, asking(juliet, "m1"), romeo.String(), neither},
		{"R39 another server", nil, asking(juliet, "m1"), "verona.lit", neither},
		{"R39 nobody, to a component", component, asking(juliet, "m1"), "", neither},
		{"R39 the recipient's server, to a component", component, asking(juliet, "m1"), "capulet.lit", onlyError},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, kind := range []struct {
				stanza string
				want   bool
				state  client.State
			}{
				{receipt(c.from, "m1"), c.want == both, client.Delivered},
				{bounced(c.from, "m1"), c.want != neither, client.Bounced},
			} {
				s := newSender(t, c.options)
				sent := s.send(c.stanza)
				s.hear(kind.stanza, kind.want)
				want := client.TrackerStats{Asked: 1}
				if kind.want {
					s.is(sent, kind.state)
					want.Delivered, want.Bounced = uint64(btoi(c.want == both && kind.state == client.Delivered)), uint64(btoi(kind.state == client.Bounced))
				} else {
					s.is(sent, client.Waiting)
					want.Waiting, want.Forged = 1, 1
				}
				if diff := cmp.Diff(want, s.Stats()); diff != "" {
					t.Errorf("%v: %s", kind.state, diff)
				}
			}
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A component has many accounts: what is for one of them says nothing of another's.
func TestR38Components(t *testing.T) {
	s := newSender(t, &client.TrackerOptions{})
	message := func(from string) string {
		return `<message from='` + from + `' to='` + juliet + `' id='m1'><body/></message>`
	}
	to := func(to string) string {
		return `<message from='` + balcony + `' to='` + to + `'><received xmlns='urn:xmpp:receipts' id='m1'/></message>`
	}
	one, two := s.send(message("one@gateway.lit/a")), s.send(message("two@gateway.lit"))
	s.hear(to("three@gateway.lit"), false)
	s.hear(to("two@gateway.lit/b"), true)
	s.is(one, client.Waiting)
	s.is(two, client.Delivered)
	s.hear(to("one@gateway.lit"), true)
	s.is(one, client.Delivered)
	_, nobody, err := s.Track(start, nil, []byte(`<message from='one@gateway.lit' id='m2'><request xmlns='urn:xmpp:receipts'/></message>`))
	if err != nil {
		t.Fatal(err)
	}
	s.is(nobody, client.NotAsked)
	if got := one.Waited().From; got != "one@gateway.lit/a" {
		t.Errorf("the sender is %q", got)
	}
}

// An error that echoes a receipt is our own receipt that has come back.
func TestR40AReceiptThatBounced(t *testing.T) {
	s := newSender(t, nil)
	sent := s.send(asking(juliet, "m1"))
	for _, id := range []string{"m1", "r1"} {
		s.hear(`<message type='error' from='`+balcony+`' id='`+id+`'><received xmlns='urn:xmpp:receipts' id='m1'/><error type='cancel'/></message>`, false)
	}
	s.is(sent, client.Waiting)
	s.told(0, 0)
}

// carbon returns a copy of a message that came to another client, or was sent by one.
func carbon(direction, outer, inner string) string {
	return `<message from='` + outer + `' to='romeo@montague.lit/orchard'><` + direction + ` xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>` +
		strings.Replace(inner, "<message ", "<message xmlns='jabber:client' ", 1) + `</forwarded></` + direction + `></message>`
}

// archived returns a result from an archive.
func archived(outer, inner string) string {
	return `<message from='` + outer + `' to='romeo@montague.lit/orchard'><result xmlns='urn:xmpp:mam:2' queryid='q' id='1'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-03-01T12:34:56Z'/>` +
		strings.Replace(inner, "<message ", "<message xmlns='jabber:client' ", 1) + `</forwarded></result></message>`
}

func TestR41R188Copies(t *testing.T) {
	const own = "romeo@montague.lit"
	stamp := time.Date(2026, 3, 1, 12, 34, 56, 0, time.UTC)
	for _, c := range []struct {
		name, stanza string
		options      *client.TrackerOptions
		want         bool
		at           time.Time
		forged       uint64
	}{
		{name: "R41 a carbon copy of a receipt", stanza: carbon("received", own, receipt(balcony, "m1")), want: true, at: start},
		{name: "R41 one without a sender, which is the own account", stanza: carbon("received", "", receipt(balcony, "m1")), want: true, at: start},
		{name: "R41 a carbon copy of an error", stanza: carbon("received", own, bounced("capulet.lit", "m1")), want: true, at: start},
		{name: "R41 a receipt in the archive", stanza: archived(own, receipt(balcony, "m1")), want: true, at: stamp},
		{name: "R41 a receipt that was delayed", stanza: strings.Replace(receipt(balcony, "m1"), "</message>", "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/></message>", 1), want: true, at: start},
		{name: "R41 a receipt that another client of ours has sent", stanza: carbon("sent", own, receipt("romeo@montague.lit/garden", "m1"))},
		{name: "R41 another client's, as if from the recipient", stanza: carbon("sent", own, receipt(balcony, "m1"))},
		{name: "R41 a receipt of our own in the archive", stanza: archived(own, receipt("romeo@montague.lit/garden", "m1")), forged: 1},
		{name: "R38 a carbon copy of somebody else's receipt", stanza: carbon("received", own, receipt(tybalt, "m1")), forged: 1},
		{name: "R188 a forged carbon copy", stanza: carbon("received", balcony, receipt(balcony, "m1")), forged: 1},
		{name: "R188 a carbon copy from a client of ours", stanza: carbon("received", own+"/garden", receipt(balcony, "m1")), forged: 1},
		{name: "R188 a carbon copy from the server", stanza: carbon("received", "montague.lit", receipt(balcony, "m1")), forged: 1},
		{name: "R188 a forged archive", stanza: archived(juliet, receipt(balcony, "m1")), forged: 1},
		{name: "R188 a carbon copy without an account", stanza: carbon("received", own, receipt(balcony, "m1")), options: &client.TrackerOptions{}, forged: 1},
		{name: "R188 one without a sender and an account", stanza: carbon("received", "", receipt(balcony, "m1")), options: &client.TrackerOptions{}, forged: 1},
		{name: "R4 a copy of a copy", stanza: carbon("received", own, carbon("received", own, receipt(balcony, "m1")))},
		{name: "R4 a forwarded receipt", stanza: `<message from='` + balcony + `'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='` + balcony + `'><received xmlns='urn:xmpp:receipts' id='m1'/></message></forwarded></message>`},
		{name: "an error that echoes a copy", stanza: strings.Replace(carbon("received", own, receipt(balcony, "m1")), "<message ", "<message type='error' ", 1)},
		{name: "a copy of nothing", stanza: `<message from='` + own + `'><received xmlns='urn:xmpp:carbons:2'/></message>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSender(t, c.options)
			sent := s.send(asking(juliet, "m1"))
			s.hear(c.stanza, c.want)
			got := sent.Result()
			if got.State != client.Waiting != c.want || !got.At.Equal(c.at) {
				t.Errorf("it is %+v", got)
			}
			if got := s.Stats(); got.Forged != c.forged || got.Malformed != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// No name says that somebody has read a message.
func TestR42Names(t *testing.T) {
	more := regexp.MustCompile(`(?i)read|seen|display|understood|accept`)
	for _, of := range []any{client.Result{}, client.TrackerOptions{}, client.TrackerStats{}, client.Waited{}} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(of)) {
			if more.MatchString(field.Name) {
				t.Errorf("%T has %s", of, field.Name)
			}
		}
	}
	for state := range client.NotAsked + 1 {
		if more.MatchString(state.String()) {
			t.Errorf("there is a state %v", state)
		}
	}
}

// A message that is sent once more has its id and the time of the first copy, and is no
// second message.
func TestR43ASecondCopy(t *testing.T) {
	s := newSender(t, nil)
	first := s.send(asking(juliet, "m1"))
	s.now = s.now.Add(time.Minute)
	out, again, err := s.Track(s.now, nil, []byte(asking(chamber, "m1")))
	if !errors.Is(err, client.ErrDuplicate) || again != first || again.ID() != "m1" || !again.At().Equal(start) {
		t.Fatalf("got %v, %v", again, err)
	}
	out, err = receipts.AppendDelayed(nil, out, receipts.Delay{From: romeo.String(), Stamp: again.At()})
	if want := `<request xmlns='urn:xmpp:receipts'/><delay xmlns='urn:xmpp:delay' from='romeo@montague.lit/orchard' stamp='2026-03-01T12:00:00Z'/></message>`; err != nil || !strings.HasSuffix(string(out), want) {
		t.Errorf("got %s, %v", out, err)
	}
	s.hear(receipt(balcony, "m1"), true)
	s.told(1, 0)
	want := client.TrackerStats{Asked: 1, Delivered: 1}
	if diff := cmp.Diff(want, s.Stats()); diff != "" {
		t.Error(diff)
	}

	// It waits no more: the same id is that of a new one.
	sent := s.send(asking(juliet, "m1"))
	s.hear(receipt(balcony, "m1"), true)
	s.is(sent, client.Delivered)
	s.told(2, 0)
}

// The same id is another message for somebody else.
func TestDuplicates(t *testing.T) {
	const room = "hall@rooms.capulet.lit"
	occupant := func(name string) string {
		return `<message to='` + room + `/` + name + `' id='m1'><body/><x xmlns='http://jabber.org/protocol/muc#user'/></message>`
	}
	for _, c := range []struct {
		name, one, two string
		want           bool
	}{
		{"the same", asking(juliet, "m1"), asking(juliet, "m1"), true},
		{"another resource", asking(balcony, "m1"), asking(chamber, "m1"), true},
		{"other letters", asking(juliet, "m1"), asking("JULIET@capulet.lit", "m1"), true},
		{"another id", asking(juliet, "m1"), asking(juliet, "M1"), false},
		{"another account", asking(juliet, "m1"), asking(tybalt, "m1"), false},
		{"the same occupant", occupant("Nurse"), occupant("Nurse"), true},
		{"another occupant", occupant("Nurse"), occupant("Tybalt"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSender(t, nil)
			one := s.send(c.one)
			out, two, err := s.Track(start, nil, []byte(c.two))
			if got := errors.Is(err, client.ErrDuplicate); got != c.want || (one == two) != c.want || len(out) == 0 {
				t.Errorf("got %q, %v, %v", out, two, err)
			}
		})
	}
}

// A correction is a message of its own.
func TestR45ACorrectionHasItsOwnReceipt(t *testing.T) {
	s := newSender(t, nil)
	bad := s.send(asking(juliet, "bad1"))
	good := s.send(`<message to='` + juliet + `' id='good1'><body/><replace id='bad1' xmlns='urn:xmpp:message-correct:0'/></message>`)
	s.hear(receipt(balcony, "good1"), true)
	s.is(bad, client.Waiting)
	s.is(good, client.Delivered)
}

// A message that asks from within an envelope: the request is not seen, nor is the receipt.
func TestR47Envelopes(t *testing.T) {
	const envelope = `<message to='` + juliet + `' id='m1'><encrypted xmlns='urn:xmpp:omemo:2'/></message>`
	s := newSender(t, nil)
	out, sent, err := s.Track(start, nil, []byte(envelope))
	if err != nil || string(out) != envelope || sent.Result().State != client.NotAsked {
		t.Fatalf("got %s, %v, %v", out, sent.Result(), err)
	}
	if sent, err = s.Expect(start, sent.Waited()); err != nil {
		t.Fatal(err)
	}
	to := jid.MustParse("romeo@montague.lit/orchard")
	for _, c := range []struct {
		from, id string
		want     bool
	}{
		{tybalt, "m1", false},
		{romeo.String(), "m1", false},
		{balcony, "m2", false},
		{balcony, "m1", true},
		{chamber, "m1", true},
	} {
		if got := s.Settle(start, jid.MustParse(c.from), to, c.id); got != c.want {
			t.Errorf("%s for %s: got %v", c.from, c.id, got)
		}
	}
	s.is(sent, client.Delivered)
	s.told(1, 1)
	if s.Settle(start, jid.JID{}, to, "m1") {
		t.Error("nobody settles it")
	}
}

// A receipt is worth more than what was known before, and nothing is worth more than one.
func TestR159R180WhatComesLate(t *testing.T) {
	for _, c := range []struct {
		name   string
		finish func(s *sender, sent *client.Sent)
		first  client.State
		then   []string
		want   []client.State // what is known after each
	}{
		{"bounced", func(s *sender, _ *client.Sent) { s.hear(bounced(juliet, "m1"), true) }, client.Bounced, []string{bounced(juliet, "m1"), receipt(balcony, "m1"), bounced(juliet, "m1")}, []client.State{client.Bounced, client.Delivered, client.Delivered}},
		{"expired", func(s *sender, _ *client.Sent) { s.later(24 * time.Hour) }, client.Expired, []string{bounced(juliet, "m1"), receipt(balcony, "m1")}, []client.State{client.Bounced, client.Delivered}},
		{"cancelled", func(s *sender, sent *client.Sent) { sent.Cancel(s.now) }, client.Cancelled, []string{receipt(balcony, "m1")}, []client.State{client.Delivered}},
		{"closed", func(s *sender, _ *client.Sent) { s.Close(s.now) }, client.Closed, []string{receipt(balcony, "m1"), receipt(chamber, "m1")}, []client.State{client.Delivered, client.Delivered}},
		{"delivered", func(s *sender, _ *client.Sent) { s.hear(receipt(balcony, "m1"), true) }, client.Delivered, []string{bounced(juliet, "m1")}, []client.State{client.Delivered}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSender(t, nil)
			sent := s.send(asking(juliet, "m1"))
			c.finish(s, sent)
			s.is(sent, c.first)
			for i, stanza := range c.then {
				s.hear(stanza, true)
				s.is(sent, c.want[i])
				if late := s.late[i]; !late.Late || !strings.HasSuffix(late.String(), ", late") {
					t.Errorf("it is not late: %v", late)
				}
			}
			s.told(1, len(c.then))
			first, err := sent.Wait(t.Context())
			if diff := cmp.Diff(s.first[0], first); err != nil || first.State != c.first || diff != "" {
				t.Errorf("the first result is %v, %v %s", first, err, diff)
			}
			if sent.Cancel(s.now) {
				t.Error("it waits again")
			}
		})
	}
}

// S49, the sender's part: whatever comes, what is Delivered was acknowledged by a client of
// the recipient's, and by the one that is named.
func TestS49DeliveredMeansThatAClientSaidSo(t *testing.T) {
	people := []string{juliet, balcony, chamber, tybalt, "capulet.lit", "romeo@montague.lit", "hall@rooms.capulet.lit/Nurse", "hall@rooms.capulet.lit/Tybalt"}
	forms := []func(from, id string) string{
		receipt,
		bounced,
		func(from, id string) string { return carbon("received", from, receipt(from, id)) },
		func(from, id string) string { return carbon("sent", "romeo@montague.lit", receipt(from, id)) },
		func(from, id string) string { return archived(from, receipt(balcony, id)) },
		func(from, id string) string {
			return `<message type='error' from='` + from + `' id='` + id + `'><received xmlns='urn:xmpp:receipts' id='` + id + `'/></message>`
		},
		func(from, id string) string {
			return `<message from='` + from + `' id='` + id + `'><received xmlns='urn:xmpp:chat-markers:0' id='` + id + `'/><displayed xmlns='urn:xmpp:chat-markers:0' id='` + id + `'/></message>`
		},
	}
	for i, form := range forms {
		for _, from := range people {
			s := newSender(t, nil)
			sent := s.send(asking(juliet, "m1"))
			s.Receive(start, []byte(form(from, "m1")))
			got := sent.Result()
			said := i == 0 && strings.HasPrefix(from, juliet) || i == 4 && from == "romeo@montague.lit"
			if got.State == client.Delivered != said {
				t.Errorf("form %d from %s: %v", i, from, got)
			}
			if said && i == 0 && got.By.String() != from {
				t.Errorf("%s said so, not %s", from, got.By)
			}
		}
	}
}

func TestErrFull(t *testing.T) {
	s := newSender(t, &client.TrackerOptions{Messages: 2})
	one := s.send(asking(juliet, "m1"))
	s.send(asking(juliet, "m2"))
	full := func(id string) {
		t.Helper()
		out, sent, err := s.Track(start, []byte("kept"), []byte(asking(juliet, id)))
		if !errors.Is(err, client.ErrFull) || sent != nil || string(out) != "kept" {
			t.Errorf("got %q, %v, %v", out, sent, err)
		}
	}
	full("m3")
	if _, err := s.Expect(start, client.Waited{ID: "m3", To: juliet}); !errors.Is(err, client.ErrFull) {
		t.Errorf("Expect: %v", err)
	}
	// What asks for nothing passes, and so does a second copy.
	if _, _, err := s.Track(start, nil, []byte(`<presence/>`)); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Track(start, nil, []byte(asking(juliet, "m1"))); !errors.Is(err, client.ErrDuplicate) {
		t.Error(err)
	}
	one.Cancel(start)
	s.send(asking(juliet, "m3"))
	full("m4")
}

// An application that uses one id over and over must not make every receipt dear.
func TestErrFullOfOneID(t *testing.T) {
	s := newSender(t, &client.TrackerOptions{Messages: -1, Tombstones: 1 << 20})
	to := func(i int) string { return fmt.Sprintf("p%d@capulet.lit", i) }
	var sent []*client.Sent
	for i := range 64 {
		sent = append(sent, s.send(asking(to(i), "1")))
	}
	if _, _, err := s.Track(start, nil, []byte(asking(to(64), "1"))); !errors.Is(err, client.ErrFull) {
		t.Fatalf("got %v", err)
	}
	s.send(asking(to(64), "2"))
	// What is finished makes room, the oldest first.
	sent[3].Cancel(start)
	sent[5].Cancel(start)
	s.send(asking(to(65), "1"))
	s.hear(receipt(to(3), "1"), false)
	s.hear(receipt(to(5), "1"), true)
	s.hear(receipt(to(65), "1"), true)
	s.hear(receipt(to(0), "1"), true)
	for i := range 10_000 {
		s.send(asking(to(100+i), "1")).Cancel(start)
	}
}

func TestTombstones(t *testing.T) {
	t.Run("the oldest are forgotten first", func(t *testing.T) {
		s := newSender(t, &client.TrackerOptions{Tombstones: 2})
		for i := range 3 {
			id := fmt.Sprint("m", i)
			s.send(asking(juliet, id))
			s.hear(receipt(balcony, id), true)
		}
		s.hear(receipt(chamber, "m0"), false)
		s.hear(receipt(chamber, "m1"), true)
		s.hear(receipt(chamber, "m2"), true)
	})
	t.Run("they are forgotten after an hour", func(t *testing.T) {
		s := newSender(t, nil)
		s.send(asking(juliet, "m1"))
		s.hear(receipt(balcony, "m1"), true)
		s.now = s.now.Add(time.Hour - 1)
		s.hear(receipt(chamber, "m1"), true)
		s.now = s.now.Add(1)
		s.hear(receipt(chamber, "m1"), false)
		if got := s.Stats().Unknown; got != 1 {
			t.Errorf("%d are unknown", got)
		}
	})
	t.Run("there are none", func(t *testing.T) {
		s := newSender(t, &client.TrackerOptions{Tombstones: -1})
		sent := s.send(asking(juliet, "m1"))
		s.hear(receipt(balcony, "m1"), true)
		s.hear(receipt(chamber, "m1"), false)
		s.is(sent, client.Delivered)
	})
	t.Run("they are kept without end", func(t *testing.T) {
		s := newSender(t, &client.TrackerOptions{TombstoneAge: -1})
		s.send(asking(juliet, "m1"))
		s.hear(receipt(balcony, "m1"), true)
		s.now = s.now.Add(100_000 * time.Hour)
		s.hear(receipt(chamber, "m1"), true)
	})
}

func TestRetention(t *testing.T) {
	t.Run("without end", func(t *testing.T) {
		s := newSender(t, &client.TrackerOptions{Retention: -1})
		sent := s.send(asking(juliet, "m1"))
		if _, ok := s.Next(); ok {
			t.Error("something is due")
		}
		s.later(1_000_000 * time.Hour)
		s.is(sent, client.Waiting)
	})
	t.Run("in order of the deadlines", func(t *testing.T) {
		s := newSender(t, nil)
		for _, hour := range []int{3, 1, 2, 1} {
			s.now = start.Add(time.Duration(hour) * time.Hour)
			s.send(asking(juliet, fmt.Sprint("m", len(slices.Collect(s.All())))))
		}
		if next, ok := s.Next(); !ok || next.After(start.Add(25*time.Hour)) {
			t.Errorf("Next is %v, %v", next, ok)
		}
		var got []string
		for r := range s.Due(start.Add(26 * time.Hour)) {
			got = append(got, r.ID)
		}
		for r := range s.Due(start.Add(30 * time.Hour)) {
			got = append(got, r.ID)
		}
		if diff := cmp.Diff([]string{"m1", "m3", "m2", "m0"}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a loop that ends early leaves the rest", func(t *testing.T) {
		s := newSender(t, nil)
		s.send(asking(juliet, "m1"))
		s.send(asking(juliet, "m2"))
		for range 2 {
			for range s.Due(start.Add(24 * time.Hour)) {
				break
			}
		}
		s.told(2, 0)
	})
	t.Run("the loop's body may call every method", func(t *testing.T) {
		s := newSender(t, nil)
		s.send(asking(juliet, "m1"))
		sent := s.send(asking(juliet, "m2"))
		for range s.Due(start.Add(24 * time.Hour)) {
			sent.Cancel(s.now)
			s.hear(receipt(balcony, "m1"), true)
			s.Close(s.now)
		}
		s.told(2, 1)
	})
}

func TestClose(t *testing.T) {
	s := newSender(t, nil)
	one, two := s.send(asking(juliet, "m1")), s.send(asking(juliet, "m2"))
	s.hear(receipt(balcony, "m1"), true)
	s.Close(start.Add(time.Second))
	s.Close(start.Add(time.Minute))
	s.is(one, client.Delivered)
	if got := two.Result(); got.State != client.Closed || !got.At.Equal(start.Add(time.Second)) {
		t.Errorf("it is %+v", got)
	}
	s.told(2, 0)
	for _, stanza := range []string{asking(juliet, "m3"), `<presence/>`} {
		if out, sent, err := s.Track(start, []byte("kept"), []byte(stanza)); !errors.Is(err, client.ErrClosed) || sent != nil || string(out) != "kept" {
			t.Errorf("got %q, %v, %v", out, sent, err)
		}
	}
	if _, err := s.Expect(start, client.Waited{ID: "m3", To: juliet}); !errors.Is(err, client.ErrClosed) {
		t.Errorf("got %v", err)
	}
	s.hear(receipt(balcony, "m2"), true)
	s.told(2, 1)
	want := client.TrackerStats{Asked: 2, Delivered: 1, Closed: 1, Late: 1}
	if diff := cmp.Diff(want, s.Stats()); diff != "" {
		t.Error(diff)
	}
}

func TestExpect(t *testing.T) {
	t.Run("what waits goes on waiting in another process", func(t *testing.T) {
		before := newSender(t, &client.TrackerOptions{})
		var want []client.Waited
		for i := range 3 {
			before.now = before.now.Add(-time.Hour) // a clock that is set back changes no order
			sent := before.send(asking(juliet, fmt.Sprint("m", i)))
			want = append(want, sent.Waited())
		}
		before.send(asking(juliet, "m3")).Cancel(start)
		occupant := before.send(`<message from='romeo@montague.lit' to='hall@rooms.capulet.lit/Nurse' id='m4'><body/><x xmlns='http://jabber.org/protocol/muc#user'/></message>`)
		want = append(want, client.Waited{ID: "m4", To: "hall@rooms.capulet.lit/Nurse", From: "romeo@montague.lit", Room: true, Sent: start.Add(-3 * time.Hour)})
		if diff := cmp.Diff(want[3], occupant.Waited()); diff != "" {
			t.Error(diff)
		}
		all := slices.Collect(before.All())
		if diff := cmp.Diff(want, all); diff != "" {
			t.Fatal(diff)
		}

		after := newSender(t, &client.TrackerOptions{})
		for _, w := range all {
			if _, err := after.Expect(start, w); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(all, slices.Collect(after.All())); diff != "" {
			t.Error(diff)
		}
		if _, err := after.Expect(start, all[0]); !errors.Is(err, client.ErrDuplicate) {
			t.Errorf("got %v", err)
		}
		after.hear(receipt("hall@rooms.capulet.lit/Tybalt", "m4"), false)
		after.hear(receipt("hall@rooms.capulet.lit/Nurse", "m4"), true)
		after.hear(receipt(balcony, "m1"), true)
		if got := after.first[1]; !got.Sent.Equal(all[1].Sent) {
			t.Errorf("it was sent at %v", got.Sent)
		}
	})
	t.Run("one that is too old is Expired", func(t *testing.T) {
		s := newSender(t, nil)
		sent, err := s.Expect(start, client.Waited{ID: "m1", To: juliet, Sent: start.Add(-24 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		s.is(sent, client.Waiting)
		if next, ok := s.Next(); !ok || next.After(start) {
			t.Errorf("Next is %v, %v", next, ok)
		}
		s.later(0)
		s.is(sent, client.Expired)
	})
	t.Run("one without a time is sent now", func(t *testing.T) {
		s := newSender(t, nil)
		sent, err := s.Expect(start, client.Waited{ID: "m1", To: juliet})
		if err != nil || !sent.At().Equal(start) {
			t.Errorf("got %v, %v", sent, err)
		}
	})
	t.Run("R14 white space in an id is as it comes back", func(t *testing.T) {
		s := newSender(t, nil)
		sent, err := s.Expect(start, client.Waited{ID: "a\tb\nc", To: juliet})
		if err != nil || sent.ID() != "a b c" {
			t.Fatalf("got %v, %v", sent, err)
		}
		s.hear(receipt(balcony, "a&#9;b c"), true)
		s.is(sent, client.Delivered)
	})
	for _, w := range []client.Waited{{}, {ID: "m1"}, {To: juliet}} {
		if sent, err := newSender(t, nil).Expect(start, w); sent != nil || !errors.Is(err, receipts.ErrValue) {
			t.Errorf("%+v: got %v, %v", w, sent, err)
		}
	}
}

// What the clock notes besides the time stands still while a computer sleeps, and is no
// part of what another process gets.
func TestTheWallClockCounts(t *testing.T) {
	now := time.Now()
	_, sent, err := client.NewTracker(nil).Track(now, nil, []byte(asking(juliet, "m1")))
	if err != nil || sent.At() != now.Round(0) {
		t.Errorf("got %v, %v, want %v", sent.At(), err, now.Round(0))
	}
}

// A Result's line for people has no text that somebody else chose.
func TestR187ResultString(t *testing.T) {
	r := client.Result{Sent: start, At: start.Add(120 * time.Millisecond)}
	for _, c := range []struct {
		change func(r *client.Result)
		want   string
	}{
		{func(r *client.Result) { r.State, r.By = client.Delivered, jid.MustParse(balcony) }, "delivered by juliet@capulet.lit/balcony after 120ms"},
		{func(r *client.Result) {
			r.State, r.Err = client.Bounced, stanza.Error{Condition: stanza.ItemNotFound, Text: map[string]string{"": "a\nb"}}
		}, "bounced after 120ms: item-not-found"},
		{func(r *client.Result) { r.State, r.Late = client.Expired, true }, "expired after 120ms, late"},
		{func(*client.Result) {}, "waiting"},
		{func(r *client.Result) { r.State = client.NotAsked }, "not asked"},
		{func(r *client.Result) { r.State = 99 }, "unknown after 120ms"},
	} {
		changed := r
		c.change(&changed)
		if got := changed.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// What can not be read is counted, and no more.
func TestR25WhatIsMalformed(t *testing.T) {
	s := newSender(t, nil)
	sent := s.send(asking(juliet, "m1"))
	s.hear(`<message from='`+balcony+`'><received xmlns='urn:xmpp:receipts' id='m1'></message>`, false)
	s.hear(``, false)
	s.is(sent, client.Waiting)
	if got := s.Stats().Malformed; got != 2 {
		t.Errorf("%d are malformed", got)
	}
}
