// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"bytes"
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"slices"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"
)

// An element is a whole top-level element in bytes.
type element struct {
	name  xml.Name
	id    string // of a stanza
	kind  string // the stanza's type
	from  string
	bytes []byte
}

// encode reads the next element of r into memory, before any byte of it is
// written: a reader that fails in the middle must not leave half a stanza in the
// client's stream. Stanzas without an id get one here, above the session that
// would add it too late for the Keeper (XEP-0184 §7).
func encode(r xml.TokenReader) (element, error) {
	p := &preparer{r: r}
	raw, err := receipts.Encode(p)
	if err != nil {
		return element{}, fmt.Errorf("middleware: %w", err)
	}
	p.element.bytes = raw
	return p.element, nil
}

// A preparer makes a stream's element of the one that it reads.
type preparer struct {
	r       xml.TokenReader
	element element
	depth   int
	client  int // how many of the open elements, from the outermost one, were put into the clients' namespace
}

// Token implements xml.TokenReader.
func (p *preparer) Token() (xml.Token, error) {
	token, err := p.r.Token()
	switch t := token.(type) {
	case xml.StartElement:
		p.depth++
		if p.depth == 1 {
			t = p.open(t)
		}
		if t.Name.Space == stanza.NSServer && p.client == p.depth-1 {
			t.Name.Space = stanza.NSClient
			p.client++
		}
		token = t
	case xml.EndElement:
		if p.client == p.depth && t.Name.Space == stanza.NSServer {
			t.Name.Space = stanza.NSClient
			p.client--
		}
		p.depth--
		token = t
	}
	return token, err
}

// open prepares the outermost tag.
func (p *preparer) open(t xml.StartElement) xml.StartElement {
	p.element.name = t.Name
	if !isStanza(t.Name) {
		return t
	}
	attrs := make([]xml.Attr, 0, len(t.Attr)+1)
	for _, a := range t.Attr {
		if a.Name.Space == "" {
			switch a.Name.Local {
			case "id":
				p.element.id = a.Value
			case "type":
				p.element.kind = a.Value
			case "from":
				p.element.from = a.Value
			}
			if a.Value == "" && (a.Name.Local == "id" || a.Name.Local == "from") {
				continue
			}
		}
		attrs = append(attrs, a)
	}
	if p.element.id == "" {
		p.element.id = rand.Text()
		attrs = append(attrs, xml.Attr{Name: xml.Name{Local: "id"}, Value: p.element.id})
	}
	t.Attr = attrs
	return t
}

// isStanza reports whether an element with that name is a stanza. One without a
// namespace takes that of the stream.
func isStanza(name xml.Name) bool {
	switch name.Space {
	case "", stanza.NSClient, stanza.NSServer:
		return name.Local == "message" || name.Local == "iq" || name.Local == "presence"
	}
	return false
}

// readerOf returns a reader of the element that v stands for. With a start that
// has a name, the element has that name, and its attributes as well.
func readerOf(v any, start xml.StartElement) (xml.TokenReader, error) {
	var r xml.TokenReader
	switch value := v.(type) {
	case xmlstream.WriterTo:
		var c collector
		if _, err := value.WriteXML(&c); err != nil {
			return nil, err
		}
		r = &tokens{list: c.list}
	case xmlstream.Marshaler:
		r = value.TokenReader()
	case xml.TokenReader:
		r = value
	default:
		return marshal(v, start)
	}
	if start.Name.Local == "" {
		return r, nil
	}
	return rename(r, start), nil
}

// marshal encodes a value that knows nothing of tokens.
func marshal(v any, start xml.StartElement) (xml.TokenReader, error) {
	var b bytes.Buffer
	e := xml.NewEncoder(&b)
	err := error(nil)
	if start.Name.Local == "" {
		err = e.Encode(v)
	} else {
		err = e.EncodeElement(v, start)
	}
	if err != nil {
		return nil, err
	}
	return xml.NewDecoder(&b), nil
}

// rename gives the element that r reads another outermost tag.
func rename(r xml.TokenReader, start xml.StartElement) xml.TokenReader {
	depth := 0
	return xmlstream.ReaderFunc(func() (xml.Token, error) {
		token, err := r.Token()
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth == 1 {
				own := slices.DeleteFunc(slices.Clone(t.Attr), func(a xml.Attr) bool {
					return a.Name.Local == "xmlns" || slices.ContainsFunc(start.Attr, func(b xml.Attr) bool { return a.Name == b.Name })
				})
				token = xml.StartElement{Name: start.Name, Attr: append(slices.Clone(start.Attr), own...)}
			}
		case xml.EndElement:
			if depth--; depth == 0 {
				token = start.End()
			}
		}
		return token, err
	})
}
