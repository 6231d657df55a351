// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"bytes"
	"encoding/xml"
	"time"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"
)

// HandleClient returns an option for a mux that takes the place of Handler, for programs
// that can have no handler around their mux. Handler is to be preferred: a mux shows what
// it is registered for, and that is messages with a receipt or a request, and errors. So
// Messages yields what asks and nothing else, there are no carbon copies and archives, no
// pushes of the roster, and LoadRoster gets no answer. Other handlers get copies as well.
// Without an Inbox a message is acknowledged before other handlers have had it. And a
// handler that has begun to write an answer must return within WriteTimeout.
//
// A mux panics if something is registered twice: mellium's own package receipts can not be
// in the same one. The option has the mux say, for service discovery, what the Responder
// says. The session's Serve is to be called, and Client.Close in the end.
func HandleClient(c *Client) mux.Option {
	return func(m *mux.ServeMux) {
		h := &muxed{c: c}
		for _, kind := range []stanza.MessageType{stanza.NormalMessage, stanza.ChatMessage, stanza.HeadlineMessage, stanza.GroupChatMessage} {
			mux.Message(kind, xml.Name{Space: receipts.NS, Local: "received"}, h)(m)
			mux.Message(kind, xml.Name{Space: receipts.NS, Local: "request"}, h)(m)
		}
		mux.Message(stanza.ErrorMessage, h.failure(), h)(m)
	}
}

// A muxed is a Client in a mux, which calls it once for each child that it is registered
// for, with the whole message each time.
type muxed struct {
	c    *Client
	raw  []byte // the last message, and
	left int    // how many more times it comes
}

var (
	_ mux.MessageHandler = (*muxed)(nil)
	_ info.FeatureIter   = (*muxed)(nil)
)

// failure is the name of the child that every error has.
func (h *muxed) failure() xml.Name { return xml.Name{Space: h.c.session.Out().XMLNS, Local: "error"} }

// HandleMessage implements mux.MessageHandler.
func (h *muxed) HandleMessage(message stanza.Message, t xmlstream.TokenReadEncoder) error {
	var all collector
	if _, err := xmlstream.Copy(&all, t); err != nil {
		return err
	}
	raw, err := receipts.Encode(&tokens{list: all.list})
	if err != nil {
		return nil // it is nothing of ours
	}
	if h.left > 0 && bytes.Equal(raw, h.raw) {
		h.left--
		return nil
	}
	h.raw, h.left = raw, h.count(message.Type, all.list)-1
	h.c.show(raw)
	return nil
}

// count returns how many children of a message the mux calls for.
func (h *muxed) count(kind stanza.MessageType, list []xml.Token) int {
	count, depth := 0, 0
	for _, token := range list {
		switch t := token.(type) {
		case xml.StartElement:
			ours := t.Name.Space == receipts.NS && (t.Name.Local == "received" || t.Name.Local == "request")
			if kind == stanza.ErrorMessage {
				ours = t.Name == h.failure()
			}
			if depth == 1 && ours {
				count++
			}
			depth++
		case xml.EndElement:
			depth--
		}
	}
	return count
}

// ForFeatures implements info.FeatureIter.
func (h *muxed) ForFeatures(node string, f func(info.Feature) error) error {
	if h.c.responder == nil {
		return nil
	}
	return h.c.responder.ForFeatures(node, f)
}

// show shows a message to Tracker and Responder, and acknowledges it unless that is for
// the loop.
func (c *Client) show(raw []byte) {
	now := time.Now()
	c.tracker.Receive(now, raw)
	m := &Message{Raw: raw, client: c}
	if c.responder != nil {
		m.arrival = c.responder.Receive(now, raw)
	}
	switch {
	case m.isCopy():
		_ = m.Ack() // as far as it can be: there may be another copy
	case c.inbox != nil:
		c.keep(m)
	default:
		m.finish()
	}
}
