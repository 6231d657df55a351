// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/receipts"
)

// A Verdict says what the caller of Outgoing does with the message.
type Verdict uint8

const (
	// Write: write the message to the stream now.
	Write Verdict = iota
	// Queue: nothing; the Keeper has it and writes it when its turn comes.
	Queue
	// Persist: put Admission.Rows into the store, then call Keeper.Persisted and go
	// by its verdict.
	Persist
	// Refuse: nothing is written; the sender is to be told that its message was refused.
	// It comes with Config.FailClosed alone.
	Refuse
)

// String returns the verdict in a word.
func (v Verdict) String() string {
	return [...]string{"write", "queue", "persist", "refuse", "?"}[min(v, 4)]
}

// An Admission is the Keeper's answer to a message.
type Admission struct {
	Verdict Verdict
	Kept    bool          // whether the message is kept until its receipt comes
	Why     string        // the policy's reason
	Rows    []actions.Row // what to put into the store if Verdict is Persist

	ref      cache.Ref
	overflow bool
	older    []cache.Ref // the packets of all rows but the last
	before   cache.Marks // what the packet was marked with before its copy was noted
}

// A draft is a message that may become a packet.
type draft struct {
	packet      cache.Packet
	expireAfter time.Duration
	possible    bool // whether it could be kept at all
	admit       Admit
}

// Outgoing is the event that the host is about to write a message to the stream
// of its recipient. It is the one place where messages are admitted. Messages
// to one stream must be written in the order in which Outgoing was called.
//
// stanza is the message as it will be written; it is not changed, and not used
// after the call. What is not a message, or not well-formed, is for the host to
// write as if there were no Keeper.
func (k *Keeper) Outgoing(now time.Time, s *Stream, stanza []byte) Admission {
	admission, _ := k.outgoing(now, s, stanza, false)
	return admission
}

// outgoing is Outgoing. With follows, the message comes after one that is about to be put into
// the store: it reports false, and has done nothing, if this one can not simply be put with it.
func (k *Keeper) outgoing(now time.Time, s *Stream, stanza []byte, follows bool) (admission Admission, ok bool) {
	d := k.draft(s, s.address.bare, stanza)
	if k.config.Watch != nil {
		d.packet = owned(d.packet) // what is told outlives the call
	}
	a := k.enterStream(s)
	defer k.leave(a)
	sender := d.packet.Key.Sender()
	if follows && (!d.admit.Keep || !k.persistsFirst(d.packet) || a.loose || a.spilling) {
		return Admission{}, false
	}
	if !d.possible || (!d.admit.Keep && !k.behind(a, s, sender)) {
		k.notePacket(a, now, Untracked, s, d.packet.Key)
		return Admission{Verdict: Write, Why: d.admit.Why}, true
	}
	p := a.stamp(now, d)
	queue := k.behind(a, s, sender)
	if queue && a.spilling && actions.MayKeep(p, k.lasting) {
		return k.overflow(a, now, s, owned(p), d.admit), true
	}
	wait := k.firstWait(p)
	if queue {
		wait = k.queuedWait()
	}
	persist, older := k.rowsFirst(a, p)
	if persist {
		p.Marks |= cache.Held
	}
	ref, err := k.put(now, p, wait)
	switch {
	case err != nil && follows:
		return Admission{}, false
	case err == nil:
		a.loose = a.loose || !persist
		k.notePacket(a, now, Admitted, s, p.Key)
	case errors.Is(err, cache.ErrDuplicate): // it waits already, and may have gone out
		p, _ = k.cache.Get(ref)
		persist = p.Marks.Has(cache.Held)
	default:
		return k.overflow(a, now, s, owned(p), d.admit), true
	}
	admission = Admission{Kept: true, Why: d.admit.Why, ref: ref}
	switch {
	case persist:
		s.rowsFirst++
		a.noteOf(ref).puts++
		admission.Verdict, admission.older = Persist, older.refs
		admission.Rows = append(older.rows, row(owned(p)))
		return admission, true
	case len(older.rows) > 0:
		k.saveOlder(a)
	}
	admission.before = p.Marks
	admission.Verdict = k.route(a, now, s, ref, p, queue)
	return admission, true
}

