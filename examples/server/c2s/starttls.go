// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package c2s

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"io"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
)

const nsTLS = "urn:ietf:params:xml:ns:xmpp-tls"

// startTLS is STARTTLS (RFC 6120 §5). It is our own because a gate has to come between TLS
// and the parser, and has to be told that what comes next is no XML. On loopback a client may
// go without.
func (l *login) startTLS() xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       xml.Name{Space: nsTLS, Local: "starttls"},
		Prohibited: xmpp.Secure | xmpp.Authn,
		List: func(_ context.Context, w xmlstream.TokenWriter, start xml.StartElement) (required bool, err error) {
			var inner xml.TokenReader
			if !l.local {
				inner = xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Local: "required"}})
			}
			_, err = xmlstream.Copy(w, xmlstream.Wrap(inner, start))
			return !l.local, err
		},
		Negotiate: func(context.Context, *xmpp.Session, any) (xmpp.SessionState, io.ReadWriter, error) {
			if !l.gate.Raw() { // RFC 6120 §5.3.2: nothing said in the clear counts afterwards
				return 0, nil, violation("said in the clear after STARTTLS")
			}
			if _, err := io.WriteString(l.conn, "<proceed xmlns='"+nsTLS+"'/>"); err != nil {
				return 0, nil, err
			}
			l.secure = true
			l.over(tls.Server(l.gate, l.server.TLS))
			return xmpp.Secure, l.conn, nil
		},
	}
}
