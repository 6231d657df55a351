// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/receipts"
	"github.com/untilack/untilack/untilacktest"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// receipt is one for a message of romeo's.
func receipt(m *untilacktest.Message) string {
	return fmt.Sprintf("<message to='%s'><received xmlns='%s' id='%s'/></message>", romeo, receipts.NS, m.ID())
}

func TestTheSenderIsToldTheTruth(t *testing.T) {
	world := untilacktest.New(t, nil)
	sender := world.Sender("romeo@montague.example/orchard")
	phone := world.Client("juliet@capulet.example/phone").Behaves(untilacktest.Manners{Proper: true}).LogsIn()
	sender.GoesDeaf() // the receipt does not come through
	m := sender.Sends("juliet@capulet.example", "Art thou there?")
	world.Wait(time.Minute)
	sender.ComesBack().SendsAgain(m)
	world.Wait(time.Second)
	if m.Result().State != client.Delivered || m.Shown() != 1 {
		t.Errorf("it is %s, and %s has shown it %d times", m.Result(), phone, m.Shown())
	}
	world.EndsWell()
}

// What a Sender is told of receipts for a message: that of a stranger, that of another
// client of the recipient's, a second one, and one that comes when nobody waits.
func TestS44WhichReceiptsCount(t *testing.T) {
	var told []string
	note := func(r client.Result) { told = append(told, r.String()) }
	world := untilacktest.New(t, nil)
	sender := world.Sender(romeo).Uses(client.TrackerOptions{Retention: time.Minute, Result: note, Late: note})
	phone := world.Client(juliet + "/phone").Behaves(untilacktest.Manners{Silent: true}).LogsIn(1)
	laptop := world.Client(juliet + "/laptop").LogsIn()
	tybalt := world.Client("tybalt@capulet.example/tomb").LogsIn()
	world.Wait(time.Second)
	want := func(m *untilacktest.Message, state client.State, lines ...string) {
		t.Helper()
		world.Wait(time.Second)
		if got := m.Result(); got.State != state || !slices.Equal(told, lines) {
			t.Errorf("it is %s, and told was %q; want %s, %q", got, told, state, lines)
		}
		told = nil
	}

	m := sender.Sends(juliet, "Art thou there?")
	want(m, client.Waiting)
	tybalt.Says(receipt(m))
	want(m, client.Waiting)
	laptop.Says(receipt(m))
	want(m, client.Delivered, "delivered by juliet@capulet.example/laptop after 2.04s")
	phone.Says(receipt(m))
	want(m, client.Delivered, "delivered by juliet@capulet.example/phone after 3.04s, late")
	if n := sender.Tracker().Stats().Forged; n != 1 {
		t.Errorf("%d receipts were forged, want 1", n)
	}

	m = sender.Sends(juliet, "Good night")
	world.Wait(time.Minute)
	want(m, client.Expired, "expired after 1m0s")
	phone.Says(receipt(m))
	want(m, client.Delivered, "delivered by juliet@capulet.example/phone after 1m1.04s, late")
	world.EndsWell()
}

func TestS45AnErrorEndsTheWait(t *testing.T) {
	world := untilacktest.New(t, nil)
	sender := world.Sender(romeo)
	phone := world.Client(juliet + "/phone").Behaves(untilacktest.Manners{Proper: true}).LogsIn()
	world.Wait(time.Second)

	m := sender.SendsStanza("<message type='normal' to='" + juliet + "/balcony' id='a'><body>Art thou there?</body></message>")
	world.Wait(time.Second)
	want := stanza.Error{Condition: stanza.ServiceUnavailable}
	if got := m.Result(); got.State != client.Bounced || !errors.Is(got.Err, want) || got.By.String() != juliet+"/balcony" {
		t.Errorf("no such client: it is %s by %s, %v; want bounced by the address, %v", got, got.By, got.Err, want)
	}
	phone.Behaves(untilacktest.Manners{Rejects: true})
	m = sender.Sends(juliet, "Good night")
	world.Wait(time.Second)
	if got := m.Result(); got.State != client.Bounced || got.By.String() != phone.Address() {
		t.Errorf("it is %s, want bounced by %s", got, phone)
	}
	world.EndsWell()
	if got := m.Result(); got.State != client.Bounced || got.Late || m.Shown() != 1 {
		t.Errorf("in the end it is %s, shown %d times; want bounced, 1", got, m.Shown())
	}
}

