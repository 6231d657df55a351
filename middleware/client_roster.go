// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"fmt"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"
)

const nsRoster = "jabber:iq:roster"

// LoadRoster asks the server for the roster and tells the Responder, without which it does
// nothing; pushes are followed by the Handler. The handler does not get the answer. A
// roster of more than MaxStanza is not seen.
//
// It waits for the answer, until ctx or the session ends, and is not for use in a handler.
// The error wraps a stanza.Error if the server refuses, or is one of those of Send.
func (c *Client) LoadRoster(ctx context.Context) error {
	if c.responder == nil {
		return nil
	}
	iq := stanza.IQ{ID: rand.Text(), Type: stanza.GetIQ} // which nobody but the server gets to know
	query := xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: nsRoster, Local: "query"}})
	e, err := encode(c.asClient(iq.Wrap(query)))
	if err != nil {
		return err
	}
	defer e.release()
	k, q := key{receipts.IQStanza, iq.ID}, &question{answer: make(chan []byte, 1)}
	if err := c.waiting.add(k, q); err != nil {
		return err
	}
	defer c.waiting.remove(k, q)
	if err := c.queue.putWithin(ctx, e.bytes, nil); err != nil {
		return err
	}
	select {
	case raw, ok := <-q.answer:
		if !ok {
			return ErrClosed
		}
		return refusal(raw)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answered shows an IQ to the roster, and reports whether LoadRoster waits for it.
func (c *Client) answered(raw []byte) bool {
	c.responder.Roster().Receive(raw)
	return c.waiting.take(raw)
}

// refusal returns the error that an answer to an IQ is, if it is one.
func refusal(raw []byte) error {
	r := newAnswer(raw)
	token, err := r.Token()
	if err != nil {
		return fmt.Errorf("middleware: %w", err)
	}
	start, _ := token.(xml.StartElement)
	if _, err := stanza.UnmarshalIQError(r, start); err != nil {
		return fmt.Errorf("middleware: %w", err)
	}
	return nil
}
