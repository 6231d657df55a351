// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"
)

// encodings are elements, and whether they are plain.
var encodings = []struct {
	text  string
	plain bool
}{
	{"<message from='romeo@montague.lit' id='1'><body>O, <![CDATA[<Juliet>]]> &amp;\n\t\"'&#13;</body><request xmlns='urn:xmpp:receipts'/></message>", true},
	{"<message id='&lt;&gt;&amp;&apos;&quot;' xml:lang='it'><body>è già 😀</body></message>", true},
	{"<message id='1'><x xmlns='a'><y xmlns='b'><message xmlns='jabber:client'/></y><z/></x></message>", true},
	{" <iq id='1'/>", true},
	{"<r xmlns='urn:xmpp:sm:3'/>", true},
	{"<message id='1' xmlns='jabber:client'/>", true},
	{"<message id='1'><x xmlns=''/></message>", false},
	{"<message id='1' xmlns:p='q'><p:x p:a='1'/></message>", false},
	{"<message id='1' id='2'/>", false},
	{"<message id='&#10;&#9;'/>", true},
	{"<message id='1'>\uffee</message>", false},
	{"<message id='1'>\uffff</message>", false},
	{"<messagé id='1'/>", false},
	{"<message id='1'><!-- --></message>", false},
	{"<message xmlns='jabber:server' id='1'><a/></message>", false},
	{"<message id='1'>" + strings.Repeat("<a>", 300) + strings.Repeat("</a>", 300) + "</message>", false},
	{"<message id='1'" + strings.Repeat(" a='1'", 70) + "/>", false},
	{"<message id='1'>" + strings.Repeat("x", plainSize) + "</message>", false},
	{"<message id='1'><body>x</body>", false},
	{"text<message id='1'/>", false},
	{"", false},
}

// reading returns a reader of the tokens of an element.
func reading(text string) xml.TokenReader {
	d := xml.NewDecoder(strings.NewReader(text))
	d.DefaultSpace = stanza.NSClient
	return d
}

// TestPlain checks which elements are plain, and that it makes no difference to what
// is written.
func TestPlain(t *testing.T) {
	for _, test := range encodings {
		var p plain
		r := reading(test.text)
		token, err := r.Token()
		for ; err == nil && !p.whole && p.add(token); token, err = r.Token() {
		}
		if p.whole != test.plain {
			t.Errorf("%.80s: plain is %v", test.text, p.whole)
		}
		checkEncoding(t, test.text)
	}
}

// FuzzPlain does the same for whatever a stream may hold.
func FuzzPlain(f *testing.F) {
	for _, test := range encodings {
		f.Add(test.text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkEncoding(t, text) })
}

// checkEncoding compares the ways in which an element is encoded to that of package
// receipts.
func checkEncoding(t *testing.T, text string) {
	t.Helper()
	want, failure := receipts.Encode(&preparer{r: withID(reading(text))})
	got, err := encode(withID(reading(text)))
	if string(got.bytes) != string(want) || (err != nil) != (failure != nil) {
		t.Errorf("encode of %.200q gives %.200q (%v), not %.200q (%v)", text, got.bytes, err, want, failure)
	}
	o := newOutgoing()
	whole, err := writeTo(o, withID(reading(text)))
	if whole {
		got, err = o.finish()
	}
	if whole && err == nil != (failure == nil) || err == nil && whole && string(got.bytes) != string(want) {
		t.Errorf("tokens of %.200q give %.200q (%v), not %.200q (%v)", text, got.bytes, err, want, failure)
	}
	in := newIncoming()
	in.reset(DefaultMaxStanza)
	want, failure = receipts.Encode(reading(text))
	if start, ok := collectAll(in, reading(text)); ok {
		raw, err := in.encode(start)
		if string(raw) != string(want) || (err != nil) != (failure != nil) {
			t.Errorf("%.200q comes in as %.200q (%v), not %.200q (%v)", text, raw, err, want, failure)
		}
		again, err := receipts.Encode(&resumed{token: start, r: &in.rest})
		if string(again) != string(want) || (err != nil) != (failure != nil) {
			t.Errorf("%.200q is handled as %.200q (%v), not %.200q (%v)", text, again, err, want, failure)
		}
	}
}

// withID gives stanzas an id, where a random one would differ each time.
func withID(r xml.TokenReader) xml.TokenReader {
	depth := 0
	return xmlstream.ReaderFunc(func() (xml.Token, error) {
		token, err := r.Token()
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth == 1 && isStanza(t.Name) && attribute(t, "id") == "" {
				var h head
				t.Attr = h.prepare(t.Attr)
				t.Attr[len(t.Attr)-1].Value = "random"
				token = t
			}
		case xml.EndElement:
			depth--
		}
		return token, err
	})
}

func writeTo(o *outgoing, r xml.TokenReader) (whole bool, err error) {
	for !whole && err == nil {
		var token xml.Token
		if token, err = r.Token(); err == nil {
			whole, err = o.add(token)
		}
	}
	return whole, err
}

func collectAll(in *incoming, r xml.TokenReader) (start xml.StartElement, ok bool) {
	for {
		token, err := r.Token()
		if err != nil {
			return start, false
		}
		if t, ok := token.(xml.StartElement); ok && in.depth == 0 {
			start = t
		}
		whole, err := in.add(token)
		if err != nil || whole {
			return start, err == nil && start.Name.Local != ""
		}
	}
}

var _ xml.TokenReader = (*resumed)(nil)