// A flood of one sender's gets so many receipts and no more, and what others have sent
// is known all the same.
func TestS47AFloodGetsFewReceipts(t *testing.T) {
	const flood, burst, rate = 300, 50, 10
	world := untilacktest.New(t, nil)
	phone := world.Client(juliet + "/phone").Behaves(untilacktest.Manners{Responder: &client.ResponderOptions{
		Policy: client.Always, SenderBurst: burst, SenderRate: rate, Window: 16 * 50, WindowAge: time.Hour,
	}}).LogsIn()
	friend := world.Sender(benvolio)
	world.Wait(time.Second)
	before := friend.Sends(juliet, "Romeo!")
	world.Wait(time.Second)

	var got int
	var sent []*untilacktest.Message
	for i := range flood {
		sent = append(sent, world.Send("tybalt@capulet.example/tomb", juliet, fmt.Sprint("Turn thee, ", i)))
		world.Wait(time.Second / flood)
	}
	friend.SendsAgain(before)
	after := friend.Sends(juliet, "Part, fools!")
	world.Wait(time.Second)
	for _, m := range sent {
		got += m.Receipts()
	}
	if got < burst || got > burst+2*rate {
		t.Errorf("%d receipts, want %d and %d for each of two seconds", got, burst, rate)
	}
	if before.Result().State != client.Delivered || after.Result().State != client.Delivered || before.Read() != 2 || before.Shown() != 1 || before.Receipts() != 2 {
		t.Errorf("of others: %s and %s, read %d times and shown %d, %d receipts; want delivered, 2, 1, 2",
			before.Result(), after.Result(), before.Read(), before.Shown(), before.Receipts())
	}
	if phone.Inbox()[0] != before {
		t.Errorf("%s has read %v first", phone, phone.Inbox()[0])
	}
}

// What a sender's policy says of it is nobody else's to know.
func TestS48NothingComesFromWhoDoesNotAnswer(t *testing.T) {
	roster := new(client.Roster)
	roster.Set(jid.MustParse("benvolio@montague.example"), "from")
	for name, policy := range map[string]client.Policy{
		"those who may see presence": client.Presence,
		"a list":                     client.Addresses(jid.MustParse("benvolio@montague.example")),
	} {
		t.Run(name, func(t *testing.T) {
			world := untilacktest.New(t, nil)
			stranger, friend := world.Sender(romeo).Uses(client.TrackerOptions{Retention: time.Minute}), world.Sender(benvolio)
			world.Client(juliet + "/phone").Behaves(untilacktest.Manners{Responder: &client.ResponderOptions{Policy: policy, Roster: roster}}).LogsIn()
			world.Wait(time.Second)
			a, b := stranger.Sends(juliet, "Good night"), friend.Sends(juliet, "Romeo!")
			world.Wait(2 * time.Minute)
			if a.Result().State != client.Expired || b.Result().State != client.Delivered || a.Shown() != 1 {
				t.Errorf("the stranger's is %s, the friend's %s; want expired, delivered", a.Result(), b.Result())
			}
			if s := stranger.Tracker().Stats(); s.Late+s.Unknown+s.Bounced != 0 {
				t.Errorf("the stranger hears something: %+v", s)
			}
		})
	}
}

// To the end of S49: what a Sender is told of is what a client of the recipient's has
// said, whatever somebody says who has seen the id.
func TestS49NobodyElseSaysThatItIsDelivered(t *testing.T) {
	world := untilacktest.New(t, nil)
	sender := world.Sender(romeo)
	phone := world.Client(juliet + "/phone").Behaves(untilacktest.Manners{Proper: true, Delay: time.Minute}).LogsIn()
	world.Wait(time.Second)
	m := sender.Sends(juliet, "Art thou there?")
	world.Wait(time.Second)
	inner := strings.Replace(receipt(m), "<message", "<message xmlns='jabber:client' from='"+juliet+"/phone'", 1)
	for _, from := range []string{"tybalt@capulet.example/tomb", "juliet@capulet.example.verona.example/phone", "capulet.example", "mercutio@montague.example/square"} {
		sender.Hears(from, receipt(m))
		sender.Hears(from, "<message><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"+inner+"</forwarded></received></message>")
		sender.Hears(from, "<message><result xmlns='urn:xmpp:mam:2'><forwarded xmlns='urn:xmpp:forward:0'>"+inner+"</forwarded></result></message>")
	}
	world.Wait(time.Second)
	if got := m.Result(); got.State != client.Waiting {
		t.Errorf("it is %s, want waiting", got)
	}
	world.Wait(time.Minute)
	if got := m.Result(); got.State != client.Delivered || got.By.String() != phone.Address() {
		t.Errorf("it is %s, want delivered by %s", got, phone)
	}
	world.EndsWell()
}

