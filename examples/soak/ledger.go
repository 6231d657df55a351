// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/untilack/untilack/examples/internal/wire"
)

// A ledger is what really happened, written down by those who saw it. It forgets
// messages of which nothing more is to come.
type ledger struct {
	habits []habit // of the clients, by number

	mutex   sync.Mutex
	last    time.Time // when anything new happened
	pairs   map[pair]*talk
	open    []map[*entry]struct{} // by client: messages that have not arrived
	visits  int
	answers map[string]answer // receipts on their way, by their own id
	streams map[int][]*stream // of the server, by client, the oldest first
	counts  counts
	traces  []trace   // by client
	trouble []string  // the traces of the first things that went wrong
	recover histogram // from a client's return until it has what was sent before
	deliver histogram // from sending until the first copy
}

// A pair is a sender and a client.
type pair struct{ from, to int }

// A talk is what a sender has to say to a client.
type talk struct {
	sent    int
	newest  int // the highest number that has arrived
	entries map[int]*entry
}

// An entry is one message.
type entry struct {
	sent     time.Time
	visits   []*visit  // of the client, that brought a copy
	streams  []*stream // of the server, to which a copy was written
	answered int       // receipts that the client wrote
	receipts int       // that the sender got
	closed   time.Time // when it was known that no further copy may be written
	awaited  *visit    // that is to bring the first copy
}

// A visit is one login of a client.
type visit struct {
	client  int
	number  int // of all logins that were begun
	asked   time.Time
	up      time.Time
	pending int // messages that were sent before and have not arrived
}

// An answer is a receipt that a client wrote.
type answer struct {
	message string
	written time.Time
}

func newLedger(habits []habit, traced int) *ledger {
	l := &ledger{
		habits:  habits,
		last:    time.Now(),
		pairs:   make(map[pair]*talk),
		open:    make([]map[*entry]struct{}, len(habits)),
		answers: make(map[string]answer),
		streams: make(map[int][]*stream),
	}
	for i := range l.open {
		l.open[i] = make(map[*entry]struct{})
		l.traces = append(l.traces, trace{most: traced})
	}
	return l
}

// name returns the id of a message.
func name(p pair, number int) string { return fmt.Sprintf("m-%d-%d-%d", p.from, p.to, number) }

// parseName is the reverse of name.
func parseName(id string) (p pair, number int, ok bool) {
	parts := strings.Split(id, "-")
	if len(parts) != 4 || parts[0] != "m" {
		return p, 0, false
	}
	var errs [3]error
	p.from, errs[0] = strconv.Atoi(parts[1])
	p.to, errs[1] = strconv.Atoi(parts[2])
	number, errs[2] = strconv.Atoi(parts[3])
	return p, number, errs == [3]error{} && name(p, number) == id
}

// find returns what is known of a message: nothing if it was forgotten, which
// sent tells from one that nobody sent.
func (l *ledger) find(id string) (t *talk, e *entry, number int, sent bool) {
	p, number, ok := parseName(id)
	t = l.pairs[p]
	if !ok || t == nil || number >= t.sent {
		return nil, nil, 0, false
	}
	return t, t.entries[number], number, true
}

// String returns a name for the visit.
func (v *visit) String() string { return fmt.Sprintf("login %d", v.number) }

// noteSent is called before a sender writes a message. It returns its id.
func (l *ledger) noteSent(from, to int) string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.last = time.Now()
	p := pair{from, to}
	t := l.pairs[p]
	if t == nil {
		t = &talk{newest: -1, entries: make(map[int]*entry)}
		l.pairs[p] = t
	}
	e := &entry{sent: l.last}
	t.entries[t.sent] = e
	t.sent++
	l.open[to][e] = struct{}{}
	l.counts.Sent++
	id := name(p, t.sent-1)
	l.trace(to, "sent", id, "")
	return id
}

// noteLogin is called before a client logs in.
func (l *ledger) noteLogin(client int) *visit {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.visits++
	v := &visit{client: client, number: l.visits, asked: time.Now()}
	l.trace(client, "login begins", "", v.String())
	return v
}

// noteUp is called when the login has succeeded. It may have brought back a client
// that was gone, or be one of two at once.
func (l *ledger) noteUp(v *visit, back bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.counts.Logins++
	if back {
		l.counts.Reconnects++
	}
	v.up = time.Now()
	l.trace(v.client, "login succeeds", "", v.String())
	for e := range l.open[v.client] {
		e.awaited = v
	}
	v.pending = len(l.open[v.client])
}

