// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/untilack/untilack/receipts"
)

// A rule row says what Scan and Read have to say about a stanza.
type row struct {
	name   string
	stanza string
	want   string
	hidden string // why Read cannot see what is wrong, if it cannot
}

const (
	illFormed = "not well-formed"
	tooMuch   = "beyond the limits"
	decoder   = "encoding/xml does not mind"
)

// rows are our own cases, by the rule that they are about.
var rows = map[string][]row{
	"R1": {
		{name: "a request in our namespace counts", stanza: `<message><request xmlns='urn:xmpp:receipts'/></message>`, want: "message normal request"},
		{name: "another name in our namespace is something else", stanza: `<message><requests xmlns='urn:xmpp:receipts'/></message>`, want: "message normal Content"},
		{name: "a longer namespace is another one", stanza: `<message><request xmlns='urn:xmpp:receipts:1'/></message>`, want: "message normal Content"},
		{name: "a namespace without its last letter is another one", stanza: `<message><request xmlns='urn:xmpp:receipt'/></message>`, want: "message normal Content"},
	},
	"R2": {
		{name: "a prefix of the parent is in force", stanza: `<message xmlns:r='urn:xmpp:receipts'><r:request/></message>`, want: "message normal request"},
		{name: "a prefix may be rebound to something else", stanza: `<message xmlns:r='urn:xmpp:receipts'><r:request xmlns:r='urn:x'/></message>`, want: "message normal Content"},
		{name: "a prefix is bound again once the other element ends", stanza: `<message xmlns:r='urn:xmpp:receipts'><r:x xmlns:r='urn:x'><r:y/></r:x><r:request/></message>`, want: "message normal request Content"},
		{name: "a prefix of an empty element ends with it", stanza: `<message xmlns:r='urn:xmpp:receipts'><r:x xmlns:r='urn:x'/><r:request/></message>`, want: "message normal request Content"},
		{name: "a declaration may come behind what uses it", stanza: `<r:message r:a='' xmlns:r='urn:x'/>`, want: "other"},
		{name: "a namespace may be written with character references", stanza: `<message><request xmlns='urn:xmpp:receipt&#115;'/></message>`, want: "message normal request"},
		{name: "a prefix may be bound by character references", stanza: `<message><r:request xmlns:r='&#x75;rn:xmpp:receipts'/></message>`, want: "message normal request"},
		{name: "a default namespace may be undeclared", stanza: `<message><x xmlns='urn:xmpp:receipts'/><y xmlns=''><request/></y></message>`, want: "message normal Content"},
		{name: "a prefix like the namespace means nothing", stanza: `<message><receipts:request xmlns:receipts='urn:x'/></message>`, want: "message normal Content"},
	},
	"R3": {
		{name: "a carbon is no receipt", stanza: `<message><received xmlns='urn:xmpp:carbons:2'/></message>`, want: "message normal Content|Carbon"},
		{name: "a chat marker before a receipt is no receipt", stanza: `<message><received xmlns='urn:xmpp:chat-markers:0' id='a'/><received xmlns='urn:xmpp:receipts' id='b'/></message>`, want: `message normal received for ["b"] Content`},
	},
	"R4": {
		{name: "a request inside of a child does not count", stanza: `<message><x xmlns='urn:x'><request xmlns='urn:xmpp:receipts'/></x></message>`, want: "message normal Content"},
		{name: "a request inside of a request does not count twice", stanza: `<message><request xmlns='urn:xmpp:receipts'><received id='a'/></request></message>`, want: "message normal request"},
		{name: "a body inside of a forwarded message is not the body", stanza: `<message><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>a</body></message></forwarded></message>`, want: "message normal Content"},
	},
	"R5": {
		{name: "a query asks for no receipt", stanza: `<iq id='a' type='get' from='b' to='c'><request xmlns='urn:xmpp:receipts'/></iq>`, want: `iq id="a" from="b" to="c"`},
		{name: "a presence asks for no receipt", stanza: `<presence id='a'><request xmlns='urn:xmpp:receipts'/></presence>`, want: `presence id="a"`},
		{name: "the result of a query is an answer", stanza: `<iq id='a' type='result'/>`, want: `iq id="a" Answer`},
		{name: "an error is an answer to a query", stanza: `<iq id='a' type='error'/>`, want: `iq id="a" Answer`},
		{name: "an error of a presence is not", stanza: `<presence type='error'/>`, want: `presence`},
		{name: "a type of an answer may be written with references", stanza: `<iq type='res&#x75;lt'/>`, want: `iq Answer`},
	},
	"R6": {
		{name: "a message of a server is one", stanza: `<message xmlns='jabber:server'><body/></message>`, want: "message normal Body|Content"},
		{name: "a message of a component is one", stanza: `<message xmlns='jabber:component:accept'><body/></message>`, want: "message normal Body|Content"},
		{name: "a body in the namespace of another kind of stream is not the body", stanza: `<message xmlns='jabber:server'><body xmlns='jabber:client'/></message>`, want: "message normal Content"},
		{name: "a message of the outgoing kind of component is none", stanza: `<message xmlns='jabber:component:connect' id='a'/>`, want: "other"},
		{name: "stream management is no stanza", stanza: `<r xmlns='urn:xmpp:sm:3' id='a'/>`, want: "other"},
		{name: "a stream error is no stanza", stanza: `<stream:error><x xmlns='urn:x'/></stream:error>`, want: "other"},
		{name: "another element of a client is no stanza", stanza: `<mess id='a'/>`, want: "other"},
		{name: "names are compared as they are", stanza: `<Message id='a'/>`, want: "other"},
	},
	"R7": {
		{name: "a prefix for a stanza of clients is refused", stanza: `<c:message xmlns:c='jabber:client'/>`, want: illFormed, hidden: decoder},
		{name: "a prefix for a stanza of servers is refused", stanza: `<s:message xmlns:s='jabber:server'/>`, want: illFormed, hidden: decoder},
		{name: "a prefix for its children is not", stanza: `<message xmlns:c='jabber:client'><c:body/></message>`, want: "message normal Body|Content"},
	},
	"R10": {
		{name: "what a request holds is ignored", stanza: `<message><request xmlns='urn:xmpp:receipts' a='b'>c<d/><!-- --></request></message>`, want: illFormed},
		{name: "attributes, text and children of a request are ignored", stanza: `<message><request xmlns='urn:xmpp:receipts' a='b'>c<d/></request></message>`, want: "message normal request"},
		{name: "attributes, text and children of a receipt are ignored", stanza: `<message><received xmlns='urn:xmpp:receipts' a='b' id='c'>d<e id='f'/></received></message>`, want: `message normal received for ["c"]`},
	},
	"R12": {
		{name: "an id in a namespace is something else", stanza: `<message xmlns:x='urn:x' x:id='a'/>`, want: "message normal"},
		{name: "an ID in capitals is something else", stanza: `<message ID='a'/>`, want: "message normal"},
		{name: "an id of the parent's own namespace is something else", stanza: `<message xmlns:c='jabber:client' c:id='a' id='b'/>`, want: `message normal id="b"`},
	},
	"R13": {
		{name: "escapes are decoded once", stanza: `<message id='&amp;amp;'/>`, want: `message normal id="&amp;"`},
		{name: "all the predefined entities are decoded", stanza: `<message id='&amp;&lt;&gt;&quot;&apos;'/>`, want: `message normal id="&<>\"'"`},
		{name: "character references are decoded", stanza: `<message id='&#65;&#x42;&#x000043;&#x1F600;'/>`, want: `message normal id="ABC😀"`},
		{name: "any number of leading zeros is allowed", stanza: `<message id='&#` + strings.Repeat("0", 100) + `65;'/>`, want: `message normal id="A"`},
		{name: "a character reference is not decoded twice", stanza: `<message id='&#38;lt;'/>`, want: `message normal id="&lt;"`},
		{name: "spaces are kept", stanza: `<message id='  a  '/>`, want: `message normal id="  a  "`},
	},
	"R14": {
		{name: "literal white space becomes spaces", stanza: "<message id='a\tb\nc\rd'/>", want: `message normal id="a b c d"`},
		{name: "escaped white space becomes spaces", stanza: "<message id='a&#9;b&#10;c&#xD;d'/>", want: `message normal id="a b c d"`},
		{name: "a literal line end of two characters becomes one space", stanza: "<message id='a\r\nb'/>", want: `message normal id="a b"`},
		{name: "an escaped line end of two characters becomes two spaces", stanza: "<message id='a&#13;&#10;b&#13;\nc'/>", want: `message normal id="a  b  c"`},
		{name: "the same holds for a receipt", stanza: "<message><received xmlns='urn:xmpp:receipts' id='a\nb'/></message>", want: `message normal received for ["a b"]`},
	},
	"R17": {
		{name: "no type is normal", stanza: `<message/>`, want: "message normal"},
		{name: "a type in capitals is normal", stanza: `<message type='Chat'/>`, want: "message normal"},
		{name: "a type with a space is normal", stanza: `<message type='chat '/>`, want: "message normal"},
		{name: "a headline is one", stanza: `<message type='headline'/>`, want: "message headline"},
		{name: "a type may be written with references", stanza: `<message type='ch&#97;t'/>`, want: "message chat"},
		{name: "a type in a namespace is none", stanza: `<message xmlns:x='urn:x' x:type='chat'/>`, want: "message normal"},
	},
	"R19": {
		{name: "all receipts are told in order", stanza: `<message>` + receipt("a", "b", "c", "d", "e", "f") + `</message>`, want: `message normal received for ["a" "b" "c" "d" "e" "f"]`},
		{name: "receipts without an id are told", stanza: `<message><received xmlns='urn:xmpp:receipts'/>` + receipt("", "a") + `</message>`, want: `message normal received for ["" "" "a"]`},
	},
	"R20": {
		{name: "both elements are told", stanza: `<message><request xmlns='urn:xmpp:receipts'/>` + receipt("a") + `</message>`, want: `message normal both for ["a"]`},
	},
	"R25": malformed,
	"limits": {
		{name: "the deepest allowed element is allowed", stanza: deep(receipts.MaxDepth), want: "message normal Content"},
		{name: "one deeper is not", stanza: deep(receipts.MaxDepth + 1), want: tooMuch},
		{name: "so many attributes are allowed", stanza: wide(receipts.MaxAttributes), want: "message normal"},
		{name: "one more is not", stanza: wide(receipts.MaxAttributes + 1), want: tooMuch},
		{name: "so many declarations are allowed", stanza: declared(receipts.MaxDeclarations), want: "message normal Content"},
		{name: "one declaration more is not", stanza: declared(receipts.MaxDeclarations + 1), want: tooMuch},
		{name: "declarations that are no longer in force do not count", stanza: `<message>` + strings.Repeat(`<a xmlns='urn:a'><b xmlns:c='urn:c'/></a>`, 100) + `</message>`, want: "message normal Content"},
	},
	"marks": marks,
}

