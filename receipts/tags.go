// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"bytes"

	"mellium.im/xmpp/stanza"
)

// readName reads the name of an element or attribute.
func (s *scanner) readName(from, limit int) qualified {
	data := s.data[:limit]
	name := qualified{local: from}
	at, class := from, uint8(0)
	for at < len(data) {
		c := nameByte[data[at]]
		if c == 0 {
			if data[at] != ':' || name.local > from {
				break
			}
			name.local = at + 1
		}
		class |= c
		at++
	}
	name.span = span{from, at}
	if !s.starts(from, at) || name.local > from && !s.starts(name.local, at) {
		s.fail(ErrSyntax, "a name is missing", from)
	} else if class&beyond != 0 && !s.validNames(name) {
		s.fail(ErrSyntax, "a name has characters that it may not have", from)
	}
	return name
}

// blank returns the first place at or after from that is no white space.
func blank(data []byte, from int) int {
	for from < len(data) && isSpace[data[from]] {
		from++
	}
	return from
}

// starts reports whether a name may begin at a place that is before limit.
func (s *scanner) starts(at, limit int) bool {
	return at < limit && nameByte[s.data[at]]&startName != 0
}

// validNames takes the closer look at a name with characters beyond ASCII.
func (s *scanner) validNames(name qualified) bool {
	if name.local > name.from && !validName(string(s.prefix(name))) {
		return false
	}
	return validName(string(s.local(name)))
}

// readAttribute reads one attribute and returns where it ends.
// The set seen tells which names are surely new.
func (s *scanner) readAttribute(from, limit int, seen *uint64) int {
	if s.count == MaxAttributes {
		s.fail(ErrLimit, "an element has too many attributes", from)
		return limit
	}
	data := s.data[:limit]
	a := &s.attributes[s.count]
	at := plainName(data, from)
	if at > from && at+1 < len(data) && data[at] == '=' && isQuote(data[at+1]) {
		a.name = qualified{span{from, at}, from} // as nearly always
		at++
	} else if at = s.readUnusual(a, from, limit); s.err != nil {
		return limit
	}
	n := bytes.IndexByte(data[at+1:], data[at])
	if n < 0 {
		s.fail(ErrSyntax, "the value of an attribute does not end", from)
		return limit
	}
	a.value = span{at + 1, at + 1 + n}
	if s.ampersand < a.value.to {
		s.references(a.value.from, a.value.to)
	}
	s.keep(a, seen)
	return a.value.to + 1
}

// readUnusual reads an attribute up to its value, the first quote of which is
// where it ends, if the name has a prefix or letters beyond ASCII, or white space
// behind it, or if anything is wrong.
func (s *scanner) readUnusual(a *attribute, from, limit int) int {
	data := s.data[:limit]
	a.name = s.readName(from, limit)
	at := blank(data, a.name.to)
	if s.err == nil && (at == len(data) || data[at] != '=') {
		s.fail(ErrSyntax, "an attribute has no value", from)
	}
	at = blank(data, at+1)
	if s.err == nil && (at >= len(data) || !isQuote(data[at])) {
		s.fail(ErrSyntax, "the value of an attribute is not quoted", from)
	}
	return at
}

// plainName returns where the name ends that begins at from, if it has only
// characters of ASCII and no prefix, or else a place before.
func plainName(data []byte, from int) int {
	at := from
	if at < len(data) && nameByte[data[at]]&(startName|beyond) == startName {
		for at < len(data) && nameByte[data[at]]&(inName|beyond) == inName {
			at++
		}
	}
	return at
}

// isQuote reports whether a value may begin and end with c.
func isQuote(c byte) bool { return c == '\'' || c == '"' }

// keep adds the attribute behind those of the tag to them.
func (s *scanner) keep(a *attribute, seen *uint64) {
	name := s.data[a.name.from:a.name.to]
	bit := uint64(1) << ((uint(len(name)) + uint(name[0])) & 63)
	if *seen&bit != 0 && s.has(name) {
		s.fail(ErrSyntax, "an attribute is there twice", a.name.from)
		return
	}
	*seen |= bit
	s.count++
	switch {
	case string(name) == "xmlns":
		s.declare(span{}, a.value)
	case a.name.local > a.name.from:
		if string(s.prefix(a.name)) == "xmlns" {
			s.declare(span{a.name.local, a.name.to}, a.value)
		} else {
			s.prefixed++
		}
	}
}

