// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package router

import (
	"bytes"
	"encoding/xml"
	"strings"
)

// A condition is the error that answers a stanza (RFC 6120 §8.3.3).
type condition struct{ kind, name string }

var (
	badRequest         = condition{"modify", "bad-request"}
	internalError      = condition{"wait", "internal-server-error"}
	itemNotFound       = condition{"cancel", "item-not-found"}
	jidMalformed       = condition{"modify", "jid-malformed"}
	notAcceptable      = condition{"modify", "not-acceptable"}
	notAllowed         = condition{"cancel", "not-allowed"}
	remoteNotFound     = condition{"cancel", "remote-server-not-found"}
	resourceConstraint = condition{"wait", "resource-constraint"}
	serviceUnavailable = condition{"cancel", "service-unavailable"}
)

// escaped returns text for XML, in elements and between apostrophes.
func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes all
	return b.String()
}

// tag returns a stanza. Attributes come as names and values, and those without a value are
// left out; payload is XML.
func tag(name, payload string, attributes ...string) []byte {
	var b bytes.Buffer
	b.WriteString("<" + name)
	for i := 0; i < len(attributes); i += 2 {
		if attributes[i+1] != "" {
			b.WriteString(" " + attributes[i] + "='" + escaped(attributes[i+1]) + "'")
		}
	}
	if payload == "" {
		b.WriteString("/>")
	} else {
		b.WriteString(">" + payload + "</" + name + ">")
	}
	return b.Bytes()
}

// with returns a stanza with one more attribute, which it must not have yet.
func with(raw []byte, name, value string) []byte {
	at := bytes.IndexAny(raw, " />")
	if at < 0 {
		return raw
	}
	attribute := " " + name + "='" + escaped(value) + "'"
	return append(append(append(make([]byte, 0, len(raw)+len(attribute)), raw[:at]...), attribute...), raw[at:]...)
}

// refuse answers a stanza with an error. Nothing answers an error or a result (RFC 6120
// §8.3.1), nor a receipt: senders have no use for that.
func (c *Client) refuse(s *sent, why condition) {
	if s.kind == errorType || s.name == "iq" && s.kind == "result" || isReceipt(s) {
		return
	}
	payload := "<error type='" + why.kind + "'><" + why.name + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
	c.write(tag(s.name, payload, "type", errorType, "id", s.id, "from", s.toText, "to", c.full))
}

// answer answers an IQ with a result. payload is XML.
func (c *Client) answer(s *sent, payload string) {
	c.write(tag("iq", payload, "type", "result", "id", s.id, "from", s.toText, "to", c.full))
}
