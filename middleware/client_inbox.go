// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"bytes"
	"context"
	"encoding/xml"
	"iter"
	"sync"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// An inbox holds messages until a loop takes them.
type inbox struct {
	waiting chan *Message

	mu    sync.Mutex
	loops int  // that take messages
	over  bool // nothing more comes
}

// newInbox returns an inbox for so many messages, or nil for none.
func newInbox(messages int) *inbox {
	if messages <= 0 {
		return nil
	}
	return &inbox{waiting: make(chan *Message, messages)}
}

// put puts a message in, and reports whether there was room for it.
func (i *inbox) put(m *Message) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over {
		return false
	}
	select {
	case i.waiting <- m:
		return true
	default:
		return false
	}
}

// end says that nothing more comes. A loop takes what is left; without one, copies of
// that count as new.
func (i *inbox) end() {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
	i.forget()
}

// enter and leave count the loops.
func (i *inbox) enter() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.loops++
}

func (i *inbox) leave() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.loops--
	i.forget()
}

// forget gives up what nobody will take.
func (i *inbox) forget() {
	if !i.over || i.loops > 0 {
		return
	}
	for {
		select {
		case m := <-i.waiting:
			m.Again()
		default:
			return
		}
	}
}

// take returns the next message, or nil when ctx ends, or the session has and there is
// no more.
func (i *inbox) take(ctx context.Context, done <-chan struct{}) *Message {
	if ctx.Err() != nil {
		return nil
	}
	select {
	case m := <-i.waiting:
		return m
	case <-ctx.Done():
		return nil
	case <-done:
	}
	select {
	case m := <-i.waiting:
		return m
	default:
		return nil
	}
}

// Messages yields the messages that come in and are neither errors, nor receipts, nor
// copies of what was seen, until ctx ends, or the session and what has come in by then.
// Each waits for its Ack, Drop or Again: call Ack when the message is safe. The handler
// gets the same messages, and may pass them over. Several loops share the messages.
//
// Serve does not wait for the loop. When the inbox is full, a message is answered with
// the error resource-constraint, of type wait, provided that the Responder would answer
// its sender, and goes no further; a copy of it counts as new. Other messages are lost
// then, and Missed alone tells.
//
// It panics without ClientOptions.Inbox.
func (c *Client) Messages(ctx context.Context) iter.Seq[*Message] {
	if c.inbox == nil {
		panic("middleware: Messages needs ClientOptions.Inbox")
	}
	return func(yield func(*Message) bool) {
		c.inbox.enter()
		defer c.inbox.leave()
		for m := c.inbox.take(ctx, c.done); m != nil && yield(m); {
			m = c.inbox.take(ctx, c.done)
		}
	}
}

// Missed returns how many messages have found the inbox full.
func (c *Client) Missed() uint64 { return c.missed.Load() }

// keep puts a message into the inbox, if it belongs there. It reports whether it goes
// further, and refuses it otherwise.
func (c *Client) keep(m *Message) bool {
	scanned, err := receipts.Scan(m.Raw)
	if err != nil || !isNews(&scanned) {
		return true
	}
	m.Raw = bytes.Clone(m.Raw)
	if c.inbox.put(m) {
		return true
	}
	c.missed.Add(1)
	m.Again()
	c.turnAway(&scanned)
	return false
}

// isNews reports whether a message is for Messages.
func isNews(m *receipts.Message) bool {
	isReceipt := m.Kind.Has(receipts.KindReceived) && !m.Marks.Has(receipts.Content)
	return m.Element == receipts.MessageStanza && m.Type != stanza.ErrorMessage && !isReceipt
}

// turnAway answers a message that there is no room for, if that tells its sender nothing
// that a receipt would not have told (XEP-0184 §8).
func (c *Client) turnAway(m *receipts.Message) {
	from, err := jid.Parse(m.From.String())
	if m.ID.IsEmpty() || !m.Marks.Has(receipts.Content) {
		return // nobody waits for an answer
	}
	if err != nil || c.responder == nil || m.Type == stanza.GroupChatMessage || !c.responder.Answers(from) {
		return
	}
	tag := xml.StartElement{Name: xml.Name{Local: "message"}, Attr: []xml.Attr{
		{Name: xml.Name{Local: "type"}, Value: string(stanza.ErrorMessage)},
		{Name: xml.Name{Local: "to"}, Value: m.From.String()},
		{Name: xml.Name{Local: "id"}, Value: m.ID.String()},
	}}
	if c.isComponent() {
		tag.Attr = append(tag.Attr, xml.Attr{Name: xml.Name{Local: "from"}, Value: m.To.String()})
	}
	reason := stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint}
	e, err := encode(xmlstream.Wrap(reason.TokenReader(), tag))
	if err != nil {
		return
	}
	defer e.release()
	_ = c.queue.put(e.bytes) // not worth more
}