// rowsFirst reports whether a packet's row is put before its first byte is written, and which
// older ones with it.
func (k *Keeper) rowsFirst(a *account, p cache.Packet) (persist bool, o older) {
	persist = k.persistsFirst(p)
	if persist && a.loose {
		o.rows, o.refs = k.unsaved(a, maxRows)
		a.loose = len(o.rows) > 0
		persist = len(o.rows) < maxRows
	}
	return persist, o
}

// older are packets that wait in memory alone. Rows go out in the order in which they are
// put, so these are put before a younger one; if they are too many for that, it waits in
// memory too, and all are put by and by.
type older struct {
	rows []actions.Row
	refs []cache.Ref
}

// draft makes a packet of a message for the account recipient, whose stream s is. It
// may be nil. The packet is made of stanza's own bytes, which are the caller's: what is
// not given to the cache, which copies it, has to be owned first.
func (k *Keeper) draft(s *Stream, recipient string, stanza []byte) draft {
	m, err := receipts.Scan(stanza)
	if err != nil {
		return draft{admit: Admit{Why: "not well-formed"}}
	}
	from, known := s.peer(m.From)
	to, addressed := s.peer(m.To)
	if !known || !addressed || to.bare != recipient || to.local == "" {
		return draft{admit: Admit{Why: "not addressed from somebody to the recipient"}}
	}
	c := Candidate{Recipient: recipient, Sender: from.full, Message: &m}
	if why := impossible(c); why != "" {
		return draft{admit: Admit{Why: why}}
	}
	d := draft{admit: k.admit(recipient, from.full, &m), expireAfter: m.ExpireAfter}
	d.possible = d.admit.Keep || excluded(c) == ""
	if !d.possible {
		return d
	}
	d.packet = cache.Packet{
		Key:      cache.Key{To: recipient, From: from.full, ID: view(m.ID)},
		Sum:      sum(stanza),
		Resource: to.resource,
		Marks:    marksOf(&m, to),
		Expires:  m.ExpireAt,
		Stanza:   stanza,
	}
	if !k.config.Authorised(recipient, from.full) {
		d.packet.Marks |= cache.Unauthorised
	}
	return d
}

// owned returns a packet without the caller's bytes.
func owned(p cache.Packet) cache.Packet {
	p.Key.ID, p.Stanza = strings.Clone(p.Key.ID), bytes.Clone(p.Stanza)
	return p
}

// view returns the value of an attribute without copying it, if that can be. It is
// valid for as long as the bytes are that were scanned.
func view(t receipts.Text) string {
	if plain, ok := t.Plain(); ok {
		return unsafe.String(unsafe.SliceData(plain), len(plain))
	}
	return t.String()
}

// stamp gives a draft its time of first receipt.
func (a *account) stamp(now time.Time, d draft) cache.Packet {
	p := d.packet
	p.Received = a.firstReceived(now)
	if d.expireAfter > 0 {
		if end := p.Received.Add(d.expireAfter); p.Expires.IsZero() || end.Before(p.Expires) {
			p.Expires = end
		}
	}
	return p
}

// route has a packet written now, or puts it into the backlog.
func (k *Keeper) route(a *account, now time.Time, s *Stream, ref cache.Ref, p cache.Packet, queue bool) Verdict {
	if !queue {
		k.deliver(a, s, ref)
		return Write
	}
	k.notePacket(a, now, Queued, s, p.Key)
	a.push(item{ref: ref, received: p.Received, stream: s})
	k.place(a, now)
	return Queue
}

// deliver notes, before the bytes are written, that a copy goes to s.
func (k *Keeper) deliver(a *account, s *Stream, ref cache.Ref) (mark uint64) {
	s.sent++
	k.cache.Deliver(ref, cache.Copy{Resource: s.address.resource, Stream: s.id, Mark: s.sent})
	k.cache.Mark(ref, cache.Delivered, 0)
	return s.sent
}

// behind reports whether a message of a sender for s has to queue behind older ones.
func (k *Keeper) behind(a *account, s *Stream, sender string) bool {
	if s.ended || s.queued > 0 || len(s.waitFor) > 0 || s.busy || s.paused && s.left {
		return true
	}
	if _, waits := a.firstFor(s); waits {
		return true
	}
	return s == a.best() && (a.actsFor(sender) || !a.rows.failed && (a.rows.reading || a.rows.more))
}