// has reports whether the tag has an attribute of this very name.
func (s *scanner) has(name []byte) bool {
	for i := range s.count {
		if string(s.part(s.attributes[i].name.span)) == string(name) {
			return true
		}
	}
	return false
}

// declare binds a prefix within the element whose tag is being read.
func (s *scanner) declare(prefix, value span) {
	if s.declared == MaxDeclarations {
		s.fail(ErrLimit, "too many namespaces are declared", value.from)
		return
	}
	d := &s.declarations[s.declared]
	d.prefix, d.space, d.level = prefix, value, s.level
	if space := s.part(value); special(space) < len(space) {
		d.decoded = s.text(value).AppendTo(make([]byte, 0, len(space)))
	}
	s.declared++
	if reason := declarable(s.part(prefix), s.bound(d)); reason != "" {
		s.fail(ErrSyntax, reason, value.from)
	}
}

// bound returns the namespace of a declaration.
func (s *scanner) bound(d *declaration) []byte {
	if d.decoded != nil {
		return d.decoded
	}
	return s.part(d.space)
}

// forget ends the scope of the declarations of an element.
func (s *scanner) forget(level int) {
	for s.declared > 0 && s.declarations[s.declared-1].level >= level {
		s.declared--
		s.declarations[s.declared].decoded = nil
	}
}

// The namespaces that are in force before the stanza begins.
var (
	defaultSpace = []byte(stanza.NSClient)
	xmlSpace     = []byte(nsXML)
	streamSpace  = []byte(nsStream)
)

// lookup returns the namespace that a prefix is bound to.
func (s *scanner) lookup(prefix []byte) ([]byte, bool) {
	for i := s.declared - 1; i >= 0; i-- {
		if d := &s.declarations[i]; string(s.part(d.prefix)) == string(prefix) {
			return s.bound(d), true
		}
	}
	switch string(prefix) {
	case "":
		return defaultSpace, true
	case "xml":
		return xmlSpace, true
	case "stream":
		return streamSpace, true
	}
	return nil, false
}

// checkPrefixes checks the prefixes of attributes, and that no two attributes
// have the same name once the prefixes are replaced (Namespaces in XML §6.3).
func (s *scanner) checkPrefixes() {
	for i := range s.count {
		a := &s.attributes[i]
		if a.name.local == a.name.from || string(s.prefix(a.name)) == "xmlns" {
			continue
		}
		space, ok := s.lookup(s.prefix(a.name))
		if !ok {
			s.fail(ErrSyntax, "a prefix is not declared", a.name.from)
			return
		}
		if s.prefixed > 1 && s.hasExpanded(s.attributes[:i], space, s.local(a.name)) {
			s.fail(ErrSyntax, "an attribute is there twice", a.name.from)
			return
		}
	}
}

// hasExpanded reports whether an attribute in some namespace is among those
// given, whose prefixes are all declared.
func (s *scanner) hasExpanded(among []attribute, space, local []byte) bool {
	for i := range among {
		name := among[i].name
		if name.local == name.from || string(s.local(name)) != string(local) {
			continue
		}
		other, ok := s.lookup(s.prefix(name))
		if ok && string(other) == string(space) {
			return true
		}
	}
	return false
}

// part returns the bytes of a part of the stanza.
func (s *scanner) part(p span) []byte { return s.data[p.from:p.to] }

// prefix returns the prefix of a name, without its colon.
func (s *scanner) prefix(name qualified) []byte {
	return s.data[name.from:max(name.from, name.local-1)]
}

// text returns the part of the stanza that is the value of an attribute.
func (s *scanner) text(p span) Text { return Text{raw: s.part(p)} }

// local returns the local part of a name.
func (s *scanner) local(name qualified) []byte { return s.data[name.local:name.to] }

// space returns the namespace of the element that the tag begins.
func (s *scanner) space() []byte {
	space, _ := s.lookup(s.prefix(s.name))
	return space
}

// value returns where the value of the tag's attribute of this name is, without
// its quotes, or an empty span that begins at 0 if it has none.
func (s *scanner) value(name string) span {
	for i := range s.count {
		if string(s.part(s.attributes[i].name.span)) == name {
			return s.attributes[i].value
		}
	}
	return span{}
}
