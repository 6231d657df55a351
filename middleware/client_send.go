// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/stanza"
)

// Send tracks the first element that r gives, and puts it into the queue: see
// [client.Tracker.Track]. It reads the whole element first; if r fails nothing is
// written. A message that waits already is written once more, with a stamp of when it was
// sent first, and the Sent that it has is returned without an error.
//
// ctx bounds the wait for room in the queue, and not the write. If a write fails, the
// session is of no more use: it is closed, Err tells why, and what was not begun to be
// written is Cancelled.
//
// An error that wraps untilack.ErrBusy means that the queue was full until ctx ended, or,
// while a handler that has begun to answer an IQ keeps everybody from writing, that it is
// full. After the end the error wraps ErrClosed. Others are those of Track, such as
// [client.ErrFull]. With any error nothing is written, and nothing waits that did not before.
func (c *Client) Send(ctx context.Context, r xml.TokenReader) (*client.Sent, error) {
	e, err := encode(c.asClient(r))
	if err != nil {
		return nil, err
	}
	defer e.release()
	return c.track(ctx, e.bytes)
}

// Encode is Send for the XML encoding of v.
func (c *Client) Encode(ctx context.Context, v any) (*client.Sent, error) {
	r, err := readerOf(v, xml.StartElement{})
	if err != nil {
		return nil, fmt.Errorf("middleware: %w", err)
	}
	return c.Send(ctx, r)
}

// asked keeps buffers in use.
var asked = sync.Pool{New: func() any { return new([]byte) }}

// track tracks a stanza and puts it into the queue.
func (c *Client) track(ctx context.Context, stanza []byte) (*client.Sent, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	buffer := asked.Get().(*[]byte)
	defer asked.Put(buffer)
	raw, sent, err := c.tracker.Track(time.Now(), (*buffer)[:0], stanza)
	if cap(raw) <= maxPooled {
		*buffer = raw
	}
	switch {
	case err == nil:
		return c.putFirst(ctx, raw, sent)
	case errors.Is(err, client.ErrDuplicate):
		return c.putAgain(ctx, raw, sent)
	case errors.Is(err, client.ErrClosed) && c.own:
		return nil, ErrClosed
	}
	return nil, fmt.Errorf("middleware: %w", err)
}

// putFirst puts a message into the queue.
func (c *Client) putFirst(ctx context.Context, raw []byte, sent *client.Sent) (*client.Sent, error) {
	if err := c.queue.putWithin(ctx, raw, sent); err != nil {
		sent.Unwritten(time.Now())
		return nil, err
	}
	c.due.hasten()
	return sent, nil
}

// putAgain puts a copy of a message that waits into the queue. The message waits while
// either may have been written.
func (c *Client) putAgain(ctx context.Context, raw []byte, sent *client.Sent) (*client.Sent, error) {
	stamp := receipts.Delay{From: c.session.LocalAddr().String(), Stamp: sent.At()}
	raw, err := receipts.AppendDelayed(nil, raw, stamp)
	if err != nil {
		sent.Unwritten(time.Now())
		return nil, fmt.Errorf("middleware: %w", err)
	}
	if err := c.queue.putWithin(ctx, raw, sent); err != nil {
		sent.Unwritten(time.Now())
		return nil, err
	}
	return sent, nil
}

// send has what a handler writes take the queue. It is not tracked.
func (c *Client) send(_ context.Context, e element) error { return c.queue.put(e.bytes) }

// asClient puts the elements that r gives, if they are in the namespace of components,
// into that of clients. Bytes in the queue are in the stream's own, and do not say which
// that is.
func (c *Client) asClient(r xml.TokenReader) xml.TokenReader {
	if !c.isComponent() {
		return r
	}
	return xmlstream.ReaderFunc(func() (xml.Token, error) {
		token, err := r.Token()
		switch t := token.(type) {
		case xml.StartElement:
			t.Name = clientName(t.Name)
			token = t
		case xml.EndElement:
			t.Name = clientName(t.Name)
			token = t
		}
		return token, err
	})
}

// isComponent reports whether the session is that of a component.
func (c *Client) isComponent() bool { return c.session.Out().XMLNS == component.NSAccept }

// clientName returns a name with the namespace of clients for that of components.
func clientName(name xml.Name) xml.Name {
	if name.Space == component.NSAccept {
		name.Space = stanza.NSClient
	}
	return name
}
