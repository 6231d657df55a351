// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// A relay is the naive server that the others are measured against: mellium negotiates and
// parses, each stanza is encoded once and written at once to whom it is for, and nothing is
// kept. It has no limits, no presence, no errors and no offline messages, and a client that
// stops reading stops all who write to it.
type relay struct {
	mutex   sync.RWMutex
	clients map[string]*relayed // by bare address
}

// A relayed is a client of a relay.
type relayed struct {
	session *xmpp.Session
	full    string
	mutex   sync.Mutex // of writes
}

// runRelay is a relay at an address until its input ends. It says where it listens.
func runRelay(address string, in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, in) // an error is an end
		listener.Close()
	}()
	r := &relay{clients: make(map[string]*relayed)}
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go r.serve(conn)
	}
}

// serve serves one client until its stream ends, however it does.
func (r *relay) serve(conn net.Conn) {
	defer conn.Close()
	c := &relayed{}
	if err := c.negotiate(conn); err != nil {
		return
	}
	bare, _, _ := strings.Cut(c.full, "/")
	r.mutex.Lock()
	r.clients[bare] = c
	r.mutex.Unlock()
	reader := c.session.TokenReader()
	defer reader.Close()
	w := &stanzaWriter{from: c.full}
	for w.read(reader) == nil {
		r.route(c, w)
	}
}

// negotiate has mellium let the client in, whatever its password.
func (c *relayed) negotiate(conn net.Conn) (err error) {
	var user string
	authenticate := func(n *sasl.Negotiator) bool {
		name, _, _ := n.Credentials()
		user = string(name)
		return true
	}
	bind := func(_ jid.JID, resource string) (jid.JID, error) {
		bound, err := jid.New(user, domain, resource)
		c.full = bound.String()
		return bound, err
	}
	c.session, err = xmpp.ReceiveSession(context.Background(), conn, xmpp.Secure, xmpp.NewNegotiator(
		func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: []xmpp.StreamFeature{xmpp.SASLServer(authenticate, sasl.Plain), xmpp.BindCustom(bind)}}
		}))
	return err
}

// route writes a message to its recipient, and answers what is asked of the server.
func (r *relay) route(c *relayed, w *stanzaWriter) {
	switch {
	case w.name == "message":
		bare, _, _ := strings.Cut(w.to, "/")
		r.mutex.RLock()
		recipient := r.clients[bare]
		r.mutex.RUnlock()
		if recipient != nil {
			recipient.write(w.bytes)
		}
	case w.name == "iq" && (w.kind == "get" || w.kind == "set"):
		c.write(fmt.Appendf(nil, "<iq type='result' id='%s'/>", w.id))
	}
}

// write writes a stanza. A client that has gone misses it.
func (c *relayed) write(stanza []byte) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	_, _ = c.session.Conn().Write(stanza)
}

// A stanzaWriter makes bytes of a stanza's tokens as they come, from its client's address.
type stanzaWriter struct {
	from               string
	name, to, id, kind string
	bytes              []byte
	spaces             []string // of the elements that are open
}

// read reads the next stanza.
func (w *stanzaWriter) read(r xml.TokenReader) error {
	w.bytes, w.spaces, w.name, w.to, w.id, w.kind = w.bytes[:0], w.spaces[:0], "", "", "", ""
	for w.name == "" || len(w.spaces) > 0 {
		token, err := r.Token()
		switch t := token.(type) {
		case xml.StartElement:
			w.start(t)
		case xml.EndElement:
			w.spaces = w.spaces[:len(w.spaces)-1]
			w.bytes = append(append(append(w.bytes, "</"...), t.Name.Local...), '>')
		case xml.CharData:
			if len(w.spaces) > 0 {
				_ = xml.EscapeText(w, t) // w takes all
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Write implements io.Writer.
func (w *stanzaWriter) Write(text []byte) (int, error) {
	w.bytes = append(w.bytes, text...)
	return len(text), nil
}

// start adds a start tag.
func (w *stanzaWriter) start(t xml.StartElement) {
	outer := "jabber:client"
	if n := len(w.spaces); n > 0 {
		outer = w.spaces[n-1]
	}
	w.bytes = append(append(w.bytes, '<'), t.Name.Local...)
	if t.Name.Space != outer {
		w.attribute("xmlns", t.Name.Space)
	}
	for _, a := range t.Attr {
		if a.Name.Local != "xmlns" && a.Name.Space == "" && (len(w.spaces) > 0 || a.Name.Local != "from") {
			w.attribute(a.Name.Local, a.Value)
		}
		if len(w.spaces) == 0 {
			w.note(a)
		}
	}
	if len(w.spaces) == 0 {
		w.name = t.Name.Local
		w.attribute("from", w.from)
	}
	w.bytes = append(w.bytes, '>')
	w.spaces = append(w.spaces, t.Name.Space)
}

// note takes note of what the stanza says of itself.
func (w *stanzaWriter) note(a xml.Attr) {
	switch a.Name.Local {
	case "to":
		w.to = a.Value
	case "id":
		w.id = a.Value
	case "type":
		w.kind = a.Value
	}
}

func (w *stanzaWriter) attribute(name, value string) {
	w.bytes = append(append(append(w.bytes, ' '), name...), "='"...)
	_ = xml.EscapeText(w, []byte(value)) // w takes all
	w.bytes = append(w.bytes, '\'')
}
