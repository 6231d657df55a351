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
	"sync"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"
)

// An element is a whole top-level element in bytes.
type element struct {
	head
	bytes []byte
	used  *outgoing // what the bytes are a part of, if they are to be used again
}

// A head is what the tag of an element says.
type head struct {
	name xml.Name
	id   string // of a stanza
	kind string // the stanza's type
	from string
}

// release gives back the memory of an element that nobody uses any more.
func (e *element) release() {
	if o := e.used; o != nil {
		e.used, e.bytes = nil, nil
		o.release()
	}
}

// encode reads the next element of r into memory, before any byte of it is
// written: a reader that fails in the middle must not leave half a stanza in the
// client's stream. Stanzas without an id get one here, above the session that
// would add it too late for the Keeper (XEP-0184 §7).
func encode(r xml.TokenReader) (element, error) {
	o := newOutgoing()
	for {
		token, err := r.Token()
		if token == nil || !o.take(token) {
			// The rest is for those who tell what is wrong with it.
			rest := resumed{list: o.plain.tokens(), token: token, err: err, r: r}
			o.release()
			return encodeAll(&rest)
		}
		if o.plain.whole {
			return o.element(), nil
		}
	}
}

// encodeAll is encode for every element there may be.
func encodeAll(r xml.TokenReader) (element, error) {
	p := &preparer{r: r}
	raw, err := receipts.Encode(p)
	if err != nil {
		return element{}, fmt.Errorf("middleware: %w", err)
	}
	return element{head: p.head, bytes: raw}, nil
}

// A resumed is a reader of which something was read already.
type resumed struct {
	list  []xml.Token
	token xml.Token // what was read last, and
	err   error     // the error that came with it
	r     xml.TokenReader
	done  bool
}

// Token implements xml.TokenReader.
func (r *resumed) Token() (xml.Token, error) {
	if len(r.list) > 0 {
		token := r.list[0]
		r.list = r.list[1:]
		return token, nil
	}
	if !r.done {
		r.done = true
		return r.token, r.err
	}
	return r.r.Token()
}

// An outgoing makes an element of the tokens that are added to it.
type outgoing struct {
	plain plain
	head  head
	rest  collector // the tokens, if they are not plain
	rare  bool      // whether they are not
}

// outgoings keeps memory in use.
var outgoings = sync.Pool{New: func() any { return new(outgoing) }}

func newOutgoing() *outgoing { return outgoings.Get().(*outgoing) }

func (o *outgoing) release() {
	if cap(o.plain.bytes) > maxPooled {
		return
	}
	o.plain.reset()
	o.head, o.rest, o.rare = head{}, collector{}, false
	outgoings.Put(o)
}

// isEmpty reports whether nothing was added yet.
func (o *outgoing) isEmpty() bool { return len(o.plain.open) == 0 && !o.rare }

// add adds a copy of a token, and reports whether it was the last of an element.
func (o *outgoing) add(t xml.Token) (whole bool, err error) {
	if !o.rare && o.take(t) {
		return o.plain.whole, nil
	}
	if !o.rare {
		o.rare = true
		o.rest.resume(o.plain.tokens(), len(o.plain.open))
	}
	return o.rest.add(t)
}

// take adds a token if it is plain.
func (o *outgoing) take(t xml.Token) bool {
	start, ok := t.(xml.StartElement)
	if !ok || len(o.plain.open) > 0 {
		return o.plain.add(t)
	}
	o.head.name = start.Name
	if isStanza(start.Name) {
		start.Attr = o.head.prepare(start.Attr)
	}
	return o.plain.start(&start)
}

// finish returns the element, after the last token of it was added. It must not
// be used any more, but for the element.
func (o *outgoing) finish() (element, error) {
	if !o.rare {
		return o.element(), nil
	}
	list := o.rest.take()
	o.release()
	return encodeAll(&tokens{list: list})
}

func (o *outgoing) element() element {
	return element{head: o.head, bytes: o.plain.bytes, used: o}
}

// A preparer makes a stream's element of the one that it reads.
type preparer struct {
	r      xml.TokenReader
	head   head
	depth  int
	client int // how many of the open elements, from the outermost one, were put into the clients' namespace
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
	p.head = head{name: t.Name}
	if isStanza(t.Name) {
		t.Attr = p.head.prepare(t.Attr)
	}
	return t
}

// prepare notes what a stanza's tag says, and returns its attributes without those
// that are empty and may not be, and with an id.
func (h *head) prepare(attrs []xml.Attr) []xml.Attr {
	fits := true // as they are
	for _, a := range attrs {
		if a.Name.Space == "" {
			switch a.Name.Local {
			case "id":
				h.id = a.Value
			case "type":
				h.kind = a.Value
			case "from":
				h.from = a.Value
			}
			fits = fits && !isVoid(a)
		}
	}
	if fits && h.id != "" {
		return attrs
	}
	prepared := slices.DeleteFunc(slices.Clone(attrs), isVoid)
	if h.id == "" {
		h.id = rand.Text()
		prepared = append(prepared, xml.Attr{Name: xml.Name{Local: "id"}, Value: h.id})
	}
	return prepared
}

// isVoid reports whether an attribute says nothing where it has to say something.
func isVoid(a xml.Attr) bool {
	return a.Value == "" && a.Name.Space == "" && (a.Name.Local == "id" || a.Name.Local == "from")
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