// row makes the row of a packet that waits: a copy against a crash.
func row(p cache.Packet) actions.Row {
	return actions.NewRow(p, true)
}

// Persisted is the event that the store was asked to keep an admission's rows,
// with the store's answer: what Store.Put returned. The verdict of the admission
// that it returns is Write or Queue, or Refuse under Config.FailClosed.
func (k *Keeper) Persisted(now time.Time, s *Stream, admission Admission, errs []error) Admission {
	a := k.enter(s.address.bare)
	defer k.leave(a)
	defer k.place(a, now) // what waits for the row on other streams, too
	s.rowsFirst--
	last := len(admission.Rows) - 1
	p := admission.Rows[last].Packet
	err := errorAt(errs, last)
	k.stored(a, now, s, p, err)
	for i, ref := range admission.older {
		k.noteRow(a, now, ref, admission.Rows[i].Packet, errorAt(errs, i))
	}
	if admission.overflow {
		if refusal := k.refusal(a, p, err); refusal != nil {
			k.refuse(a, now, s, admission.ref, p, refusal)
			return Admission{Verdict: Refuse, Why: refusal.Error()}
		}
		return k.overflowed(a, now, s, p, admission, err)
	}
	if refusal := k.heldAnswered(a, now, s, admission.ref, p, err); refusal != nil {
		return Admission{Verdict: Refuse, Why: refusal.Error()}
	}
	a.loose = a.loose || err != nil
	waiting, waits := k.cache.Get(admission.ref)
	if !waits { // blocked, or settled by another copy
		admission.Verdict, admission.Kept = Queue, false
		return admission
	}
	queue := k.behind(a, s, p.Key.Sender())
	if queue {
		k.again(now, admission.ref, 0)
	} else {
		k.again(now, admission.ref, k.ackWait(p.Sum)) // from the write, not from the commit
	}
	admission.before = waiting.Marks
	admission.Verdict = k.route(a, now, s, admission.ref, waiting, queue)
	return admission
}

// heldAnswered takes in what the store said of a packet whose row comes before its first
// byte, and returns why who has waited for that is refused, or nil. Several may have waited,
// with one message for two streams or one that was sent again: one row is enough for all,
// and the packet ends when the last of them is refused.
func (k *Keeper) heldAnswered(a *account, now time.Time, s *Stream, ref cache.Ref, p cache.Packet, err error) error {
	others := a.waitsNoMore(ref)
	waiting, waits := k.cache.Get(ref)
	stands := waits && !waiting.Marks.Has(cache.Held)
	refusal := k.refusal(a, p, err)
	switch {
	case stands && err != nil: // another's row
		return nil
	case refusal != nil && others:
		k.doubt(a, ref, err)
		return refusal
	case refusal != nil:
		k.refuse(a, now, s, ref, p, refusal)
		return refusal
	}
	k.noteRow(a, now, ref, p, err)
	k.cache.Mark(ref, 0, cache.Held)
	return nil
}

// waitsNoMore takes note that one of those who wait for a packet's row does not any more,
// and reports whether others do.
func (a *account) waitsNoMore(ref cache.Ref) (others bool) {
	n, ok := a.notes[ref.Seq]
	if !ok {
		return false
	}
	n.puts--
	if *n == (note{}) {
		a.forget(ref)
		return false
	}
	return n.puts > 0
}

// errDeleting refuses a message that was sent again, for the row of the first one is about
// to go.
var errDeleting = errors.New("untilack: its row is being deleted")

// refusal returns why Config.FailClosed refuses a packet after this answer of the store, nil
// if it does not.
func (k *Keeper) refusal(a *account, p cache.Packet, err error) error {
	switch {
	case !k.config.FailClosed:
		return nil
	case err != nil:
		return fmt.Errorf("the store did not take it: %w", err)
	case a.deleting[p.Identity()] > 0:
		return errDeleting
	}
	return nil
}

// refuse ends a packet that the store did not take, before any of it was written. Its row
// goes, if there may be one.
func (k *Keeper) refuse(a *account, now time.Time, s *Stream, ref cache.Ref, p cache.Packet, err error) {
	if waiting, ok := k.cache.Get(ref); ok {
		k.cache.Drop(now, ref)
		p.Seq = waiting.Seq
	}
	if !refused(err) && !errors.Is(err, ErrStoreDown) {
		p.Marks |= cache.Stored
		k.withdraw(a, p)
	}
	a.forget(ref)
	k.notePacket(a, now, Refused, s, p.Key)
}

