// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"mellium.im/xmpp/stanza"
)

// ErrNoRequest is returned when a message must not ask for a receipt.
var ErrNoRequest = errors.New("receipts: no receipt may be asked for")

// RequestOptions says which messages ask for a receipt.
// A nil pointer stands for the defaults.
type RequestOptions struct {
	// Lacks reports whether an address, as it stands in the message's to, is known
	// not to answer requests, from its entity capabilities. Who is not known is
	// asked (XEP-0184 §5.2). It must answer from memory.
	// Default: nobody is known to.
	Lacks func(to string) bool

	// NewID makes the id of a message that has none.
	// Default: 130 random bits, so that nobody can guess it.
	NewID func() string

	// Bodiless has messages without a body ask, too, if there is something in them
	// other than a chat state, a marker, a hint or the like (Content).
	// Default: a body is needed.
	Bodiless bool

	// GroupChat has messages to a room ask. XEP-0184 §5.3 does not recommend it.
	// Default: they do not.
	GroupChat bool
}

// MayAsk returns nil if a request for a receipt may be added to the message, and
// otherwise an error that wraps [ErrNoRequest] and says why not. That the message
// has no id yet is no reason: see [Ask].
//
// A message that asks already may, whatever the options say, unless it must not: an
// error or a receipt (XEP-0184 §5.4).
func (m *Message) MayAsk(o *RequestOptions) error {
	switch {
	case m.Element != MessageStanza:
		return noRequest("it is no message")
	case m.Type == stanza.ErrorMessage:
		return noRequest("it is an error")
	case m.Kind.Has(KindReceived):
		return noRequest("it is a receipt")
	case m.Kind.Has(KindRequest):
		return nil
	}
	if o == nil {
		o = &RequestOptions{}
	}
	switch {
	case m.Type == stanza.GroupChatMessage && !o.GroupChat:
		return noRequest("it is to a room")
	case !m.Marks.Has(Body) && !(o.Bodiless && m.Marks.Has(Content)):
		return noRequest("there is nothing in it")
	case o.Lacks != nil && o.Lacks(m.To.String()):
		return noRequest("its recipient does not answer")
	}
	return nil
}

// noRequest returns an error for a message that does not ask.
func noRequest(reason string) error {
	return fmt.Errorf("%w: %s", ErrNoRequest, reason)
}

// needsID reports whether a message gets an id. An error has that of what it answers,
// or none (RFC 6120 §8.3.1).
func (m *Message) needsID() bool {
	return m.Element == MessageStanza && m.ID.IsEmpty() && m.Type != stanza.ErrorMessage
}

// newID returns an id for a message.
func (o *RequestOptions) newID() (string, error) {
	if o == nil || o.NewID == nil {
		return rand.Text(), nil
	}
	id := o.NewID()
	if !writable(id) {
		return "", fmt.Errorf("%w: id %q", ErrValue, id)
	}
	return id, nil
}

// AppendAsked is [Ask] for bytes: it appends to dst what the stanza becomes. It returns
// what the message says now; its Kind is KindRequest if it asks.
//
// The error wraps [ErrSyntax], [ErrLimit] or [ErrValue]; it wraps [ErrNoRequest] if
// the message asks already and must not. dst is then returned as it was. The bytes of
// dst and of stanza must not overlap; the result's texts are parts of what was
// appended.
func AppendAsked(dst, stanza []byte, o *RequestOptions) ([]byte, Message, error) {
	const more = len(requestChild) + len(" id=''") + 26 // and the letters of an id
	before := len(dst)
	out := append(slices.Grow(dst, len(stanza)+more), stanza...)
	var l layout
	m, err := scanStanza(out[before:], &l)
	if err != nil {
		return dst, Message{}, err
	}
	edits, err := l.ask(&m, stanza, o)
	if err != nil {
		return dst, Message{}, err
	}
	if len(edits) == 0 {
		return out, m, nil
	}
	out = splice(out[:before], stanza, edits)
	if m, err = Scan(out[before:]); err != nil { // what was added is too much
		return dst, Message{}, err
	}
	return out, m, nil
}

const requestChild = "<request xmlns='" + NS + "'/>"

// ask returns the edits that make a message ask.
func (l *layout) ask(m *Message, stanza []byte, o *RequestOptions) ([]edit, error) {
	var edits []edit
	may := m.MayAsk(o)
	if may != nil && m.Kind.Has(KindRequest) {
		return nil, may
	}
	if m.needsID() {
		id, err := o.newID()
		if err != nil {
			return nil, err
		}
		edits = append(edits, l.identify(id))
	}
	if may == nil && !m.Kind.Has(KindRequest) {
		edits = append(edits, l.insert(stanza, requestChild))
	}
	return edits, nil
}

// identify returns the edit that gives the stanza an id, in place of an empty one if
// there is one.
func (l *layout) identify(id string) edit {
	if l.id.from > 0 {
		return edit{span{l.id.from - 1, l.id.to + 1}, quoted(id)}
	}
	return edit{span{l.name, l.name}, " id=" + quoted(id)}
}
