// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"encoding/xml"
	"time"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// Receive looks at a stanza that has come in, and reports whether it said something new
// of a message: a receipt, an error, or a carbon copy or archived copy of a receipt.
// The stanza is not consumed: handle it further like every other.
//
// A receipt counts if it comes from the bare address that the message was sent to; for
// an occupant of a room, from the full one. An error counts from that address, its
// account or domain, and from our own server. Receipts in errors count for nothing.
// Malformed stanzas are counted in Stats.
func (t *Tracker) Receive(now time.Time, stanza []byte) bool {
	m, err := receipts.Scan(stanza)
	switch {
	case err != nil:
		t.malformed()
		return false
	case isCopy(&m):
		return t.receiveCopy(now, stanza)
	}
	return t.receive(stanza, &m, evidence{now: now, at: now})
}

// malformed counts a stanza that can not be read.
func (t *Tracker) malformed() {
	t.mu.Lock()
	t.stats.Malformed++
	t.mu.Unlock()
}

// isCopy reports whether a message is a carbon copy or a result from an archive. An error
// may echo one.
func isCopy(m *receipts.Message) bool {
	return m.Type != stanza.ErrorMessage && (m.Marks.Has(receipts.Carbon) || m.Marks.Has(receipts.Archived))
}

// receiveCopy looks into a carbon copy or a result from an archive.
func (t *Tracker) receiveCopy(now time.Time, stanza []byte) bool {
	f, err := receipts.Unwrap(stanza)
	if err != nil || f.Sent {
		return false
	}
	m, err := receipts.Scan(f.Stanza)
	if err != nil {
		return false
	}
	from := f.From.String()
	e := evidence{now: now, at: f.Stamp, forged: !t.isOwn(from) || from != bareOf(from)}
	if e.at.IsZero() {
		e.at = now
	}
	return t.receive(f.Stanza, &m, e)
}

// An evidence is what is said of a message, and by whom.
type evidence struct {
	now, at  time.Time
	from, to string
	forged   bool  // in a wrapper that is not the account's
	old      bool  // in the form of XEP-0184 1.0, which counts for what waits alone
	err      error // that of a message that came back; nil: a receipt
}

// receive takes in what a message says of others.
func (t *Tracker) receive(data []byte, m *receipts.Message, e evidence) (news bool) {
	switch {
	case m.Type == stanza.ErrorMessage:
		return t.bounce(data, m, e)
	case !m.Kind.Has(receipts.KindReceived):
		return false
	}
	for id := range m.Received() {
		if e.old = id.IsEmpty(); e.old {
			id = m.ID
		}
		if e.old && t.options.Strict {
			continue
		}
		if t.hear(id, m, e) {
			news = true
		}
	}
	return news
}

// bounce takes in an error. One that echoes a receipt answers ours, and not a message that
// asks (RFC 6120 §8.3.1).
func (t *Tracker) bounce(data []byte, m *receipts.Message, e evidence) bool {
	if m.Kind.Has(receipts.KindReceived) || !t.knows(m.ID) {
		return false
	}
	e.err = errorIn(data)
	return t.hear(m.ID, m, e)
}

// maxErrorText is how many bytes of text are kept of an error, and maxErrorName how many of
// its type and of its condition, which anybody can make up.
const (
	maxErrorText = 4096
	maxErrorName = 64
)

// errorIn returns the error in a stanza.
func errorIn(data []byte) error {
	var v struct {
		Error *stanza.Error `xml:"error"`
	}
	if err := xml.Unmarshal(data, &v); err != nil || v.Error == nil {
		return stanza.Error{Type: stanza.Cancel, Condition: stanza.UndefinedCondition}
	}
	if len(v.Error.Type) > maxErrorName {
		v.Error.Type = stanza.Cancel
	}
	if len(v.Error.Condition) > maxErrorName {
		v.Error.Condition = stanza.UndefinedCondition
	}
	size := 0
	for lang, text := range v.Error.Text {
		size += len(lang) + len(text)
	}
	if size > maxErrorText {
		v.Error.Text = nil
	}
	return *v.Error
}

// knows reports whether there is a message with an id.
func (t *Tracker) knows(id receipts.Text) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.find(id) != nil
}

// find returns the first message with an id, and counts that there is none.
func (t *Tracker) find(id receipts.Text) *Sent {
	var room [128]byte
	plain, ok := id.Plain()
	if !ok {
		plain = id.AppendTo(room[:0])
	}
	first := t.messages.find(plain)
	if first == nil {
		t.stats.Unknown++
	}
	return first
}

// hear takes in what a message says of that with an id, and reports whether it is new.
func (t *Tracker) hear(id receipts.Text, m *receipts.Message, e evidence) bool {
	t.mu.Lock()
	t.forget(e.now)
	first := t.find(id)
	if first == nil {
		t.mu.Unlock()
		return false
	}
	e.from = m.From.String()
	if t.account == "" {
		e.to = m.To.String()
	}
	return t.judge(first, e)
}

// Settle is Receive for a receipt that was found by other means, such as in an encrypted
// envelope: from, which is the stanza's and not the envelope's, acknowledges to the
// account to the message with that id.
func (t *Tracker) Settle(now time.Time, from, to jid.JID, id string) bool {
	t.mu.Lock()
	t.forget(now)
	first := t.find(receipts.NewText(id))
	if first == nil {
		t.mu.Unlock()
		return false
	}
	return t.judge(first, evidence{now: now, at: now, from: from.String(), to: to.String()})
}

// judge gives the message that the evidence is for its result, if there is such a message
// among those with the same id. It gives up the lock.
func (t *Tracker) judge(first *Sent, e evidence) bool {
	s := t.about(first, e)
	if s == nil {
		t.stats.Forged++
		t.mu.Unlock()
		return false
	}
	hook, o := t.options.Result, e.outcome()
	if s.state == Waiting {
		t.settled(e.now, s, o)
	} else {
		hook = t.options.Late
		t.late(s, o)
	}
	t.mu.Unlock()
	tell(hook, s, o)
	return true
}

// about returns the message that the evidence is for, one that waits before others: a
// server of several accounts does not say for which of them it returns an id.
func (t *Tracker) about(first *Sent, e evidence) (finished *Sent) {
	for s := first; s != nil; s = s.next {
		switch {
		case !t.proves(s, e):
		case s.state == Waiting:
			return s
		case finished == nil:
			finished = s
		}
	}
	return finished
}

// outcome returns what the evidence says of its message.
func (e *evidence) outcome() *outcome {
	if e.err != nil {
		return &outcome{state: Bounced, by: e.from, at: e.at, err: e.err}
	}
	return &outcome{state: Delivered, by: e.from, at: e.at}
}

// late takes in what comes after the first result.
func (t *Tracker) late(s *Sent, o *outcome) {
	t.stats.Late++
	o.late = true
	if !o.state.outranks(s.known.state) {
		return
	}
	if o.first = s.known.first; o.first == nil {
		o.first = s.known
	}
	s.known = o
}
