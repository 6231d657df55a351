// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"encoding/xml"
	"slices"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"
)

// Ask returns an [xmlstream.Transformer] that gives an id to every message that has
// none and is no error, and adds a request as the last child of those for which
// [Message.MayAsk] allows it and that do not have one. An id that is there is never
// changed, and neither is anything else: what is forwarded inside of a message stays
// as it is.
//
// Each outermost element is taken as a stanza, also if it has no namespace yet, as with
// mellium's own stanzas:
//
//	session.Send(ctx, receipts.Ask(nil)(message.Wrap(body)))
//
// An id that can not be written is an error that wraps [ErrValue].
func Ask(o *RequestOptions) xmlstream.Transformer {
	return func(r xml.TokenReader) xml.TokenReader {
		a := asker{options: o}
		return xmlstream.ReaderFunc(func() (xml.Token, error) { return a.next(r) })
	}
}

// An asker has the messages ask that pass by.
type asker struct {
	options *RequestOptions
	level   int
	message Message
	queue   []xml.Token // what comes before the next token
	err     error       // what comes after the queue
}

// next returns the next token.
func (a *asker) next(r xml.TokenReader) (xml.Token, error) {
	if len(a.queue) > 0 {
		token := a.queue[0]
		a.queue = a.queue[1:]
		return token, nil
	}
	if err := a.err; err != nil {
		a.err = nil
		return nil, err
	}
	token, err := r.Token()
	switch t := token.(type) {
	case xml.StartElement:
		a.level++
		start, failed := a.start(t)
		if failed != nil {
			return nil, failed
		}
		return start, err
	case xml.EndElement:
		if a.end() {
			a.queue = []xml.Token{xml.EndElement{Name: requestName}, t}
			a.err = err
			return xml.StartElement{Name: requestName}, nil
		}
	}
	return token, err
}

// start takes in a start tag and returns what becomes of it.
func (a *asker) start(t xml.StartElement) (xml.StartElement, error) {
	named := t
	switch a.level {
	case 1:
		a.message = Message{}
		if named.Name.Space == "" {
			named.Name.Space = stanza.NSClient
		}
		a.message.readOpen(named)
		return a.identify(t)
	case 2:
		if named.Name.Space == "" {
			named.Name.Space = a.message.space
		}
		a.message.readChild(named)
	}
	return t, nil
}

// identify gives a message an id if it needs one.
func (a *asker) identify(t xml.StartElement) (xml.StartElement, error) {
	if !a.message.needsID() {
		return t, nil
	}
	id, err := a.options.newID()
	if err != nil {
		return t, err
	}
	name := xml.Name{Local: "id"}
	t.Attr = slices.DeleteFunc(slices.Clone(t.Attr), func(a xml.Attr) bool { return a.Name == name })
	t.Attr = append(t.Attr, xml.Attr{Name: name, Value: id})
	return t, nil
}

// end takes in an end tag and reports whether a request goes before it.
func (a *asker) end() bool {
	last := a.level == 1
	a.level = max(a.level-1, 0)
	return last && !a.message.Kind.Has(KindRequest) && a.message.MayAsk(a.options) == nil
}