// noteRow takes note of what the store said when a row of a packet was put. If the
// packet has ended meanwhile a row that stands, or may, goes.
func (k *Keeper) noteRow(a *account, now time.Time, ref cache.Ref, p cache.Packet, err error) {
	was, waits, known := k.cache.Remembered(ref)
	switch {
	case refused(err):
	case waits && err != nil:
		k.doubt(a, ref, err)
		k.saveLater(a, now)
	case waits:
		k.cache.Mark(ref, cache.Stored, 0)
	case known && !was.Marks.Has(cache.Stored): // settled; a row that was stored as mail stays
		p.Marks |= cache.Stored
		k.withdraw(a, p)
	}
}

// saveLater has what waits in memory alone put into the store once more, after a while.
func (k *Keeper) saveLater(a *account, now time.Time) {
	if a.loose = true; !a.saving && k.persist && k.config.PersistAfter == 0 {
		a.saving = true
		k.timers.add(timer{at: now.Add(k.retryWait(&a.failures)), account: a.bare, kind: saveTimer})
	}
}

// doubt takes note that a row of a packet may stand in the store, for what put it
// has failed without saying how far it came.
func (k *Keeper) doubt(a *account, ref cache.Ref, err error) {
	if !refused(err) {
		a.noteOf(ref).unsure = true
	}
}

// refused reports whether the store did not take a row for certain. After any other
// error it may have taken it.
func refused(err error) bool {
	return errors.Is(err, actions.ErrQuota) || errors.Is(err, actions.ErrFull)
}

// stored counts what the store said.
func (k *Keeper) stored(a *account, now time.Time, s *Stream, p cache.Packet, err error) {
	reason := Persisted
	if err != nil {
		reason = StoreFailed
	}
	k.logStore(err)
	e := Event{Time: now, Reason: reason, Sender: p.Key.From, ID: p.Key.ID, Err: err}
	if s != nil {
		e.Resource = s.address.resource
	}
	k.note(a, e)
}

// logStore logs that the store has failed, once, and that it works again.
func (k *Keeper) logStore(err error) {
	switch {
	case isTrouble(err) && k.trouble.CompareAndSwap(false, true):
		k.config.Logger.Warn("untilack: store failed: what cannot be stored is kept in memory, or refused", "error", err)
	case err == nil && k.trouble.CompareAndSwap(true, false):
		k.config.Logger.Info("untilack: store works again")
	case err != nil:
		k.config.Logger.Debug("untilack: store failed", "error", err)
	}
}

// ErrBusy is returned by the Write of a Conn that can take no more for now. The
// packet is kept and written after Ready, or a second later.
var ErrBusy = errors.New("untilack: stream is busy")

// Failed is the event that the host could not write a message that it was told
// to write. ErrBusy keeps it for later; after any other error the stream is
// taken for dead: part of the message may have been written.
func (k *Keeper) Failed(now time.Time, s *Stream, admission Admission, err error) {
	a := k.enter(s.address.bare)
	defer k.leave(a)
	k.unwritten(a, now, s, admission.ref, admission.before, err)
	k.place(a, now)
}

// unwritten deals with a copy that could not be written. before is what the packet
// was marked with before.
func (k *Keeper) unwritten(a *account, now time.Time, s *Stream, ref cache.Ref, before cache.Marks, err error) {
	busy := errors.Is(err, ErrBusy)
	if busy { // nothing of it was written
		k.cache.Undeliver(ref, s.id)
		if p, waits := k.cache.Get(ref); waits && len(p.Copies) == 0 {
			k.cache.Mark(ref, 0, (cache.Delivered|cache.Redelivered)&^before)
		}
	}
	switch {
	case s.ended:
	case !busy:
		k.end(a, now, s, WriteFailed, err)
	default:
		s.busy = true
		k.recall(a, s)
		k.timers.add(timer{at: now.Add(time.Second), stream: s, kind: busyTimer})
		if p, waits := k.cache.Get(ref); waits && !p.Taken {
			k.again(now, ref, 0)
			a.push(item{ref: ref, received: p.Received, stream: s})
		}
	}
}
