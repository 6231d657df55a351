// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"slices"
	"time"

	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/receipts"
)

// A tracked is what a Sender knows of a message, from Track to its first result, next to
// its Tracker: from it the World knows what the Tracker has to say.
type tracked struct {
	message *Message
	by      *Sender
	sent    *client.Sent
	life    int // of the Sender's process that has the Sent
	waited  client.Waited
	done    <-chan struct{} // that it waits for

	proven    bool // the Sender has read a receipt that counts
	failed    bool // or an error
	cancelled bool // it is being cancelled
	restored  bool // it was left by a process before
	results   int
	first     client.Result
	firstAt   time.Duration
}

// A wireName is what a receipt can name: an id and the account that the message was to.
type wireName struct{ id, to string }

func (t *tracked) name() wireName { return wireName{t.waited.ID, cache.Bare(t.waited.To)} }

// asks reports whether anything may become of the message.
func (t *tracked) asks() bool { return t.first.State != client.NotAsked }

// tracks takes in what Track has said of a message.
func (s *Sender) tracks(m *Message, sent *client.Sent, err error) {
	if err != nil { // ErrDuplicate
		old := s.current[wireName{m.id, m.account.bare}]
		if old == nil || old.sent != sent || old.results > 0 {
			s.world.breach("one result", m, "it is said to wait already")
			return
		}
		m.tracked = old
		return
	}
	t := &tracked{message: m, by: s, sent: sent, life: s.life, waited: sent.Waited()}
	if m.tracked = t; sent.Result().State == client.NotAsked {
		t.first.State = client.NotAsked
		t.results = 1
		if m.scan.Kind.Has(receipts.KindRequest) {
			s.world.breach("one result", m, "it asks, and nothing will be known of it")
		}
		return
	}
	if old := s.current[t.name()]; old != nil && old.results == 0 {
		s.world.breach("one result", m, "it waits twice")
		return
	}
	s.all = append(s.all, t)
	s.means(t)
	s.wind()
}

// means has a message be that which receipts of its name mean, from now on.
func (s *Sender) means(t *tracked) {
	if t.life != s.life {
		t.life, t.restored = s.life, true
	}
	t.done = t.sent.Done()
	left := s.byID[t.waited.ID][:0]
	for _, other := range s.byID[t.waited.ID] {
		if other.name() != t.name() {
			left = append(left, other)
		}
	}
	s.byID[t.waited.ID] = append(left, t)
	s.current[t.name()] = t
}

// proves takes note of what a stanza that the Sender reads says of its messages, if that
// is to be believed, and returns of which.
func (s *Sender) proves(stanza string) (means []*tracked) {
	m, err := receipts.Scan([]byte(stanza))
	if err == nil && (m.Marks.Has(receipts.Carbon) || m.Marks.Has(receipts.Archived)) && m.Type != "error" {
		f, failed := receipts.Unwrap([]byte(stanza))
		if from := f.From.String(); failed != nil || f.Sent || from != "" && from != cache.Bare(s.address) {
			return nil
		}
		m, err = receipts.Scan(f.Stanza)
	}
	if err != nil {
		return nil
	}
	if m.Type == "error" {
		return s.provesFailed(&m)
	}
	for id := range m.Received() {
		old := id.IsEmpty() // XEP-0184 1.0: it counts for what waits alone
		if old {
			id = m.ID
		}
		t := s.current[wireName{id.String(), cache.Bare(m.From.String())}]
		if t != nil && (!old || t.results == 0 && !s.options.Strict) {
			t.proven = true
			means = append(means, t)
		}
	}
	return means
}

// provesFailed takes note of an error. One that echoes a receipt answers ours. Servers
// answer for everybody: of several messages of an id they mean the newest that waits, or
// else the newest.
func (s *Sender) provesFailed(m *receipts.Message) []*tracked {
	if m.Kind.Has(receipts.KindReceived) {
		return nil
	}
	var failed *tracked
	for _, t := range slices.Backward(s.byID[m.ID.String()]) {
		if s.mayReturn(t, m.From.String()) && (failed == nil || failed.results > 0 && t.results == 0) {
			failed = t
		}
	}
	if failed == nil {
		return nil
	}
	failed.failed = true
	return []*tracked{failed}
}

// mayReturn reports whether an address may say that a message could not be delivered: the
// recipient, and either side's server.
func (s *Sender) mayReturn(t *tracked, from string) bool {
	switch from {
	case "", domain(t.waited.To), cache.Bare(s.address), domain(s.address):
		return true
	}
	return cache.Bare(from) == cache.Bare(t.waited.To)
}

// domain returns the domain of an address.
func domain(address string) string {
	bare := cache.Bare(address)
	for i := range bare {
		if bare[i] == '@' {
			return bare[i+1:]
		}
	}
	return bare
}

