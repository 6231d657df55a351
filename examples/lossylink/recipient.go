// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"sync"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/ping"
	"mellium.im/xmpp/stanza"
)

// A recipient is an ordinary client behind the link: it answers each message
// that asks with a receipt (XEP-0184) and each ping (XEP-0199), and it knows
// nothing of any cache. It logs in anew when it is told that its link is back,
// and when its stream ends while the link is up.
type recipient struct {
	config Config
	ledger *ledger
	link   string

	// halfway is called once, when the application has read half of the messages.
	halfway func()
	half    sync.Once

	mutex   sync.Mutex
	closed  bool
	dark    bool      // the link is, and the recipient waits until it is not
	streams []*stream // the old ones too: a phone without a network closes nothing
	logins  int

	running sync.WaitGroup
}

var errClosed = errors.New("lossylink: the recipient has been closed")

// connect logs in as a new session and starts to read. It returns the full
// address.
func (r *recipient) connect(ctx context.Context) (jid.JID, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.closed {
		return jid.JID{}, errClosed
	}
	resource := "phone"
	if r.config.Resource == Different {
		r.logins++
		resource = fmt.Sprintf("phone-%d", r.logins)
	}
	number := r.ledger.noteLogin()
	sightings := &sightings{seen: func(id string) { r.ledger.noteCopy(number, id) }}
	stream, err := dial(ctx, r.link, r.config.Transport, recipientName, resource, sightings.look)
	if err != nil {
		return jid.JID{}, fmt.Errorf("the recipient cannot log in: %w", err)
	}
	r.streams = append(r.streams, stream)
	r.running.Go(func() {
		err := stream.each(func(e element) error { return r.handle(stream, e) })
		r.config.Log.Info("the recipient's stream ended", "address", stream.LocalAddr(), "error", err)
		sever(stream.conn)
		if r.missed(stream) {
			_ = r.reconnect(ctx)
		}
	})
	return stream.LocalAddr(), nil
}

// wait tells the recipient whether the link is dark.
func (r *recipient) wait(dark bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.dark = dark
}

// missed reports whether a stream that has ended needs to be replaced at once.
func (r *recipient) missed(stream *stream) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return !r.dark && stream == r.streams[len(r.streams)-1]
}

// reconnect tries to log in until it succeeds.
func (r *recipient) reconnect(ctx context.Context) error {
	for {
		_, err := r.connect(ctx)
		if err == nil || errors.Is(err, errClosed) || ctx.Err() != nil {
			return err
		}
		r.config.Log.Info("once more", "error", err)
		time.Sleep(50 * time.Millisecond)
	}
}

// handle is the application.
func (r *recipient) handle(stream *stream, e element) error {
	kind := e.get("type")
	switch {
	case e.start().Name.Local == "iq" && (kind == "get" || kind == "set"):
		return write(stream.Session, answerTo(e))
	case e.start().Name.Local != "message" || kind == "error":
		return nil
	}
	id := e.get("id")
	if r.ledger.noteRead(id, intact(e)) >= r.config.Messages/2 {
		defer r.half.Do(r.halfway)
	}
	if _, asked := e.child(nsReceipts, "request"); !asked || id == "" {
		return nil
	}
	sender, err := jid.Parse(e.get("from"))
	if err != nil {
		return err
	}
	receipt := rand.Text()
	r.ledger.noteAnswer(receipt, id)
	return write(stream.Session, stanza.Message{ID: receipt, To: sender, Type: stanza.MessageType(kind)}.Wrap(
		xmlstream.Wrap(nil, xml.StartElement{
			Name: xml.Name{Space: nsReceipts, Local: "received"},
			Attr: []xml.Attr{{Name: xml.Name{Local: "id"}, Value: id}},
		}),
	))
}

// intact reports whether a message is still what the sender wrote, but for a
// note that it was delayed.
func intact(e element) bool {
	var body string
	depth, elements, delays := 0, 0, 0
	inBody := false
	for _, token := range e {
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			inBody = depth == 2 && t.Name.Local == "body"
			if t.Name == (xml.Name{Space: "urn:xmpp:delay", Local: "delay"}) {
				delays++
			} else {
				elements++
			}
		case xml.CharData:
			if inBody {
				body += string(t)
			}
		case xml.EndElement:
			depth--
			inBody = false
		}
	}
	return body == text(e.get("id")) && e.get("type") == "chat" && elements == 3 && delays <= 1
}

// answerTo is what a client answers to a request.
func answerTo(iq element) xml.TokenReader {
	_, pinged := iq.child(ping.NS, "ping")
	_, discovered := iq.child(disco.NSInfo, "query")
	switch {
	case iq.get("type") == "get" && pinged:
		return result(iq, nil)
	case iq.get("type") == "get" && discovered:
		return result(iq, xmlstream.Wrap(
			xmlstream.MultiReader(
				info.Identity{Category: "client", Type: "phone"}.TokenReader(),
				info.Feature{Var: nsReceipts}.TokenReader(),
				info.Feature{Var: ping.NS}.TokenReader(),
				info.Feature{Var: disco.NSInfo}.TokenReader(),
			),
			xml.StartElement{Name: xml.Name{Space: disco.NSInfo, Local: "query"}},
		))
	}
	return refusal(iq)
}

func (r *recipient) close() {
	r.mutex.Lock()
	r.closed = true
	for _, stream := range r.streams {
		sever(stream.conn)
	}
	r.mutex.Unlock()
	r.running.Wait()
}
