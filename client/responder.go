// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// The reasons for which a message gets no receipt, next to receipts.ErrNoAck, which says what
// of the message itself forbids it.
var (
	// ErrPolicy is returned when the Policy does not allow an answer.
	ErrPolicy = errors.New("client: sender is not answered")
	// ErrRate is returned when the sender, or all together, get too many receipts.
	ErrRate = errors.New("client: too many receipts")
	// ErrInHand is returned for a copy of a message that is being worked on, or was given
	// up: a receipt for the copy would say that the message is safe.
	ErrInHand = errors.New("client: message is not known to be safe")
	// ErrAnswered is returned when the message was acknowledged by this Arrival, or ended
	// otherwise, and for a copy of one that was dropped.
	ErrAnswered = errors.New("client: message was answered")
)

// A Responder answers messages that ask for a receipt, and tells which ones have been seen. It
// is safe for concurrent use by multiple goroutines, and may be shared by the sessions of one
// resource, one after another.
type Responder struct {
	options ResponderOptions
	seed    maphash.Seed
	policy  atomic.Pointer[Policy]

	mu        sync.Mutex
	known     *window // messages of those who are answered
	strangers *window // and of all others
	rates     *rates
	begun     bool   // a stanza has come
	arrivals  uint64 // how many there were
	stats     ResponderStats
}

// NewResponder returns a Responder. A nil pointer means the defaults. The error is that of the
// Journal.
func NewResponder(o *ResponderOptions) (*Responder, error) {
	options := o.defaults()
	r := &Responder{
		options:   options,
		seed:      maphash.MakeSeed(),
		known:     newWindow(options.Window, options.WindowAge),
		strangers: newWindow(options.Window, options.WindowAge),
		rates: newRates(
			rate{options.SenderRate, float64(options.SenderBurst)},
			rate{options.Rate, float64(options.Burst)},
			options.Senders,
		),
	}
	r.policy.Store(&options.Policy)
	if err := r.restore(); err != nil {
		return nil, err
	}
	return r, nil
}

// Roster returns what the Presence policy goes by, to be filled.
func (r *Responder) Roster() *Roster { return r.options.Roster }

// SetPolicy changes who is answered, and reports whether the account's service discovery
// features have changed with that, so that its capabilities have to be sent anew (XEP-0115).
// It holds for all that is acknowledged from then on.
func (r *Responder) SetPolicy(p Policy) (changed bool) {
	old := r.policy.Swap(&p)
	return (old.kind == never) != (p.kind == never)
}

// ForFeatures implements info.FeatureIter. The feature is there unless the Policy is Never
// (XEP-0184 §6).
func (r *Responder) ForFeatures(node string, f func(info.Feature) error) error {
	if r.policy.Load().kind == never {
		return nil
	}
	return receipts.Features{}.ForFeatures(node, f)
}

// answers reports whether the Policy allows to answer a sender. It must be called without the
// lock.
func (r *Responder) answers(from jid.JID) bool {
	return r.policy.Load().answers(from, r.options.Roster)
}

// Receive looks at a stanza that has come in. It takes everything; what is no message, or is
// malformed, gives an Arrival that is no copy and is not answered.
//
// The Arrival of a message that asks is in hand until Ack, Drop or Again is called, or
// WindowAge has passed. The bytes are not used after Receive has returned.
func (r *Responder) Receive(now time.Time, stanza []byte) *Arrival {
	a, asks := r.look(stanza)
	if !asks {
		return a
	}
	known := a.err == nil && r.answers(a.from)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(now)
	if a.err != nil {
		r.stats.Forbidden++
	} else {
		r.enter(now, a, known)
	}
	return a
}

// Most stanzas ask for nothing: they share an Arrival, which never changes.
var (
	noMessage = &Arrival{err: fmt.Errorf("%w: it is no message", receipts.ErrNoAck)}
	noRequest = &Arrival{err: fmt.Errorf("%w: it asks for none", receipts.ErrNoAck)}
)

// look makes an Arrival of a stanza, and reports whether it asks for a receipt.
func (r *Responder) look(data []byte) (a *Arrival, asks bool) {
	m, err := receipts.Scan(data)
	switch {
	case err != nil:
		return &Arrival{err: fmt.Errorf("%w: %w", receipts.ErrNoAck, err)}, false
	case m.Element != receipts.MessageStanza:
		return noMessage, false
	case m.Kind == receipts.KindNone:
		return noRequest, false
	}
	asks = m.Kind.Has(receipts.KindRequest)
	a = &Arrival{responder: r}
	a.ack, a.err = m.Ack(r.options.Ack)
	if a.err != nil {
		return a, asks
	}
	a.from, a.err = jid.Parse(m.From.String())
	if a.err == nil {
		a.seen = Seen{From: a.from.String(), ID: a.ack.Received}
		a.seen.Sum, a.err = receipts.Digest(data)
	}
	if a.err == nil && m.Type == stanza.GroupChatMessage && (r.options.Own == nil || r.options.Own(a.from)) {
		a.err = errors.New("it may be our own, which a room reflects")
	}
	if a.err != nil {
		a.err = fmt.Errorf("%w: %w", receipts.ErrNoAck, a.err)
		return a, asks
	}
	a.key, a.account = r.key(&a.seen), r.account(a.from)
	return a, asks
}

// key returns what stands for a message in the window.
func (r *Responder) key(s *Seen) messageKey {
	var h maphash.Hash
	h.SetSeed(r.seed)
	_, _ = h.WriteString(s.From)
	_ = h.WriteByte(0) // no address has one
	_, _ = h.WriteString(s.ID)
	return messageKey{h.Sum64(), s.Sum}
}

// account returns what stands for the account of a sender.
func (r *Responder) account(from jid.JID) uint64 {
	return maphash.String(r.seed, from.Bare().String())
}

// expire brings the windows up to date.
func (r *Responder) expire(now time.Time) {
	if !r.begun {
		r.begun = true
		r.known.begin(now)
	}
	r.known.expire(now)
	r.strangers.expire(now)
}

// find returns what is known of a message, or nil.
func (r *Responder) find(k messageKey) *memory {
	if e := r.known.entries[k]; e != nil {
		return e
	}
	return r.strangers.entries[k]
}

// enter puts a message into one of the windows, if it is not there.
func (r *Responder) enter(now time.Time, a *Arrival, known bool) {
	r.arrivals++
	a.number = r.arrivals
	if e := r.find(a.key); e != nil {
		a.copy = true
		r.stats.Copies++
		a.safe = e.fate == seen || e.fate == acked
		if e.fate != inHand { // one that was lost in hand has to age, to be shown again
			e.window.touch(now, e)
		}
		return
	}
	w := r.strangers
	if known {
		w = r.known
	}
	w.add(now, a.key, a.account).owner = a.number
}

// Stats returns numbers for watching.
func (r *Responder) Stats() ResponderStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.InHand = r.known.inHand + r.strangers.inHand
	s.Window = len(r.known.entries) + len(r.strangers.entries)
	return s
}

// ResponderStats are counted from the start, but for InHand and Window.
type ResponderStats struct {
	InHand, Window int
	Acked          uint64 // the first receipts of messages
	Again          uint64 // receipts for copies
	Copies         uint64
	Forbidden      uint64 // asked, and could not be answered (receipts.ErrNoAck)
	Policy, Rate   uint64 // ErrPolicy, ErrRate
}