// of returns the message that a result is about.
func (s *Sender) of(r client.Result) *tracked {
	return s.current[wireName{r.ID, cache.Bare(r.To.String())}]
}

// tell is when the Tracker tells a first result.
func (s *Sender) tell(r client.Result) {
	w, t := s.world, s.of(r)
	switch {
	case t == nil:
		w.breach("one result", nil, "%s is told of what it has not sent: %s %s", s, r.ID, r)
		return
	case t.results > 0:
		w.breach("one result", t.message, "it was %s, and is %s", t.first, r)
		return
	case r.Late:
		w.breach("one result", t.message, "its first result is late: %s", r)
		return
	}
	t.results, t.first, t.firstAt = 1, r, w.now
	w.saw(t.message, s.address, r.State.String())
	s.checkResult(t, r)
	if tell := s.options.Result; tell != nil {
		tell(r)
	}
}

// tellLate is when the Tracker tells what came after the first result.
func (s *Sender) tellLate(r client.Result) {
	w, t := s.world, s.of(r)
	switch {
	case t == nil || t.results == 0:
		w.breach("one result", nil, "%s is told late of what has no result: %s %s", s, r.ID, r)
		return
	case !r.Late || r.State != client.Delivered && r.State != client.Bounced:
		w.breach("one result", t.message, "it was %s, and is %s late", t.first, r)
		return
	}
	w.saw(t.message, s.address, "late: "+r.State.String())
	s.checkResult(t, r)
	if tell := s.options.Late; tell != nil {
		tell(r)
	}
}

// checkResult checks a result against what the Sender has read.
func (s *Sender) checkResult(t *tracked, r client.Result) {
	w := s.world
	retention := s.options.Retention
	setDefault(&retention, 24*time.Hour)
	waited := w.Now().Sub(t.waited.Sent)
	switch {
	case r.At.After(w.Now()), !r.Sent.Equal(t.waited.Sent):
		w.breach("one result", t.message, "it is %s: sent at %s, and known at %s", r, r.Sent, r.At)
	case r.State == client.Delivered && (!t.proven || cache.Bare(r.By.String()) != t.message.account.bare):
		w.breach("no forged receipt", t.message, "it is %s, and its recipient has not said so", r)
	case r.State == client.Bounced && (!t.failed || r.Err == nil):
		w.breach("no forged receipt", t.message, "it is %s, and no error came", r)
	case r.State == client.Expired && (waited < retention || waited > retention && !t.restored || t.proven || t.failed):
		w.breach("one result", t.message, "it is expired, receipt %v, error %v", t.proven, t.failed)
	case r.State == client.Cancelled && !t.cancelled, r.State == client.Closed && !w.ending:
		w.breach("one result", t.message, "it is %s, and nobody wanted that", r)
	}
}

// isDue checks what Due yields.
func (s *Sender) isDue(r client.Result) {
	t := s.of(r)
	if t == nil || t.first.State != client.Expired || r.State != client.Expired {
		s.world.breach("one result", nil, "%s is due: %s %s", s, r.ID, r)
		return
	}
	s.check(t)
}

// check checks what is said of a message that has waited in this process.
func (s *Sender) check(t *tracked) {
	if t.life != s.life || !t.asks() || s.current[t.name()] != t {
		return
	}
	w, now := s.world, t.sent.Result()
	finished := false
	select {
	case <-t.done:
		finished = true
	default:
	}
	switch {
	case finished != (t.results > 0), finished == (now.State == client.Waiting):
		w.breach("one result", t.message, "it is %s, done %v, told %d times", now, finished, t.results)
	case (t.proven || t.failed) && t.results == 0:
		w.breach("one result", t.message, "it waits, receipt %v, error %v", t.proven, t.failed)
	case t.first.State == client.Delivered && now.State != client.Delivered:
		w.breach("one result", t.message, "it was delivered, and is %s", now)
	case t.proven && now.State != client.Delivered && s.remembers(t):
		w.breach("one result", t.message, "it is %s, and a receipt came", now)
	}
}

// remembers reports whether the Tracker must know a message that it has told of.
func (s *Sender) remembers(t *tracked) bool {
	standard := s.options.Tombstones == 0 && s.options.TombstoneAge == 0
	return standard && t.life == s.life && t.results > 0 && s.world.now-t.firstAt < time.Hour
}

// concludes checks that there is one result of everything, when all has ended.
func (s *Sender) concludes() {
	s.tracker.Close(s.world.Now())
	for _, t := range s.all {
		s.check(t)
		if t.results != 1 {
			s.world.breach("one result", t.message, "there are %d first results of it", t.results)
		}
	}
	if stats := s.tracker.Stats(); stats.Waiting != 0 || stats.Malformed != 0 {
		s.world.breach("one result", nil, "%s is closed: %+v", s, stats)
	}
}
