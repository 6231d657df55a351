// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package wire

import (
	"encoding/xml"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/ping"
	"mellium.im/xmpp/stanza"
)

// Answer is what a client answers to a request, a ping for instance, or nil if
// that wants no answer.
func Answer(iq Element) xml.TokenReader {
	_, pinged := iq.Child(ping.NS, "ping")
	_, discovered := iq.Child(disco.NSInfo, "query")
	switch {
	case iq.Get("type") == "get" && pinged:
		return Result(iq, nil)
	case iq.Get("type") == "get" && discovered:
		return Result(iq, xmlstream.Wrap(
			xmlstream.MultiReader(
				info.Identity{Category: "client", Type: "phone"}.TokenReader(),
				info.Feature{Var: NSReceipts}.TokenReader(),
				info.Feature{Var: ping.NS}.TokenReader(),
				info.Feature{Var: disco.NSInfo}.TokenReader(),
			),
			xml.StartElement{Name: xml.Name{Space: disco.NSInfo, Local: "query"}},
		))
	}
	return Refusal(iq)
}

// IsRequest reports whether a stanza wants an Answer.
func IsRequest(e Element) bool {
	kind := e.Get("type")
	return e.Start().Name.Local == "iq" && (kind == "get" || kind == "set")
}

// Result is the answer to a request.
func Result(iq Element, payload xml.TokenReader) xml.TokenReader {
	to, _ := jid.Parse(iq.Get("from"))
	from, _ := jid.Parse(iq.Get("to"))
	return stanza.IQ{ID: iq.Get("id"), Type: stanza.ResultIQ, To: to, From: from}.Wrap(payload)
}

// Refusal is the error that answers a stanza, or nil if it wants no answer.
func Refusal(s Element) xml.TokenReader {
	to, _ := jid.Parse(s.Get("from"))
	from, _ := jid.Parse(s.Get("to"))
	problem := stanza.Error{Type: stanza.Cancel, Condition: stanza.ServiceUnavailable}.TokenReader()
	kind := s.Get("type")
	switch {
	case kind == "error" || kind == string(stanza.ResultIQ):
		return nil
	case s.Start().Name.Local == "iq":
		return stanza.IQ{ID: s.Get("id"), Type: stanza.ErrorIQ, To: to, From: from}.Wrap(problem)
	}
	return stanza.Message{ID: s.Get("id"), Type: stanza.ErrorMessage, To: to, From: from}.Wrap(problem)
}
