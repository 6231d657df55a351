// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// Track appends to dst the message as it is to be written: with an id, and with a
// request where one may be. The message waits from then on, so that no receipt comes
// too soon: call it before the write, and Sent.Cancel if the write fails.
//
// What asks for nothing, of whatever kind the stanza, passes, and its Sent is NotAsked:
// the caller need not care. So does what is sent to the own account, and to a room unless
// the options say otherwise.
//
// The error wraps [ErrFull], [ErrDuplicate], [ErrClosed] or an error of
// [receipts.AppendAsked]. With ErrDuplicate the message is appended as well. With any
// other error dst is returned as it was, and the Sent is nil. The bytes of dst and of
// stanza must not overlap.
func (t *Tracker) Track(now time.Time, dst, stanza []byte) ([]byte, *Sent, error) {
	out, m, err := receipts.AppendAsked(dst, stanza, &t.request)
	if err != nil {
		return dst, nil, err
	}
	s := t.newSent(&m, now)
	if !t.expects(&m, s) {
		s.state = NotAsked
	}
	got, err := t.add(now, s)
	if got == nil {
		return dst, nil, err
	}
	return out, got, err
}

// newSent returns the Sent of a message.
func (t *Tracker) newSent(m *receipts.Message, now time.Time) *Sent {
	var room [256]byte
	id := m.ID.AppendTo(room[:0])
	both := string(m.To.AppendTo(id)) // one piece of memory instead of two
	s := &Sent{tracker: t, id: both[:len(id)], to: both[len(id):], sent: wall(now)}
	if !m.From.IsEmpty() && t.account == "" {
		from := m.From.String()
		s.from = &from
	}
	s.room = t.isOccupant(s.to, m.Marks.Has(receipts.RoomUser))
	return s
}

// wall returns what the wall clock shows, without what time.Now notes besides.
func wall(now time.Time) time.Time { return now.Round(0) }

// isOccupant reports whether an address is that of an occupant of a room.
func (t *Tracker) isOccupant(to string, marked bool) bool {
	bare, _, full := strings.Cut(to, "/")
	switch {
	case !full:
		return false
	case marked:
		return true
	case t.options.Room == nil:
		return false
	}
	room, err := jid.Parse(bare)
	return err == nil && t.options.Room(room)
}

// expects reports whether there may be a receipt for a message as it is written. One that
// the application has made ask itself is held to the same rules.
func (t *Tracker) expects(m *receipts.Message, s *Sent) bool {
	return m.Kind == receipts.KindRequest && s.to != "" && !t.isOwn(s.to) &&
		(m.Type != stanza.GroupChatMessage || t.request.GroupChat)
}

// add has a message wait, unless it is NotAsked.
func (t *Tracker) add(now time.Time, s *Sent) (*Sent, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	if t.closed {
		return nil, ErrClosed
	}
	if s.state == NotAsked {
		t.stats.NotAsked++
		return s, nil
	}
	if old := t.messages.twin(s); old != nil {
		old.copies = max(old.copies, old.copies+1) // of too many the last ones do not count
		return old, ErrDuplicate
	}
	if t.options.Messages >= 0 && t.messages.waiting >= t.options.Messages {
		return nil, ErrFull
	}
	if !t.messages.add(s) {
		return nil, fmt.Errorf("%w with one id", ErrFull)
	}
	if t.options.Retention >= 0 {
		t.messages.deadlines.add(wall(now), s, s.sent.Add(t.options.Retention))
	}
	t.stats.Asked++
	s.copies = 1
	return s, nil
}

// A Waited is what has to be kept of a message to wait for it in another process. Its
// fields are plain, to be encoded as one likes.
type Waited struct {
	ID   string
	To   string // as addressed
	From string // the sender, if the message said so and the Tracker has no Account
	Room bool   // To is an occupant of a room
	Sent time.Time
}

// Expect has a message wait that Track does not see: one that a program before this one
// has sent, see All, or one that asks from within an encrypted envelope (XEP-0420 §9). If
// w.Sent is zero, or in the future, it is now; otherwise its time goes on, and one that is too old is Expired
// at the next Due.
//
// The error wraps [ErrFull], [ErrDuplicate] or [ErrClosed], or [receipts.ErrValue] if
// w.ID or w.To is empty. With ErrDuplicate the Sent is that of the message that waits.
func (t *Tracker) Expect(now time.Time, w Waited) (*Sent, error) {
	if w.ID == "" || w.To == "" {
		return nil, fmt.Errorf("%w: id %q, to %q", receipts.ErrValue, w.ID, w.To)
	}
	if w.Sent.IsZero() || w.Sent.After(now) { // or a clock was wrong
		w.Sent = now
	}
	id := receipts.NewText(w.ID).String() // as a receipt has it
	s := &Sent{tracker: t, id: id, to: w.To, sent: wall(w.Sent), room: t.isOccupant(w.To, w.Room)}
	if w.From != "" && t.account == "" {
		s.from = &w.From
	}
	return t.add(now, s)
}

// All yields what waits, in order of Track, to be put away when the program ends. What
// there is is gathered when the loop begins.
func (t *Tracker) All() iter.Seq[Waited] {
	return func(yield func(Waited) bool) {
		for _, s := range t.all() {
			if !yield(s.Waited()) {
				return
			}
		}
	}
}

// all returns what waits, in order of Track.
func (t *Tracker) all() []*Sent {
	t.mu.Lock()
	all := t.messages.all()
	t.mu.Unlock()
	slices.SortFunc(all, func(a, b *Sent) int { return cmp.Compare(a.seq, b.seq) })
	return all
}