// A receipt that a Sender has missed is in the archive, with its time.
func TestASenderCatchesUp(t *testing.T) {
	world := untilacktest.New(t, nil)
	sender := world.Sender(romeo)
	world.Client(juliet + "/phone").Behaves(untilacktest.Manners{Proper: true, Delay: time.Second}).LogsIn()
	world.Wait(time.Second)
	m, lost := sender.Sends(juliet, "Good night"), sender.Sends(juliet, "good night!")
	world.Wait(500 * time.Millisecond)
	sender.Dies()
	world.Wait(2 * time.Hour)
	sender.ComesBack()
	world.Wait(time.Second)
	if got := m.Result(); got.State != client.Waiting || !slices.Contains(slices.Collect(ids(sender)), m.ID()) {
		t.Errorf("it is %s, want waiting", got)
	}
	sender.CatchesUp()
	world.Wait(time.Second)
	for _, m := range []*untilacktest.Message{m, lost} {
		if got := m.Result(); got.State != client.Delivered || got.At.Sub(got.Sent) > 2*time.Second {
			t.Errorf("it is %s, want delivered after some second", got)
		}
	}
	late := sender.Tracker().Stats().Late
	sender.Hears(juliet+"/laptop", receipt(m))
	world.Wait(time.Second)
	if n := sender.Tracker().Stats().Late - late; n != 1 {
		t.Errorf("of another client's receipt %d are told, want 1", n)
	}
	world.EndsWell()
}

// ids yields the ids of what a Sender waits for.
func ids(s *untilacktest.Sender) func(func(string) bool) {
	return func(yield func(string) bool) {
		for w := range s.Tracker().All() {
			if !yield(w.ID) {
				return
			}
		}
	}
}

// A client that was away acknowledges what the archive has of messages that it has not
// seen, each once, and not what another client of the account has acknowledged. What the
// server delivers after that is a copy.
func TestR60AClientCatchesUp(t *testing.T) {
	world := untilacktest.New(t, nil)
	sender := world.Sender(romeo)
	proper := untilacktest.Manners{Proper: true}
	laptop := world.Client(juliet + "/laptop").Behaves(proper).LogsIn()
	world.Wait(time.Second)
	first := sender.Sends(juliet, "Wherefore")
	world.Wait(time.Second)
	laptop.LogsOut()
	world.Wait(time.Second)
	second := sender.Sends(juliet, "art thou?")
	world.Wait(time.Second)
	world.Store().Slow(3 * time.Second) // the mail comes later than the archive
	phone := world.Client(juliet + "/phone").Behaves(proper).LogsIn()
	phone.CatchesUp()
	world.Wait(time.Second)
	if r := second.Result(); r.State != client.Delivered || r.By.String() != phone.Address() || len(phone.Inbox()) != 0 {
		t.Errorf("it is %s by %s, and was read by the stream %v; want delivered by %s, not yet", r, r.By, phone.Inbox(), phone)
	}
	phone.CatchesUp()
	world.Wait(time.Minute)
	if first.Shown() != 1 || first.Receipts() != 1 || second.Shown() != 1 {
		t.Errorf("the first was shown %d times, %d receipts, the second was shown %d times; want 1, 1, 1", first.Shown(), first.Receipts(), second.Shown())
	}
	world.EndsWell()
}

// What a client has worked on and not acknowledged when it dies comes again, and is
// shown again; what it has acknowledged is not, if it has a journal.
func TestAClientDiesBetweenWorkAndReceipt(t *testing.T) {
	for _, journal := range []bool{false, true} {
		world := untilacktest.New(t, nil)
		sender := world.Sender(romeo)
		phone := world.Client(juliet + "/phone").Behaves(untilacktest.Manners{Proper: true, Journal: journal}).LogsIn()
		world.Wait(time.Second)
		phone.GoesMute() // the receipt is lost
		first := sender.Sends(juliet, "Art thou there?")
		world.Wait(time.Second)
		phone.Behaves(untilacktest.Manners{Proper: true, Journal: journal, DiesAfter: 1, Delay: time.Second})
		second := sender.Sends(juliet, "Good night")
		world.Wait(time.Minute)
		if got := second.Result().State; got != client.Waiting || second.Shown() != 1 {
			t.Errorf("journal %v: the second is %s, shown %d times; want waiting, 1", journal, got, second.Shown())
		}
		phone.Behaves(untilacktest.Manners{Proper: true, Journal: journal}).LogsIn()
		world.Wait(time.Minute)
		shown := 2
		if journal {
			shown = 1
		}
		if first.Shown() != shown || first.Result().State != client.Delivered || second.Result().State != client.Delivered {
			t.Errorf("journal %v: the first is %s, shown %d times, the second is %s; want delivered, %d, delivered",
				journal, first.Result(), first.Shown(), second.Result(), shown)
		}
		world.EndsWell()
	}
}

