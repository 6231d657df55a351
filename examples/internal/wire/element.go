// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package wire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"

	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/websocket"
)

// No stanza of this demonstration comes near these limits. They keep a peer
// that never closes its element from filling the memory.
const (
	maxTokens = 4096
	maxText   = 256 << 10
)

var errTooLarge = errors.New("wire: stanza too large")

// An Element is one whole XML element, usually a stanza, as its tokens.
type Element []xml.Token

// ReadElement reads the next whole element and skips the white space before it.
// It returns io.EOF when the other side has ended its stream, over TCP as over
// WebSocket.
func ReadElement(r xml.TokenReader) (Element, error) {
	var e Element
	depth, size := 0, 0
	for {
		token, err := r.Token()
		if token == nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 {
				continue
			}
			size += len(t)
		}
		e = append(e, xml.CopyToken(token))
		switch {
		case len(e) > maxTokens || size > maxText:
			return nil, errTooLarge
		case depth == 0 && e.Start().Name.Space == websocket.NS:
			return nil, io.EOF
		case depth == 0:
			return e, nil
		}
	}
}

// Start returns the outermost start tag.
func (e Element) Start() xml.StartElement {
	start, _ := e[0].(xml.StartElement)
	return start
}

// Get returns the value of an attribute of the outermost start tag.
func (e Element) Get(name string) string { return Attribute(e.Start(), name) }

// Set gives an attribute of the outermost start tag a value.
func (e Element) Set(name, value string) {
	start := e.Start()
	attributes := []xml.Attr{{Name: xml.Name{Local: name}, Value: value}}
	for _, a := range start.Attr {
		if a.Name.Space != "" || a.Name.Local != name {
			attributes = append(attributes, a)
		}
	}
	start.Attr = attributes
	e[0] = start
}

// Child returns the start tag of the first child with the given name.
func (e Element) Child(space, local string) (start xml.StartElement, ok bool) {
	depth := 0
	for _, token := range e {
		switch t := token.(type) {
		case xml.StartElement:
			if depth == 1 && t.Name == (xml.Name{Space: space, Local: local}) {
				return t, true
			}
			depth++
		case xml.EndElement:
			depth--
		}
	}
	return xml.StartElement{}, false
}

// Encode returns e as bytes, to be written in one piece: a stanza in several
// writes would be several WebSocket messages, and half a stanza if one fails.
//
// The decoder keeps a namespace both in the name and as an xmlns attribute, and
// the encoder would write it twice, so only the name is left, and an element in
// the namespace of its parent goes without.
func (e Element) Encode() ([]byte, error) {
	var buffer bytes.Buffer
	encoder := xml.NewEncoder(&buffer)
	namespaces := []string{""}
	var names []xml.Name
	for _, token := range e {
		switch t := token.(type) {
		case xml.StartElement:
			parent := namespaces[len(namespaces)-1]
			t.Name.Space = inherited(t.Name.Space, parent)
			namespaces = append(namespaces, t.Name.Space)
			if t.Name.Space == parent {
				t.Name.Space = ""
			}
			t.Attr = withoutNamespaces(t.Attr)
			names = append(names, t.Name)
			token = t
		case xml.EndElement:
			last := len(names) - 1
			token = xml.EndElement{Name: names[last]}
			names, namespaces = names[:last], namespaces[:last+1]
		}
		if err := encoder.EncodeToken(token); err != nil {
			return nil, err
		}
	}
	err := encoder.Flush()
	return buffer.Bytes(), err
}

// inherited returns the namespace of an element that may have been built
// without one: its parent's, or that of a client's stream.
func inherited(space, parent string) string {
	switch {
	case space != "":
		return space
	case parent != "":
		return parent
	}
	return stanza.NSClient
}

// withoutNamespaces returns the attributes that declare no namespace.
func withoutNamespaces(attributes []xml.Attr) []xml.Attr {
	var kept []xml.Attr
	for _, a := range attributes {
		if a.Name.Space != "xmlns" && (a.Name.Space != "" || a.Name.Local != "xmlns") {
			kept = append(kept, a)
		}
	}
	return kept
}

// Attribute returns the value of an attribute without a namespace.
func Attribute(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
