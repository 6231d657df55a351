// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"encoding/xml"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"
)

// AppendRequest appends to dst the stanza with a request for a receipt as its
// last child if [Message.MayRequest] allows it, and otherwise without any change.
//
// The error wraps [ErrSyntax] or [ErrLimit]; dst is then returned as it was. What
// is added may bring a stanza that is just within the limits beyond them.
// The bytes of dst and of stanza must not overlap.
func AppendRequest(dst, stanza []byte) ([]byte, error) {
	var l layout
	m, err := scanStanza(stanza, &l)
	if err != nil {
		return dst, err
	}
	if !m.MayRequest() {
		return append(dst, stanza...), nil
	}
	const child = "<request xmlns='" + NS + "'/>"
	return splice(dst, stanza, []edit{l.insert(stanza, child)}), nil
}

// InsertRequest is an [xmlstream.Transformer] that adds a request for a receipt
// as the last child of every message for which [Message.MayRequest] allows it.
//
// Each outermost element that r gives is taken as a stanza, also if it has no
// namespace yet as with mellium's own stanzas. Whatever is forwarded inside of
// one stays as it is, and so does everything else.
// The id has to be there before: a session that adds one adds it too late.
func InsertRequest(r xml.TokenReader) xml.TokenReader {
	a := asker{}
	return xmlstream.ReaderFunc(func() (xml.Token, error) { return a.next(r) })
}

// An asker adds requests to the messages that pass by.
type asker struct {
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
		a.start(t)
	case xml.EndElement:
		if a.end() {
			a.queue = []xml.Token{xml.EndElement{Name: requestName}, t}
			a.err = err
			return xml.StartElement{Name: requestName}, nil
		}
	}
	return token, err
}

// start takes in a start tag.
func (a *asker) start(t xml.StartElement) {
	switch a.level {
	case 1:
		a.message = Message{}
		if t.Name.Space == "" {
			t.Name.Space = stanza.NSClient
		}
		a.message.readOpen(t)
	case 2:
		if t.Name.Space == "" {
			t.Name.Space = a.message.space
		}
		a.message.readChild(t)
	}
}

// end takes in an end tag and reports whether a request goes before it.
func (a *asker) end() bool {
	last := a.level == 1
	a.level = max(a.level-1, 0)
	return last && a.message.MayRequest()
}

var _ xmlstream.Transformer = InsertRequest
