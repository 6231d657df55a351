// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/untilack/untilack/actions"
)

// A Conn carries stanzas to one client. The host implements it.
type Conn interface {
	// Write writes one whole stanza, or puts it into a queue of the Conn's own
	// from which it is written in order. It should not block for long: whoever
	// sends to this client waits for it.
	//
	// ErrBusy says that it takes no more for now; then Session.Ready is called
	// when it does. After any other error the stream is ended, for part of the
	// stanza may have been written. Calls do not overlap.
	Write(ctx context.Context, stanza []byte) error

	// End ends the stream, for the given reason. It must make a Write that blocks
	// return. Session.Close may be called, and need not be.
	End(ctx context.Context, reason Reason) error
}

// A Prober is a Conn with means of its own to find out whether the client reads
// what is written, XEP-0198's <r/> for instance. The answer is reported to
// Session.Answered. Without it the Keeper pings (XEP-0199).
type Prober interface {
	Probe(ctx context.Context, id string) error
}

// A Session is a stream whose effects Run carries out. It is safe for concurrent
// use by multiple goroutines.
type Session struct {
	keeper *Keeper
	conn   Conn
	stream *Stream
	turn   chan struct{} // held while a stanza is admitted and written
	watch  writeWatch
}

// Attach is Open for a host that leaves the clock and the effects to Run. What
// waits for the recipient may be written to c before Attach has returned.
func (k *Keeper) Attach(address string, c Conn, o *StreamOptions) (*Session, error) {
	s := &Session{keeper: k, conn: c, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{} // what the Keeper wants to write first waits until s.stream is set
	stream, err := k.open(time.Now(), address, o, s)
	if err != nil {
		return nil, err
	}
	s.stream = stream
	<-s.turn
	return s, nil
}

// Stream returns the Keeper's view of the session.
func (s *Session) Stream() *Stream { return s.stream }

// Deliver delivers a message to the client: it is admitted, kept as the
// configuration says, and written, now or in its turn. A nil error means that
// the message was written or is kept; with any other it was neither. ErrRefused is
// returned, wrapped, if Config.FailClosed says so: its sender is to be told
// (actions.AppendBounce with the reason Refused).
//
// A message that is not kept, and anything that is no message, is written all
// the same. Deliver does not use stanza after it has returned, unless Conn.Write
// does.
func (s *Session) Deliver(ctx context.Context, stanza []byte) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	var err [1]error
	s.deliver(ctx, [][]byte{stanza}, err[:])
	return err[0]
}

// DeliverAll is Deliver for several messages, one after the other, which waits less: what the
// store has to have before it is written, of messages that follow one another, is put into it at
// once. It returns an error for each message.
func (s *Session) DeliverAll(ctx context.Context, stanzas [][]byte) []error {
	errs := make([]error, len(stanzas))
	for n := 0; n < len(stanzas); {
		if err := s.take(ctx); err != nil {
			for i := n; i < len(errs); i++ {
				errs[i] = err
			}
			break
		}
		n += s.deliver(ctx, stanzas[n:], errs[n:])
		s.give()
	}
	return errs
}

// deliver delivers the first of some messages, and of those after it as many as are put into
// the store together with it. It returns how many that were. The turn is taken.
func (s *Session) deliver(ctx context.Context, stanzas [][]byte, errs []error) int {
	now := time.Now()
	first := s.keeper.Outgoing(now, s.stream, stanzas[0])
	if first.Verdict != Persist {
		errs[0] = s.finish(ctx, now, stanzas[0], first)
		return 1
	}
	held := s.hold(now, first, stanzas)
	s.give() // other messages for this client need not wait for the disk
	answers := s.keeper.persistRows(ctx, held)
	s.turn <- struct{}{} // no longer than WriteTimeout, and what was put must be told
	for i, admission := range held {
		now = time.Now()
		n := len(admission.Rows)
		errs[i] = s.finish(ctx, now, stanzas[i], s.keeper.Persisted(now, s.stream, admission, answers[:n]))
		answers = answers[n:]
	}
	return len(held)
}

// hold returns the admissions of those messages that are put into the store together. That of
// the first one is there.
func (s *Session) hold(now time.Time, first Admission, stanzas [][]byte) []Admission {
	held := []Admission{first}
	for rows := len(first.Rows); len(held) < len(stanzas) && rows < maxRows && !first.overflow; rows++ {
		admission, ok := s.keeper.outgoing(now, s.stream, stanzas[len(held)], true)
		if !ok {
			break
		}
		held = append(held, admission)
	}
	return held
}

// finish does with a message what the Keeper has decided.
func (s *Session) finish(ctx context.Context, now time.Time, stanza []byte, admission Admission) error {
	switch admission.Verdict {
	case Queue:
		return nil
	case Refuse:
		return fmt.Errorf("%w: %s", ErrRefused, admission.Why)
	}
	err := s.write(ctx, now, stanza)
	if err == nil {
		return nil
	}
	s.keeper.Failed(time.Now(), s.stream, admission, err)
	if admission.Kept {
		return nil
	}
	return err
}

// write writes a message in its turn. A stream on which that takes too long is
// ended, which makes Conn.Write return.
func (s *Session) write(ctx context.Context, now time.Time, stanza []byte) error {
	s.watch.begin(s, now)
	defer s.watch.end()
	return s.conn.Write(ctx, stanza)
}

