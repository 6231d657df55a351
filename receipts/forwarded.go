// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"errors"
	"time"

	"mellium.im/xmpp/stanza"
)

// ErrNotForwarded is returned when a stanza holds no forwarded message.
var ErrNotForwarded = errors.New("receipts: nothing is forwarded")

// A Forwarded is a message inside of a carbon copy (XEP-0280) or of a result from an
// archive (XEP-0313).
type Forwarded struct {
	// From is the sender of the wrapper. Unless it is empty or the own account's
	// bare address, the whole is a forgery (XEP-0280 §11, XEP-0313 §8.2).
	From Text
	// Sent is set for the copy of a message that the account itself has sent from
	// another client.
	Sent bool
	// Archived is set for a result from an archive.
	Archived bool
	// Query is the query's id that a result from an archive is for.
	Query Text
	// Stamp is when the message was received first; zero if nobody says.
	Stamp time.Time
	// Stanza is the message's bytes, made anew if they need declarations of the
	// wrapper's. Otherwise they are a part of the wrapper's bytes, as the texts are.
	Stanza []byte
}

// Unwrap returns the message that a carbon copy or an archive's result holds. One
// level is taken off: what is forwarded inside of that stays where it is. Of several
// messages it is the first one.
//
// It says nothing about who made the wrapper: compare [Forwarded.From] before
// believing anything of it. Errors, which may echo a wrapper, hold nothing.
//
// The error wraps [ErrNotForwarded], [ErrSyntax] or [ErrLimit].
func Unwrap(stanza []byte) (Forwarded, error) {
	s := scan(stanza)
	u := unwrapper{}
	for s.next() {
		u.note(s)
	}
	err := s.err
	s.release()
	if err != nil {
		return Forwarded{}, err
	}
	return u.result(stanza)
}

// An unwrapper looks for the forwarded message among the tags of a stanza.
type unwrapper struct {
	outer     Message
	found     Forwarded
	wrapper   bool // the direct child that came last is a carbon copy or a result
	forwarded bool // and what came last in it is what forwards
	message   span // from its first tag to its last one
	name      int  // where the name in its first tag ends
	declared  string
}

// note takes in the tag that s has found.
func (u *unwrapper) note(s *scanner) {
	if s.closing {
		if s.level == 4 && u.message.from > 0 && u.message.to == 0 {
			u.message.to = s.tag.to
		}
		return
	}
	switch s.level {
	case 1:
		u.outer.scanOpen(s)
	case 2:
		u.wrapper = u.outer.isMessage() && u.wraps(s)
	case 3:
		u.forwarded = u.wrapper && s.is(nsForward, "forwarded")
	case 4:
		if u.forwarded {
			u.content(s)
		}
	}
}

// isMessage reports whether the stanza is a message that is no error.
func (m *Message) isMessage() bool {
	return m.Element == MessageStanza && m.Type != stanza.ErrorMessage
}

// wraps takes in a direct child, and reports whether it is a carbon copy or a result
// and the first one that holds anything.
func (u *unwrapper) wraps(s *scanner) bool {
	if u.message.from > 0 {
		return false
	}
	found := Forwarded{From: u.outer.From}
	switch marks := u.outer.meaning(s.space(), s.local(s.name)); {
	case marks.Has(Carbon):
		found.Sent = string(s.local(s.name)) == "sent"
	case marks.Has(Archived):
		found.Archived = true
		found.Query = s.text(s.value("queryid"))
	default:
		return false
	}
	u.found = found
	return true
}

// content takes in a child of what forwards.
func (u *unwrapper) content(s *scanner) {
	switch {
	case s.is(nsDelay, "delay"):
		at, err := time.Parse(time.RFC3339, s.text(s.value("stamp")).String())
		if err == nil && u.found.Stamp.IsZero() {
			u.found.Stamp = at.UTC()
		}
	case u.message.from > 0 || s.name.local > s.name.from: // RFC 6120 §4.8.5
	case string(s.local(s.name)) == "message" && contentSpace(s.space()) != "":
		u.message.from, u.name = s.tag.from, s.name.to
		if s.empty {
			u.message.to = s.tag.to
		}
		u.declared = s.inherited()
	}
}

// result returns what was found.
func (u *unwrapper) result(stanza []byte) (Forwarded, error) {
	if u.message.to == 0 {
		return Forwarded{}, ErrNotForwarded
	}
	u.found.Stanza = stanza[u.message.from:u.message.to:u.message.to]
	if u.declared != "" {
		at := u.name - u.message.from
		u.found.Stanza = splice(nil, u.found.Stanza, []edit{{span{at, at}, u.declared}})
	}
	return u.found, nil
}

// is reports whether the tag's element has this name.
func (s *scanner) is(space, local string) bool {
	return string(s.local(s.name)) == local && string(s.space()) == space
}

// inherited returns the declarations that the element whose start tag was read needs to
// stand alone: those around it that it has not replaced, but for the default namespace
// of a stream of clients. It fails if they are too many for one tag.
func (s *scanner) inherited() string {
	var text string
	count := s.count
	for i := s.declared - 1; i >= 0; i-- {
		d := &s.declarations[i]
		prefix, space := string(s.part(d.prefix)), string(s.bound(d))
		switch {
		case d.level == s.level || s.redeclared(i):
			continue
		case prefix == "" && space == stanza.NSClient:
			continue
		case prefix == "":
			text += " xmlns=" + quoted(space)
		default:
			text += " xmlns:" + prefix + "=" + quoted(space)
		}
		count++
	}
	if count > MaxAttributes {
		s.fail(ErrLimit, "an element needs too many attributes", s.tag.from)
	}
	return text
}

// redeclared reports whether a later declaration has taken the place of the i-th one.
func (s *scanner) redeclared(i int) bool {
	prefix := s.part(s.declarations[i].prefix)
	for j := i + 1; j < s.declared; j++ {
		if string(s.part(s.declarations[j].prefix)) == string(prefix) {
			return true
		}
	}
	return false
}
