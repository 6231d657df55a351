// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import "mellium.im/xmpp/stanza"

// The namespaces of the elements that this package knows.
const (
	nsComponent  = "jabber:component:accept"
	nsHints      = "urn:xmpp:hints"
	nsCarbons    = "urn:xmpp:carbons:2"
	nsRoom       = "http://jabber.org/protocol/muc#user"
	nsArchive0   = "urn:xmpp:mam:0"
	nsArchive1   = "urn:xmpp:mam:1"
	nsArchive2   = "urn:xmpp:mam:2"
	nsOffline    = "http://jabber.org/protocol/offline"
	nsStates     = "http://jabber.org/protocol/chatstates"
	nsEncryption = "urn:xmpp:eme:0"
	nsAxolotl    = "eu.siacs.conversations.axolotl"
	nsOMEMO1     = "urn:xmpp:omemo:1"
	nsOMEMO2     = "urn:xmpp:omemo:2"
	nsDelay      = "urn:xmpp:delay"
	nsRules      = "http://jabber.org/protocol/amp"
	nsMarkers    = "urn:xmpp:chat-markers:0"
	nsIDs        = "urn:xmpp:sid:0"
	nsExpire     = "jabber:x:expire"
	nsNick       = "http://jabber.org/protocol/nick"
	nsForward    = "urn:xmpp:forward:0"
	nsOldDelay   = "jabber:x:delay"
	nsArchiveOld = "urn:xmpp:mam:tmp"
)

// The namespaces that are bound without a declaration in the stanza.
const (
	nsXML    = "http://www.w3.org/XML/1998/namespace"
	nsXMLNS  = "http://www.w3.org/2000/xmlns/"
	nsStream = "http://etherx.jabber.org/streams"
)

// contentSpace returns the namespace space if it is that of the stanzas of some
// kind of stream (RFC 6120 §4.8.3, XEP-0114), and "" otherwise.
func contentSpace(space []byte) string {
	switch string(space) {
	case stanza.NSClient:
		return stanza.NSClient
	case stanza.NSServer:
		return stanza.NSServer
	case nsComponent:
		return nsComponent
	}
	return ""
}

// declarable returns what is wrong with binding prefix to space, or "".
// An empty prefix stands for the default namespace.
func declarable(prefix, space []byte) string {
	switch {
	case string(prefix) == "xmlns":
		return "the prefix xmlns is declared"
	case (string(prefix) == "xml") != (string(space) == nsXML):
		return "the prefix xml and its namespace belong together"
	case string(space) == nsXMLNS:
		return "the namespace of declarations is declared"
	case len(space) == 0 && len(prefix) > 0:
		return "a prefix is bound to no namespace"
	case string(space) == "xmlns":
		// In decoded tokens its attributes look like declarations.
		return "a namespace is called xmlns"
	}
	return ""
}