// A writeWatch ends a stream if a write of Deliver does not return. Its timer is not
// set for each write, which would cost more than a write into a queue: it goes off
// now and then, and looks whether one has taken too long.
type writeWatch struct {
	mu    sync.Mutex
	timer *time.Timer // nil: there was no write so far
	set   bool        // whether it runs
	until time.Time   // when the write has to be over; zero: there is none
}

func (w *writeWatch) begin(s *Session, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	limit := s.keeper.config.WriteTimeout
	w.until = now.Add(limit)
	switch {
	case w.timer == nil:
		w.timer = time.AfterFunc(limit, func() {
			if now := time.Now(); w.isOver(now) {
				s.keeper.overran(now, s.stream)
			}
		})
	case !w.set:
		w.timer.Reset(limit)
	}
	w.set = true
}

func (w *writeWatch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.until = time.Time{}
}

// isOver reports whether a write should have returned, when the timer went off.
func (w *writeWatch) isOver(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := w.until.Sub(now)
	w.set = !w.until.IsZero() && left > 0
	if w.set {
		w.timer.Reset(left)
	}
	return !w.until.IsZero() && left <= 0
}

// overran ends a stream whose write does not return.
func (k *Keeper) overran(now time.Time, s *Stream) {
	a := k.enter(s.address.bare)
	defer k.leave(a)
	if s.ended {
		return
	}
	k.counts[Overran].Add(1)
	k.end(a, now, s, WriteFailed, ErrOverran)
	k.place(a, now)
}

// persistRows writes the rows of admissions, all for one recipient, within the time limit. It
// returns an error for each row.
func (k *Keeper) persistRows(ctx context.Context, admissions []Admission) []error {
	rows := slices.Clip(admissions[0].Rows)
	for _, admission := range admissions[1:] {
		rows = append(rows, admission.Rows...)
	}
	c := callee{kind: StoreRows, recipient: rows[0].Packet.Key.To}
	if k.stuck.has(c, k.config.Workers) {
		return failAll(rows, ErrOverran)
	}
	r := k.putNow(ctx, c, rows)
	if r.Err != nil {
		return failAll(rows, r.Err)
	}
	if len(r.Errs) < len(rows) { // a store may return none if all is well
		return append(slices.Clone(r.Errs), make([]error, len(rows)-len(r.Errs))...)
	}
	return r.Errs
}

func failAll(rows []actions.Row, err error) []error {
	errs := make([]error, len(rows))
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// take waits for the turn to write.
func (s *Session) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Session) give() { <-s.turn }

// carryOut writes what the Keeper wants written, in its turn.
func (s *Session) carryOut(ctx context.Context, e *Effect) {
	k := s.keeper
	waiting, cancel := context.WithTimeout(ctx, k.config.WriteTimeout)
	err := s.take(waiting)
	cancel()
	if err != nil { // a write does not return
		if k.Begin(time.Now(), e) {
			k.Finish(time.Now(), e, Result{Err: errors.Join(ErrOverran, err)})
		}
		return
	}
	if !k.Begin(time.Now(), e) {
		s.give()
		return
	}
	c := callee{kind: e.Kind, recipient: e.Recipient}
	result := k.limited(ctx, c, k.config.WriteTimeout, func(ctx context.Context) Result {
		defer s.give()
		return Result{Err: s.writeEffect(ctx, e)}
	})
	k.Finish(time.Now(), e, result)
}

func (s *Session) writeEffect(ctx context.Context, e *Effect) error {
	if prober, ok := s.conn.(Prober); ok && e.Kind == ProbeStream {
		return prober.Probe(ctx, e.Probe)
	}
	return s.conn.Write(ctx, e.Stanza)
}

// Receive takes a stanza that came in from the client: a receipt settles what it
// answers. It reports whether the stanza is to be routed on, as it is: always,
// but for the answer to a probe.
func (s *Session) Receive(stanza []byte) (forward bool) {
	return s.keeper.Incoming(time.Now(), s.stream, stanza)
}

// Answered reports that the client answered a probe of a Prober, and whether it
// was one of ours.
func (s *Session) Answered(probe string) bool {
	return s.keeper.Answered(time.Now(), s.stream, probe)
}

// Ready reports that the Conn takes more after ErrBusy.
func (s *Session) Ready() { s.keeper.Ready(time.Now(), s.stream) }

// Presence reports the client's presence; see Keeper.Presence.
func (s *Session) Presence(available bool, priority int) {
	s.keeper.Presence(time.Now(), s.stream, available, priority)
}

// Pause reports that what is written is held back; see Keeper.Pause.
func (s *Session) Pause() { s.keeper.Pause(time.Now(), s.stream) }

// Resume reports that a paused session goes on.
func (s *Session) Resume() { s.keeper.Resume(time.Now(), s.stream) }

// Mark returns the position in the stream after what was written so far.
func (s *Session) Mark() uint64 { return s.keeper.Mark(s.stream) }

// ReadUpTo reports that the client has read what was written up to mark; see
// Keeper.ReadUpTo.
func (s *Session) ReadUpTo(mark uint64) { s.keeper.ReadUpTo(time.Now(), s.stream, mark) }

// Close reports that the stream has ended; see Keeper.Close. It does not end it. A
// second Close does nothing.
func (s *Session) Close() { s.keeper.Close(time.Now(), s.stream) }
