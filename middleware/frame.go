// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"bytes"

	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"
)

// nsFraming is the namespace of <open/> and <close/> (RFC 7395 §3.3.2).
const nsFraming = "urn:ietf:params:xml:ns:xmpp-framing"

// appendFrame appends to dst a stanza as a WebSocket message of its own. There
// the stream's declarations are not in force (RFC 7395 §3.3.3), so the stanza
// makes them itself, as far as it does not already.
func appendFrame(dst, raw []byte) []byte {
	raw = bytes.Trim(raw, " \t\r\n")
	name, space, prefix := rootTag(raw)
	dst = append(dst, raw[:name]...)
	if !space {
		dst = append(dst, " xmlns='"+stanza.NSClient+"'"...)
	}
	if !prefix && bytes.Contains(raw, []byte("stream:")) {
		dst = append(dst, " xmlns:stream='"+stream.NS+"'"...)
	}
	return append(dst, raw[name:]...)
}

// rootTag returns where the name in the first tag ends, and whether the tag
// declares the default namespace and the prefix "stream".
func rootTag(raw []byte) (name int, space, prefix bool) {
	name = bytes.IndexAny(raw, " \t\r\n/>")
	if name < 0 {
		return len(raw), true, true
	}
	rest := raw[name:]
	for {
		rest = bytes.TrimLeft(rest, " \t\r\n")
		equals := bytes.IndexByte(rest, '=')
		if len(rest) == 0 || rest[0] == '>' || rest[0] == '/' || equals < 0 {
			return name, space, prefix
		}
		switch string(bytes.TrimRight(rest[:equals], " \t\r\n")) {
		case "xmlns":
			space = true
		case "xmlns:stream":
			prefix = true
		}
		rest = bytes.TrimLeft(rest[equals+1:], " \t\r\n")
		if len(rest) == 0 {
			return name, space, prefix
		}
		end := bytes.IndexByte(rest[1:], rest[0])
		if end < 0 {
			return name, space, prefix
		}
		rest = rest[end+2:]
	}
}