func (l *ledger) noteFailedLogin() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.counts.FailedLogins++
}

// noteCopy is called for each message on a client's stream, when its last byte
// has arrived there.
func (l *ledger) noteCopy(v *visit, id string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.last = time.Now()
	l.trace(v.client, "arrives", id, v.String())
	t, e, number, sent := l.find(id)
	switch {
	case !sent:
		l.counts.Unknown++
		return
	case e == nil: // forgotten, for its time was over
		l.counts.Extra++
		l.counts.TooMany++
		l.wrong(v.client, "a copy came after all was over: "+id)
		return
	}
	if len(e.visits) > 0 {
		l.again(v, e, id)
		return
	}
	e.visits = append(e.visits, v)
	l.counts.Delivered++
	l.deliver.add(l.last.Sub(e.sent))
	if number < t.newest {
		l.counts.OutOfOrder++
		l.wrong(v.client, "out of order: "+id)
	}
	t.newest = max(t.newest, number)
	l.arrived(v.client, e)
}

// again takes note of a copy that is not the first.
func (l *ledger) again(v *visit, e *entry, id string) {
	if len(e.visits) == 1 {
		l.counts.Duplicated++
	}
	l.counts.Extra++
	if slices.Contains(e.visits, v) || !e.closed.IsZero() && e.closed.Before(v.asked) {
		l.counts.TooMany++
		l.wrong(v.client, "a copy too many: "+id)
	}
	e.visits = append(e.visits, v)
}

// arrived takes a message from those that have not arrived.
func (l *ledger) arrived(client int, e *entry) {
	delete(l.open[client], e)
	if e.awaited == nil {
		return
	}
	e.awaited.pending--
	if e.awaited.pending == 0 {
		l.recover.add(l.last.Sub(e.awaited.up))
	}
	e.awaited = nil
}

// noteRead is called when a client has read a message.
func (l *ledger) noteRead(_ string, intact bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if !intact {
		l.counts.Altered++
	}
}

// noteAnswer is called before a client writes a receipt.
func (l *ledger) noteAnswer(receipt, message string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.answers[receipt] = answer{message, time.Now()}
	p, _, _ := parseName(message)
	l.trace(p.to, "is answered", message, "")
	if _, e, _, _ := l.find(message); e != nil {
		e.answered++
	}
}

// noteReached is called when the relay has taken a stanza from a client. A
// receipt that came on the stream of its message settles it.
func (l *ledger) noteReached(stanza string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	a, ok := l.answers[stanza]
	if !ok {
		return
	}
	delete(l.answers, stanza)
	p, _, _ := parseName(a.message)
	l.trace(p.to, "answer is taken", a.message, "")
	if _, e, _, _ := l.find(a.message); e != nil && l.habits[p.to].answers() {
		l.close(e)
	}
}

// noteClosed is called when the Keeper is done with a message.
func (l *ledger) noteClosed(message string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.last = time.Now()
	if _, e, _, _ := l.find(message); e != nil {
		l.close(e)
	}
}

func (l *ledger) close(e *entry) {
	if e.closed.IsZero() {
		e.closed = time.Now()
	}
	for _, s := range e.streams {
		delete(s.unanswered, e)
	}
}

// noteReceipt is called when a receipt has arrived at a sender. One more than
// the client wrote for that message is a forged one.
func (l *ledger) noteReceipt(message, from string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.last = time.Now()
	p, _, _ := parseName(message)
	_, e, _, sent := l.find(message)
	if !sent || e == nil || !strings.HasPrefix(from, clientName(p.to)+"@"+wire.Domain+"/") {
		l.counts.Forged++
		return
	}
	e.receipts++
	switch {
	case e.receipts > e.answered:
		l.counts.Forged++
	case e.receipts == 1:
		l.counts.Confirmed++
	}
}

// noteBounce is called when an error has come back to a sender.
func (l *ledger) noteBounce() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.counts.Bounced++
}

// describe describes a message for people.
func (e *entry) describe(id string, h habit) string {
	return fmt.Sprintf("%s to a %s client: sent %s ago, %d times written, %d times arrived, %d times answered, %d receipts, closed %t",
		id, h, time.Since(e.sent).Round(time.Millisecond), len(e.streams), len(e.visits), e.answered, e.receipts, !e.closed.IsZero())
}
