// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import "mellium.im/xmpp/stanza"

// A layout says where the parts of a stanza are that can be changed.
type layout struct {
	stanza span      // from its first tag to its last one
	empty  bool      // it is a single tag
	name   int       // where the name in its first tag ends
	from   span      // the value of its attribute from, which begins at 0 if it has none
	id     span      // the same for its id
	close  int       // where its content ends, or would stand
	scopes []span    // the values that give content the namespace of another kind of stream
	delays []delayed // its delay stamps, in order

	content string // the namespace of the stanza
	inside  int    // how many of the open elements are content, from the stanza on
	delay   bool   // the last of the delay stamps is open
}

// A delayed is a delay stamp in a stanza.
type delayed struct {
	span
	from span // the value of its attribute from, empty if it has none
}

// note takes in the tag that s has found.
func (l *layout) note(s *scanner) {
	if s.closing {
		l.closing(s)
		return
	}
	switch s.level {
	case 1:
		l.opening(s)
	case 2:
		if string(s.local(s.name)) == "delay" && string(s.space()) == nsDelay {
			l.delays = append(l.delays, delayed{s.tag, s.value("from")})
			l.delay = !s.empty
		}
	}
	l.scope(s)
}

// opening takes in the first tag.
func (l *layout) opening(s *scanner) {
	l.stanza, l.empty, l.name = s.tag, s.empty, s.name.to
	l.content = contentSpace(s.space())
	l.from, l.id = s.value("from"), s.value("id")
	l.close = s.tag.to
	if s.empty {
		l.close -= len("/>")
	}
}

// closing takes in an end tag.
func (l *layout) closing(s *scanner) {
	l.inside = min(l.inside, s.level-1)
	switch {
	case s.level == 1:
		l.close, l.stanza.to = s.tag.from, s.tag.to
	case s.level == 2 && l.delay:
		l.delays[len(l.delays)-1].to = s.tag.to
		l.delay = false
	}
}

// scope finds where the namespace of the content is declared: on the stanza, and
// maybe once more on its children and on theirs, but not inside of extensions
// (RFC 6120 §4.8.3).
func (l *layout) scope(s *scanner) {
	if s.level != l.inside+1 || s.name.local > s.name.from || string(s.space()) != l.content {
		return
	}
	if !s.empty {
		l.inside = s.level
	}
	if declared := s.value("xmlns"); declared.from > 0 && l.content != stanza.NSClient {
		l.scopes = append(l.scopes, declared)
	}
}
