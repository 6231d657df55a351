// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"context"
	"encoding/xml"
	"errors"

	"github.com/untilack/untilack"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"
)

// A sender is the way of what a handler writes.
type sender interface {
	send(ctx context.Context, e element) error
}

// A replier is what a handler reads from and writes to.
type replier struct {
	l   *link
	way sender
	xml.TokenReader
	out       xmlstream.TokenReadEncoder // the embedded session's
	id        string                     // of the IQ that wants an answer
	asked     bool
	holds     bool      // the lock of the embedded session, until the handler returns
	next      *outgoing // the element that is written; nil: none was begun
	answering bool      // the element that is written is the answer to the IQ
	collected collector // its tokens
}

// question notes the id of an IQ that wants an answer.
func (w *replier) question(start *xml.StartElement) {
	kind := attribute(*start, "type")
	if start.Name.Local == "iq" && (kind == string(stanza.GetIQ) || kind == string(stanza.SetIQ)) {
		w.id, w.asked = attribute(*start, "id"), true
	}
}

// EncodeToken implements xmlstream.TokenWriter.
func (w *replier) EncodeToken(t xml.Token) error {
	if w.asked && !w.answering && (w.next == nil || w.next.isEmpty()) {
		w.answering = w.answers(t)
	}
	if w.answering {
		whole, err := w.collected.add(t)
		if err != nil || !whole {
			return err
		}
		w.answering = false
		return w.answer(w.collected.take())
	}
	if w.next == nil {
		w.next = newOutgoing()
	}
	whole, err := w.next.add(t)
	if err != nil || !whole {
		return err
	}
	e, err := w.next.finish()
	w.next = nil
	if err != nil {
		return err
	}
	defer e.release()
	return w.send(e)
}

// Encode implements xmlstream.Encoder.
func (w *replier) Encode(v any) error { return w.EncodeElement(v, xml.StartElement{}) }

// EncodeElement implements xmlstream.Encoder.
func (w *replier) EncodeElement(v any, start xml.StartElement) error {
	r, err := readerOf(v, start)
	if err != nil {
		return err
	}
	_, err = xmlstream.Copy(w, r)
	return err
}

// answers reports whether an element that begins with t answers the IQ that is
// being handled.
func (w *replier) answers(t xml.Token) bool {
	start, ok := t.(xml.StartElement)
	if !ok || !isStanza(start.Name) || start.Name.Local != "iq" || attribute(start, "id") != w.id {
		return false
	}
	kind := attribute(start, "type")
	return kind != string(stanza.GetIQ) && kind != string(stanza.SetIQ)
}

// answer writes the answer to an IQ by way of the embedded session, which would
// answer itself otherwise. It comes after what was queued before.
func (w *replier) answer(list []xml.Token) error {
	if !w.holds {
		w.l.queue.awaitWritten()
		w.l.queue.hold(true)
	}
	w.holds = true
	for _, t := range list {
		if start, ok := t.(xml.StartElement); ok {
			start.Attr = withoutDeclarations(start.Attr)
			t = start
		}
		if err := w.out.EncodeToken(t); err != nil {
			return err
		}
	}
	return nil
}

// withoutDeclarations leaves out what encoding/xml would write in the form of
// nonsense.
func withoutDeclarations(attrs []xml.Attr) []xml.Attr {
	kept := attrs[:0]
	for _, a := range attrs {
		if a.Name.Space != "xmlns" {
			kept = append(kept, a)
		}
	}
	return kept
}

// send sends an element. That the queue is full holds up the client whose stanza
// is handled, and nobody else.
func (w *replier) send(e element) error {
	for {
		err := w.way.send(context.Background(), e)
		if w.holds || !errors.Is(err, untilack.ErrBusy) {
			return err
		}
		w.l.queue.awaitRoom(context.Background(), len(e.bytes))
	}
}
