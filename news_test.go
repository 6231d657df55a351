// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
)

// A newsroom is a Keeper whose calls of the store a test answers itself.
type newsroom struct {
	*testing.T
	*untilack.Keeper
	now time.Time
}

const pollEvery = 250 * time.Millisecond

func newNewsroom(t *testing.T) *newsroom {
	k, err := untilack.New(untilack.Config{
		Domain: "capulet.example", Store: lastingStore{actions.NewMemStore(nil)}, PollEvery: pollEvery, Window: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &newsroom{t, k, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

// lastingStore is a store that is taken for one that outlives the process.
type lastingStore struct{ actions.Store }

func (n *newsroom) open() *untilack.Stream {
	s, err := n.Open(n.now, "juliet@capulet.example/balcony", nil)
	if err != nil {
		n.Fatal(err)
	}
	return s
}

// pass lets time pass.
func (n *newsroom) pass(d time.Duration) {
	n.now = n.now.Add(d)
	n.Tick(n.now)
}

// next returns the next effect that is begun, or nil.
func (n *newsroom) next() *untilack.Effect {
	for e, ok := n.Next(); ok; e, ok = n.Next() {
		if n.Begin(n.now, e) {
			return e
		}
	}
	return nil
}

// expect begins the next effect, which must be of a kind.
func (n *newsroom) expect(kind untilack.EffectKind) *untilack.Effect {
	n.Helper()
	e := n.next()
	if e == nil || e.Kind != kind {
		n.Fatalf("next is %v, want to %v", e, kind)
	}
	return e
}

func (n *newsroom) expectNothing() {
	n.Helper()
	if e := n.next(); e != nil {
		n.Fatalf("next is %v, want nothing", e)
	}
}

// listed answers the next read of the recipient's rows.
func (n *newsroom) listed(rows ...actions.Row) *untilack.Effect {
	n.Helper()
	e := n.expect(untilack.ListRows)
	n.Finish(n.now, e, untilack.Result{Rows: rows})
	return e
}

// told answers the next question for news.
func (n *newsroom) told(mark string, rows ...actions.Row) *untilack.Effect {
	n.Helper()
	e := n.expect(untilack.ReadNews)
	n.Finish(n.now, e, untilack.Result{Rows: rows, Mark: mark})
	return e
}

// begun opens a stream, and returns when all that there was is read.
func (n *newsroom) begun() *untilack.Stream {
	n.Helper()
	s := n.open()
	n.pass(0)
	n.listed()
	n.told("5")
	n.listed()
	n.expectNothing()
	return s
}

func mailRow(number uint64, id string, custody bool) actions.Row {
	p := actionstest.NewPacket("juliet@capulet.example", "romeo@montague.example/orchard", id)
	return actions.Row{Packet: p, Number: number, Custody: custody}
}

// What was put between the first list and the first mark is in neither.
func TestRowsAreReadAgainAfterTheFirstMark(t *testing.T) {
	n := newNewsroom(t)
	n.open()
	n.pass(0)
	n.listed()
	if e := n.told("5"); e.Since != "" || len(e.Recipients) != 1 || e.Recipients[0] != "juliet@capulet.example" {
		t.Errorf("asked: %v", e)
	}
	n.listed(mailRow(4, "between", false))
	if e := n.expect(untilack.WriteStanza); e.Packet.Key.ID != "between" {
		t.Errorf("written: %v", e)
	}
}

func TestNewsAreAskedForSinceTheLastMark(t *testing.T) {
	n := newNewsroom(t)
	n.begun()
	n.pass(pollEvery - time.Millisecond)
	n.expectNothing()
	n.pass(time.Millisecond)
	if e := n.told("7", mailRow(6, "a", true), mailRow(7, "b", false)); e.Since != "5" {
		t.Errorf("asked since %q", e.Since)
	}
	if e := n.expect(untilack.WriteStanza); e.Packet.Key.ID != "b" {
		t.Errorf("written: %v", e)
	}
	n.expectNothing() // custody is another node's
	n.pass(pollEvery)
	if e := n.expect(untilack.ReadNews); e.Since != "7" {
		t.Errorf("asked since %q", e.Since)
	}
}

// A row that was passed over while others were read is read again when it has become mail.
func TestMailThatIsPassedWhileOthersAreRead(t *testing.T) {
	n := newNewsroom(t)
	n.Close(n.now, n.begun())
	s := n.open() // all is read anew
	n.listed(mailRow(20, "a", false), mailRow(21, "b", false))
	for range 2 {
		n.Finish(n.now, n.expect(untilack.WriteStanza), untilack.Result{})
	}
	n.expect(untilack.ProbeStream) // the window is full, and more may be stored
	n.pass(pollEvery)
	n.told("30", mailRow(19, "older", false))
	n.ReadUpTo(n.now, s, 2)
	for e := n.next(); ; e = n.next() {
		if e == nil {
			t.Fatal("the rows are not read again from their start")
		}
		if e.Kind == untilack.ListRows && e.After == 0 {
			return
		}
		n.Finish(n.now, e, untilack.Result{})
	}
}

func TestPollingEndsAndBeginsWithTheStreams(t *testing.T) {
	n := newNewsroom(t)
	for range 3 {
		s := n.begun()
		n.Close(n.now, s)
		n.pass(pollEvery)
		n.expectNothing()
		if next, ok := n.NextTick(); ok {
			t.Errorf("there is no stream, and the next tick is %v from now", next.Sub(n.now))
		}
	}
}

func TestAfterAStrangeMarkAllIsReadAgain(t *testing.T) {
	n := newNewsroom(t)
	n.begun()
	n.pass(pollEvery)
	n.Finish(n.now, n.expect(untilack.ReadNews), untilack.Result{Err: actions.ErrMark})
	n.pass(0)
	if e := n.told("1"); e.Since != "" {
		t.Errorf("asked since %q", e.Since)
	}
	n.listed()
}

func TestNewsAfterAnError(t *testing.T) {
	n := newNewsroom(t)
	n.begun()
	n.pass(pollEvery)
	n.Finish(n.now, n.expect(untilack.ReadNews), untilack.Result{Err: errors.New("out of reach")})
	n.pass(untilack.DefaultRetryWait)
	if e := n.told("6"); e.Since != "5" {
		t.Errorf("asked since %q", e.Since)
	}
}

// Whoever opens a stream while a question is under way was not asked about.
func TestAStreamThatOpensWhileAskingReadsAgain(t *testing.T) {
	n := newNewsroom(t)
	n.begun()
	n.pass(pollEvery)
	question := n.expect(untilack.ReadNews)
	if _, err := n.Open(n.now, "nurse@capulet.example/chamber", nil); err != nil {
		t.Fatal(err)
	}
	n.listed()
	n.Finish(n.now, question, untilack.Result{Mark: "9"})
	if e := n.listed(); e.Recipient != "nurse@capulet.example" {
		t.Errorf("read again: %v", e)
	}
}

// What asks twice while one question is under way asks once more, and no more.
func TestWakeWhileAsking(t *testing.T) {
	n := newNewsroom(t)
	n.begun()
	n.Wake(n.now)
	n.Wake(n.now)
	n.pass(0)
	e := n.expect(untilack.ReadNews)
	n.Wake(n.now)
	n.Wake(n.now)
	n.pass(0)
	n.expectNothing()
	n.Finish(n.now, e, untilack.Result{Mark: "6"})
	n.pass(0)
	n.told("6")
	n.pass(0)
	n.expectNothing()
}

// Another node puts into the store what is for a stream here by its full address: it goes there
// although it is away, and all else waits for its presence.
func TestMailForAStreamThatIsAway(t *testing.T) {
	mine, others := mailRow(4, "mine", false), mailRow(3, "for all", false)
	mine.Packet.Resource = "balcony"
	for name, find := range map[string]func(n *newsroom){
		"listed": func(n *newsroom) {
			n.told("5")
			n.listed(mine)
		},
		"news": func(n *newsroom) {
			n.told("2")
			n.listed()
			n.pass(pollEvery)
			n.told("4", others, mine)
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNewsroom(t)
			s, err := n.Open(n.now, "juliet@capulet.example/balcony", &untilack.StreamOptions{Away: true})
			if err != nil {
				t.Fatal(err)
			}
			n.pass(0)
			n.listed()
			find(n)
			e := n.expect(untilack.WriteStanza)
			if e.Packet.Key.ID != "mine" {
				t.Errorf("written: %v", e)
			}
			n.Finish(n.now, e, untilack.Result{})
			n.Finish(n.now, n.expect(untilack.ProbeStream), untilack.Result{}) // mail is written with one behind it
			n.expectNothing()
			n.Presence(n.now, s, true, 0)
			n.listed(others)
			if e := n.expect(untilack.WriteStanza); e.Packet.Key.ID != "for all" {
				t.Errorf("written: %v", e)
			}
		})
	}
}

// Many packets are left to the store when no stream is available any more, but for one that an
// action has at that moment: when the action has put it into the store, it stands there.
func TestMailOfAnActionIsNotForgotten(t *testing.T) {
	n := newNewsroom(t)
	balcony := n.begun()
	tomb, err := n.Open(n.now, "juliet@capulet.example/tomb", &untilack.StreamOptions{Away: true})
	if err != nil {
		t.Fatal(err)
	}
	n.listed()
	n.pass(pollEvery)
	var rows []actions.Row
	for i := range 40 { // more than are kept in memory
		rows = append(rows, mailRow(uint64(10+i), fmt.Sprint("m", i), false))
	}
	rows[0].Packet.Resource, rows[1].Packet.Resource = "tomb", "tomb"
	n.told("50", rows...)
	var probe string // the tomb has no room until it answers
	for e := n.next(); e != nil; e = n.next() {
		if e.Kind == untilack.ProbeStream && e.Stream == tomb {
			probe = e.Probe
		}
		n.Finish(n.now, e, untilack.Result{})
	}
	n.Close(n.now, balcony)
	action := n.expect(untilack.RunAction)
	n.Answered(n.now, tomb, probe)
	n.Finish(n.now, action, untilack.Result{Outcome: actions.Stored})
	for e := n.next(); e != nil; e = n.next() {
		if e.Kind == untilack.DeleteRows {
			t.Fatalf("deleted: %v", e.Identities)
		}
		n.Finish(n.now, e, untilack.Result{Outcome: actions.Stored})
	}
}

// What the host has put into the store itself goes to a stream that is here.
func TestMailed(t *testing.T) {
	n := newNewsroom(t)
	n.Mailed(n.now, "juliet@capulet.example") // nobody is there
	n.expectNothing()
	n.begun()
	n.Mailed(n.now, "juliet@capulet.example/balcony")
	n.listed(mailRow(9, "mail", false))
	if e := n.expect(untilack.WriteStanza); e.Packet.Key.ID != "mail" {
		t.Errorf("written: %v", e)
	}
}

// A message for a stream that is not here, by its full address, is for the chain of actions, though
// another stream may have it when that is gone: it may be at another node.
func TestAwayForAStreamElsewhere(t *testing.T) {
	for to, want := range map[string]bool{
		"juliet@capulet.example":         true,
		"juliet@capulet.example/balcony": true,
		"juliet@capulet.example/tomb":    false,
	} {
		n := newNewsroom(t)
		n.begun()
		stanza := "<message xmlns='jabber:client' type='chat' from='romeo@montague.example/orchard' to='" + to + "' id='1'><body>x</body><request xmlns='urn:xmpp:receipts'/></message>"
		p, online, err := n.Away(n.now, []byte(stanza))
		if err != nil || online != want || p.Key.ID != "1" {
			t.Errorf("to %s: online %v, packet %v, error %v; want online %v", to, online, p.Key, err, want)
		}
	}
}

func TestPollEveryNeedsASharedStore(t *testing.T) {
	store := lastingStore{actions.NewMemStore(nil)}
	for _, c := range []untilack.Config{
		{PollEvery: time.Second},
		{PollEvery: -time.Second, Store: store},
		{PollEvery: time.Second, Store: store, PersistAfter: time.Second},
		{PollEvery: time.Second, Store: store, PersistAfter: -1},
	} {
		c.Domain = "capulet.example"
		if _, err := untilack.New(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}
