// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"bytes"
	"encoding/xml"
	"unicode/utf8"

	"mellium.im/xmpp/stanza"
)

// Beyond these an element is not plain. They are well below those of package
// receipts, and above what chat clients send.
const (
	plainDepth      = 16
	plainAttributes = 16
	plainSize       = 256 << 10
)

const (
	nsXML   = "http://www.w3.org/XML/1998/namespace"
	nsXMLNS = "http://www.w3.org/2000/xmlns/"
)

// A plain writes an element token by token, to the same bytes as receipts.Encode
// but at a fraction of its cost. That is for nearly all of them: it does not take
// tokens that are wrong or rare, which are for receipts.Encode to judge.
type plain struct {
	bytes   []byte
	open    []level
	pending bool // the last start tag lacks its end
	whole   bool // the element has ended
}

// A level is an element that is open.
type level struct {
	name  xml.Name // as the token said
	space string   // the namespace that it is in
}

// reset makes p ready for the next element.
func (p *plain) reset() {
	p.bytes, p.open, p.pending, p.whole = p.bytes[:0], p.open[:0], false, false
}

// add writes a token, which is not used afterwards. If it reports false nothing
// has changed.
func (p *plain) add(token xml.Token) bool {
	if p.whole {
		return false
	}
	switch t := token.(type) {
	case xml.StartElement:
		return p.start(&t)
	case xml.EndElement:
		return p.end(t.Name)
	case xml.CharData:
		return p.text(t)
	}
	return false
}

// start writes a start tag up to its end.
func (p *plain) start(t *xml.StartElement) bool {
	outer := stanza.NSClient
	if n := len(p.open); n > 0 {
		outer = p.open[n-1].space
	}
	space := t.Name.Space
	if space == "" {
		space = outer
	}
	if len(p.open) == plainDepth || len(p.bytes) > plainSize || !isPlainName(t.Name.Local) ||
		!isPlainSpace(space) || !hasPlainAttributes(t) {
		return false
	}
	b, ok := p.bytes, true
	if p.pending {
		b = append(b, '>')
	}
	b = append(append(b, '<'), t.Name.Local...)
	if space != outer {
		if b, ok = appendAttribute(b, "xmlns", space); !ok {
			return false
		}
	}
	for i := range t.Attr {
		a := &t.Attr[i]
		if a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		name := a.Name.Local
		if a.Name.Space == nsXML {
			name = "xml:lang"
		}
		if b, ok = appendAttribute(b, name, a.Value); !ok {
			return false
		}
	}
	p.bytes, p.pending = b, true
	p.open = append(p.open, level{t.Name, space})
	return true
}

// end writes an end tag.
func (p *plain) end(name xml.Name) bool {
	last := len(p.open) - 1
	if last < 0 || p.open[last].name != name {
		return false
	}
	if p.pending {
		p.bytes = append(p.bytes, "/>"...)
	} else {
		p.bytes = append(append(append(p.bytes, "</"...), name.Local...), '>')
	}
	p.open, p.pending, p.whole = p.open[:last], false, last == 0
	return true
}

// text writes character data. White space before the element is passed over.
func (p *plain) text(data []byte) bool {
	if len(p.open) == 0 {
		return len(bytes.TrimLeft(data, " \t\r\n")) == 0
	}
	if len(data) == 0 {
		return true
	}
	b := p.bytes
	if p.pending {
		b = append(b, '>')
	}
	b, ok := appendPlain(b, data, inText)
	if !ok || len(b) > plainSize {
		return false
	}
	p.bytes, p.pending = b, false
	return true
}

// tokens returns the tokens that were written so far. Those of elements that are
// open have the names with which they came, as their end tags will.
func (p *plain) tokens() (list []xml.Token) {
	if p.pending {
		p.bytes, p.pending = append(p.bytes, '>'), false
	}
	d := xml.NewDecoder(bytes.NewReader(p.bytes))
	d.DefaultSpace = stanza.NSClient
	var open []int
	for {
		token, err := d.Token()
		if err != nil { // the end: what was written is well-formed
			break
		}
		switch token.(type) {
		case xml.StartElement:
			open = append(open, len(list))
		case xml.EndElement:
			open = open[:len(open)-1]
		}
		list = append(list, xml.CopyToken(token))
	}
	for i, at := range open {
		start := list[at].(xml.StartElement)
		start.Name = p.open[i].name
		list[at] = start
	}
	return list
}

// isPlainSpace reports whether elements can be in a namespace without more ado.
// That of servers becomes that of clients, which is for others.
func isPlainSpace(space string) bool {
	switch space {
	case stanza.NSServer, nsXML, nsXMLNS, "xmlns":
		return false
	}
	return true
}

// hasPlainAttributes reports whether a tag has no attributes that need a prefix,
// but for xml:lang, and none twice.
func hasPlainAttributes(t *xml.StartElement) bool {
	if len(t.Attr) > plainAttributes {
		return false
	}
	for i := range t.Attr {
		a := &t.Attr[i]
		switch {
		case a.Name.Space == nsXML:
			if a.Name.Local != "lang" {
				return false
			}
		case a.Name.Space != "", !isPlainName(a.Name.Local):
			return false
		case a.Name.Local == "xmlns" && (a.Value == "" || a.Value != t.Name.Space):
			return false
		}
		for j := range i {
			if t.Attr[j].Name == a.Name {
				return false
			}
		}
	}
	return true
}

// isPlainName reports whether a name is one in ASCII.
func isPlainName(name string) bool {
	if name == "" {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return true
}

// appendAttribute appends an attribute to a tag.
func appendAttribute(b []byte, name, value string) ([]byte, bool) {
	b = append(append(append(b, ' '), name...), "='"...)
	b, ok := appendPlain(b, []byte(value), inAttribute)
	return append(b, '\''), ok
}

// What is to be done about a byte.
const (
	inText      = 1 << iota // escape it in text
	inAttribute             // and in attributes
	beyond                  // it is a part of a character beyond ASCII
	rare                    // it is one that XML can not carry, or may be a part of one
)

// escapes holds what is written for bytes that can not stand for themselves.
var escapes = [256]string{
	'&': "&amp;", '<': "&lt;", '>': "&gt;", '\'': "&apos;", '"': "&quot;",
	'\r': "&#xD;", '\n': "&#xA;", '\t': "&#x9;",
}

var classes = func() (class [256]uint8) {
	for c := range class {
		switch {
		case c >= utf8.RuneSelf:
			class[c] = beyond
		case c < ' ':
			class[c] = rare
		}
	}
	class[0xEF] = rare // where U+FFFE and U+FFFF are
	for _, c := range "&<>\r" {
		class[c] = inText | inAttribute
	}
	for _, c := range "'\"\n\t" {
		class[c] = inAttribute
	}
	return class
}()

// appendPlain appends text, or the value of an attribute, so that decoding gives
// the same again. It reports false if there are characters that need a closer look.
func appendPlain(b, text []byte, where uint8) ([]byte, bool) {
	done, all := 0, uint8(0)
	for i, c := range text {
		class := classes[c]
		if class == 0 {
			continue
		}
		all |= class
		if class&where != 0 {
			b = append(append(b, text[done:i]...), escapes[c]...)
			done = i + 1
		}
	}
	if all&rare != 0 || all&beyond != 0 && !utf8.Valid(text) {
		return b, false
	}
	return append(b, text[done:]...), true
}
