// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

// Digest returns a number that is the same for two copies of one message, and
// different, as good as always, for two messages that use the same id. It is the same in
// every process and on every machine.
//
// What counts is the stanza's id, from, to and type, and the names, attributes and texts
// of its children; how they are written does not: prefixes, quotes, the order of
// attributes, references. It passes over what servers add on the way, or take away:
// delay stamps, stanza ids, hints, other attributes of the stanza, white space between
// its children, and whether the stream is one of clients or of servers. It is no
// protection against somebody who wants two messages to look alike.
//
// The error wraps [ErrSyntax], [ErrLimit] or [ErrNotStanza].
func Digest(stanza []byte) (uint64, error) {
	s := scan(stanza)
	d := digester{hash: hashStart}
	for s.next() {
		d.note(s)
	}
	err := s.err
	s.release()
	switch {
	case err != nil:
		return 0, err
	case d.outer.Element == Other:
		return 0, ErrNotStanza
	}
	return uint64(d.hash), nil
}

// onTheWay are the children that servers add to a message or take out of it, next to
// all hints.
var onTheWay = map[childName]bool{
	{nsDelay, "delay"}:         true,
	{nsOldDelay, "x"}:          true,
	{nsIDs, "stanza-id"}:       true,
	{nsArchiveOld, "archived"}: true,
	{nsOffline, "offline"}:     true,
	{nsCarbons, "private"}:     true,
}

// A digester makes a digest of the tags of a stanza, and of the text between them.
type digester struct {
	outer   Message
	hash    hash
	passing bool // the direct child that is open does not count
	done    int  // where the text begins that comes before the next tag
}

// note takes in the tag that s has found, and the text before it.
func (d *digester) note(s *scanner) {
	text := s.data[d.done:s.tag.from]
	d.done = s.tag.to
	inside := s.level // of how many elements the text is a part
	if !s.closing {
		inside--
	}
	if inside > 1 && !d.passing {
		d.hash.text(text)
	}
	switch {
	case !s.closing && s.level == 1:
		d.stanza(s)
	case !s.closing && s.level == 2 && passedOver(s):
		d.passing = !s.empty
	case d.passing:
		d.passing = !s.closing || s.level > 2
	case s.closing && s.level > 1:
		d.hash.mark(markEnd)
	case !s.closing:
		d.element(s)
	}
}

// passedOver reports whether a direct child does not count.
func passedOver(s *scanner) bool {
	space := s.space()
	return string(space) == nsHints || onTheWay[childName{string(space), string(s.local(s.name))}]
}

// stanza takes in the stanza's own tag.
func (d *digester) stanza(s *scanner) {
	d.outer.scanOpen(s)
	d.hash.bytes(s.local(s.name))
	for _, value := range [...]Text{d.outer.ID, d.outer.From, d.outer.To} {
		d.hash.mark(markValue)
		d.hash.value(value)
	}
	d.hash.mark(markValue)
	if d.outer.Element == MessageStanza {
		d.hash.bytes([]byte(d.outer.Type))
	} else {
		d.hash.value(s.text(s.value("type")))
	}
}

// element takes in the start tag of another element.
func (d *digester) element(s *scanner) {
	d.hash.mark(markStart)
	d.hash.name(s.space(), s.local(s.name))
	var all hash // of the attributes, in whatever order they come
	for i := range s.count {
		a := &s.attributes[i]
		name := string(s.part(a.name.span))
		if name == "xmlns" || string(s.prefix(a.name)) == "xmlns" {
			continue
		}
		one := hash(hashStart)
		if a.name.local > a.name.from {
			space, _ := s.lookup(s.prefix(a.name))
			one.bytes(space)
		}
		one.mark(markValue)
		one.bytes(s.local(a.name))
		one.mark(markValue)
		one.value(s.text(a.value))
		all += one
	}
	d.hash.number(uint64(all))
	if s.empty {
		d.hash.mark(markEnd)
	}
}