// What a client can not work on comes again, and is shown again.
func TestAClientFailsAndGetsACopy(t *testing.T) {
	world := untilacktest.New(t, nil)
	sender := world.Sender(romeo)
	phone := world.Client(juliet + "/phone").Behaves(untilacktest.Manners{Proper: true, Fails: 1}).LogsIn()
	m := sender.Sends(juliet, "Art thou there?")
	world.Wait(time.Second)
	if m.Shown() != 1 || m.Receipts() != 0 {
		t.Errorf("shown %d times, %d receipts; want 1, 0", m.Shown(), m.Receipts())
	}
	phone.Behaves(untilacktest.Manners{Proper: true}).ComesBack()
	world.Wait(time.Minute)
	if m.Shown() != 2 || m.Result().State != client.Delivered {
		t.Errorf("shown %d times, %s; want 2, delivered", m.Shown(), m.Result())
	}
	world.EndsWell()
}

// That it can not work on a copy is nothing to a message that is being worked on.
func TestAClientFailsOnACopy(t *testing.T) {
	world := untilacktest.New(t, nil)
	sender := world.Sender(romeo)
	slowly := untilacktest.Manners{Proper: true, Delay: 10 * time.Second}
	phone := world.Client(juliet + "/phone").Behaves(slowly).LogsIn()
	world.Wait(time.Second)
	m := sender.Sends(juliet, "Art thou there?")
	world.Wait(time.Second)
	phone.Behaves(untilacktest.Manners{Proper: true, Fails: 1})
	sender.SendsAgain(m)
	world.Wait(time.Second)
	phone.Behaves(slowly)
	sender.SendsAgain(m)
	world.Wait(time.Minute)
	if m.Read() != 3 || m.Shown() != 1 || m.Result().State != client.Delivered {
		t.Errorf("read %d times and shown %d, %s; want 3, 1, delivered", m.Read(), m.Shown(), m.Result())
	}
	world.EndsWell()
}

// What is sent while the Sender is offline is Cancelled, and a link that carries nothing
// holds what was written.
func TestASendersLink(t *testing.T) {
	world := untilacktest.New(t, nil)
	sender := world.Sender(romeo)
	phone := world.Client(juliet + "/phone").Behaves(untilacktest.Manners{Proper: true}).LogsIn()
	world.Wait(time.Second)
	want := func(m *untilacktest.Message, state client.State, read int) {
		t.Helper()
		world.Wait(time.Second)
		if got := m.Result(); got.State != state || m.Read() != read {
			t.Errorf("%s is %s, read %d times; want %s, %d", m, got, m.Read(), state, read)
		}
	}
	sender.GoesDark()
	m := sender.Sends(juliet, "Wherefore")
	want(m, client.Waiting, 0)
	sender.Resurfaces()
	want(m, client.Delivered, 1)

	sender.GoesDeaf()
	m = sender.Sends(juliet, "art thou")
	want(m, client.Waiting, 1)
	sender.ComesBack()
	want(m, client.Waiting, 1)
	sender.SendsAgain(m)
	want(m, client.Delivered, 2)
	if m.Shown() != 1 {
		t.Errorf("%s has shown it %d times, want 1", phone, m.Shown())
	}

	sender.Misses(1)
	m = sender.Sends(juliet, "Romeo?")
	want(m, client.Waiting, 1)
	sender.Lags(2 * time.Second)
	sender.SendsAgain(m)
	want(m, client.Waiting, 1)
	world.Wait(4 * time.Second)
	want(m, client.Delivered, 2)
	sender.Lags(0)

	sender.Vanishes()
	m = sender.Sends(juliet, "Deny")
	want(m, client.Waiting, 0)
	sender.Cancels(m)
	want(m, client.Cancelled, 0)
	sender.Disconnects()
	want(sender.Sends(juliet, "thy father"), client.Cancelled, 0)
	sender.ComesBack().GoesMute()
	want(sender.Sends(juliet, "and refuse"), client.Waiting, 0)
	world.EndsWell()
}
