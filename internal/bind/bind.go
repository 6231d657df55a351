// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package bind asks a server for a resource by its name, which mellium's own resource binding
// has no means to do. It is for examples and tests.
package bind

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"io"

	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

const ns = "urn:ietf:params:xml:ns:xmpp-bind"

// Resource is a client's resource binding (RFC 6120 §7) with a resource of its own choice.
// The server may give it another one.
func Resource(name string) xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       xml.Name{Space: ns, Local: "bind"},
		Necessary:  xmpp.Authn,
		Prohibited: xmpp.Ready,
		Parse: func(_ context.Context, d *xml.Decoder, start *xml.StartElement) (bool, any, error) {
			return true, nil, d.DecodeElement(&struct{}{}, start)
		},
		Negotiate: func(_ context.Context, session *xmpp.Session, _ any) (xmpp.SessionState, io.ReadWriter, error) {
			if err := ask(session, name); err != nil {
				return 0, nil, err
			}
			address, err := answer(session)
			if err != nil {
				return 0, nil, err
			}
			session.UpdateAddr(address)
			return xmpp.Ready, nil, nil
		},
	}
}

// A request is the IQ that asks.
type request struct {
	XMLName xml.Name `xml:"jabber:client iq"`
	Type    string   `xml:"type,attr"`
	ID      string   `xml:"id,attr"`
	Bind    struct {
		Resource string `xml:"resource"`
	} `xml:"urn:ietf:params:xml:ns:xmpp-bind bind"`
}

// ask writes the request in one piece, as a WebSocket needs it.
func ask(session *xmpp.Session, name string) error {
	r := request{Type: string(stanza.SetIQ), ID: rand.Text()}
	r.Bind.Resource = name
	raw, err := xml.Marshal(r)
	if err != nil {
		return err
	}
	lock := session.TokenWriter()
	defer lock.Close()
	if err := lock.Flush(); err != nil {
		return err
	}
	_, err = session.Conn().Write(raw)
	return err
}

// answer reads the address that the server has bound.
func answer(session *xmpp.Session) (jid.JID, error) {
	r := session.TokenReader()
	defer r.Close()
	var in struct {
		stanza.IQ
		Address jid.JID `xml:"urn:ietf:params:xml:ns:xmpp-bind bind>jid"`
	}
	if err := xml.NewTokenDecoder(r).Decode(&in); err != nil {
		return jid.JID{}, err
	}
	if in.Type != stanza.ResultIQ || in.Address.Resourcepart() == "" {
		return jid.JID{}, fmt.Errorf("bind: no resource: the server says %q", in.Type)
	}
	return in.Address, nil
}