// receipt returns receipts with the given ids.
func receipt(ids ...string) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(`<received xmlns='urn:xmpp:receipts' id='` + id + `'/>`)
	}
	return b.String()
}

// deep returns a message with n elements inside one another.
func deep(n int) string {
	return `<message>` + strings.Repeat(`<a>`, n-1) + strings.Repeat(`</a>`, n-1) + `</message>`
}

// wide returns a message with n attributes.
func wide(n int) string {
	var b strings.Builder
	b.WriteString(`<message`)
	for i := range n {
		b.WriteString(` a` + strings.Repeat("b", i) + `=''`)
	}
	return b.String() + `/>`
}

// declared returns a message with n declarations in force.
func declared(n int) string {
	return `<message>` + strings.Repeat(`<a xmlns:p='urn:p'>`, n) + strings.Repeat(`</a>`, n) + `</message>`
}

func TestRules(t *testing.T) {
	for rule, rows := range rows {
		for _, r := range rows {
			t.Run(rule+"/Scan/"+r.name, func(t *testing.T) {
				got := describe(receipts.Scan([]byte(r.stanza)))
				if diff := cmp.Diff(r.want, got); diff != "" {
					t.Error(diff)
				}
			})
			t.Run(rule+"/Read/"+r.name, func(t *testing.T) {
				if r.hidden != "" {
					t.Skip(r.hidden)
				}
				got := describe(readOnly(r.stanza))
				if diff := cmp.Diff(r.want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}
