// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"sync"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// waiting are the stanzas whose senders wait for an answer.
type waiting struct {
	mu    sync.Mutex
	byKey map[key]*question
	over  bool
}

// A key is what an answer has in common with its question.
type key struct {
	element receipts.Element
	id      string
}

// A question waits for its answer.
type question struct {
	from   string // who asked, as in the stanza; "" if it did not say
	answer chan []byte
}

// add notes a question.
func (w *waiting) add(k key, q *question) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return ErrClosed
	}
	if w.byKey == nil {
		w.byKey = make(map[key]*question)
	}
	w.byKey[k] = q
	return nil
}

// remove forgets a question.
func (w *waiting) remove(k key, q *question) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byKey[k] == q {
		delete(w.byKey, k)
	}
}

// finish ends every wait.
func (w *waiting) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	for k, q := range w.byKey {
		close(q.answer)
		delete(w.byKey, k)
	}
}

// take hands an answer to whoever waits for it, and reports whether somebody
// does. It does not use raw afterwards.
func (w *waiting) take(raw []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.byKey) == 0 {
		return false
	}
	m, err := receipts.Scan(raw)
	if err != nil {
		return false
	}
	k := key{m.Element, m.ID.String()}
	q, ok := w.byKey[k]
	if !ok || !isAnswer(&m, raw) || !sameAddress(q.from, m.To.String()) {
		return false
	}
	delete(w.byKey, k)
	q.answer <- bytes.Clone(raw)
	return true
}

// isAnswer reports whether a stanza answers another one.
func isAnswer(m *receipts.Message, raw []byte) bool {
	switch m.Element {
	case receipts.IQStanza:
		return m.Marks.Has(receipts.Answer)
	case receipts.MessageStanza:
		return m.Type == stanza.ErrorMessage
	case receipts.PresenceStanza: // Scan does not tell its type
		token, _ := xml.NewDecoder(bytes.NewReader(raw)).Token()
		start, _ := token.(xml.StartElement)
		return attribute(start, "type") == string(stanza.ErrorPresence)
	}
	return false
}

// attribute returns the value of an attribute that is in no namespace.
func attribute(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// sameAddress reports whether an answer to the address to can be one to from.
// The client may leave out its own server's or account's address.
func sameAddress(from, to string) bool {
	if from == to || from == "" || to == "" {
		return true
	}
	a, err := jid.Parse(from)
	b, err2 := jid.Parse(to)
	return err == nil && err2 == nil && a.Equal(b)
}

// An answer reads the tokens of an answer out of its bytes.
type answer struct{ *xml.Decoder }

// Close implements io.Closer.
func (answer) Close() error { return nil }

func newAnswer(raw []byte) answer {
	d := xml.NewDecoder(bytes.NewReader(raw))
	d.DefaultSpace = stanza.NSClient
	return answer{d}
}

// ask sends a stanza with the given name and waits for the answer.
func (s *Session) ask(ctx context.Context, r xml.TokenReader, name string, e receipts.Element) (xmlstream.TokenReadCloser, error) {
	sent, err := encode(r)
	if err != nil {
		return nil, err
	}
	defer sent.release()
	if !isStanza(sent.name) || sent.name.Local != name {
		return nil, fmt.Errorf("middleware: element is %q, expected %q", sent.name.Local, name)
	}
	if sent.kind == "error" || name == "iq" && sent.kind == string(stanza.ResultIQ) {
		return nil, s.send(ctx, sent) // an answer itself
	}
	k, q := key{e, sent.id}, &question{from: sent.from, answer: make(chan []byte, 1)}
	if err := s.waiting.add(k, q); err != nil {
		return nil, err
	}
	defer s.waiting.remove(k, q)
	if err := s.send(ctx, sent); err != nil {
		return nil, err
	}
	select {
	case raw, ok := <-q.answer:
		if !ok {
			return nil, ErrClosed
		}
		return newAnswer(raw), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// askValue is ask for the XML encoding of v.
func (s *Session) askValue(ctx context.Context, v any, name string, e receipts.Element) (xmlstream.TokenReadCloser, error) {
	r, err := readerOf(v, xml.StartElement{})
	if err != nil {
		return nil, fmt.Errorf("middleware: %w", err)
	}
	return s.ask(ctx, r, name, e)
}
