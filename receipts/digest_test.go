// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

import (
	"errors"
	"testing"

	"github.com/untilack/untilack/receipts"
)

// digestOf returns the digest of a stanza, which must have one.
func digestOf(t *testing.T, stanza string) uint64 {
	t.Helper()
	digest, err := receipts.Digest([]byte(stanza))
	if err != nil {
		t.Fatalf("Digest(%s): %v", stanza, err)
	}
	return digest
}

// original is the message of which the tests of Digest have copies.
const original = `<message id='1' from='a@b/c' to='d@e' type='chat'><body a='&lt;' b='2'>x &amp; y</body><request xmlns='urn:xmpp:receipts'/></message>`

func TestR67CopiesHaveOneDigest(t *testing.T) {
	const end = `<request xmlns='urn:xmpp:receipts'/></message>`
	for name, stanza := range map[string]string{
		"itself":                         original,
		"a delay stamp":                  `<message id='1' from='a@b/c' to='d@e' type='chat'><body a='&lt;' b='2'>x &amp; y</body><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'>Offline <b>storage</b></delay>` + end,
		"an old delay stamp":             `<message id='1' from='a@b/c' to='d@e' type='chat'><x xmlns='jabber:x:delay' stamp='20100710T23:08:25'/><body a='&lt;' b='2'>x &amp; y</body>` + end,
		"ids of a server":                `<message id='1' from='a@b/c' to='d@e' type='chat'><body a='&lt;' b='2'>x &amp; y</body><stanza-id xmlns='urn:xmpp:sid:0' id='7' by='d@e'/><archived xmlns='urn:xmpp:mam:tmp' id='7'/>` + end,
		"hints":                          `<message id='1' from='a@b/c' to='d@e' type='chat'><body a='&lt;' b='2'>x &amp; y</body><store xmlns='urn:xmpp:hints'/><private xmlns='urn:xmpp:carbons:2'/>` + end,
		"white space between children":   "<message id='1' from='a@b/c' to='d@e' type='chat'>\n <body a='&lt;' b='2'>x &amp; y</body>\n " + end,
		"a language of the stream":       `<message xml:lang='en' id='1' from='a@b/c' to='d@e' type='chat'><body a='&lt;' b='2'>x &amp; y</body>` + end,
		"other quotes and another order": `<message type="chat" to="d@e" from="a@b/c" id="1"><body b="2" a="&#60;">x &#38; y</body><request xmlns="urn:xmpp:receipts"></request></message>`,
		"CDATA":                          `<message id='1' from='a@b/c' to='d@e' type='chat'><body a='&lt;' b='2'>x<![CDATA[ & ]]>y</body>` + end,
		"prefixes":                       `<message xmlns:r='urn:xmpp:receipts' id='1' from='a@b/c' to='d@e' type='chat'><c:body xmlns:c='jabber:client' a='&lt;' b='2'>x &amp; y</c:body><r:request/></message>`,
		"a stream of servers":            `<message xmlns='jabber:server' id='1' from='a@b/c' to='d@e' type='chat'><body a='&lt;' b='2'>x &amp; y</body>` + end,
	} {
		if got, want := digestOf(t, stanza), digestOf(t, original); got != want {
			t.Errorf("%s: got %x, want %x", name, got, want)
		}
	}
}

func TestR67OtherMessagesHaveOtherDigests(t *testing.T) {
	seen := make(map[uint64]string)
	for _, stanza := range []string{
		original,
		`<message/>`,
		`<presence/>`,
		`<iq/>`,
		`<iq type='get'/>`,
		`<message id='1'/>`,
		`<message to='1'/>`,
		`<message from='1'/>`,
		`<message type='chat'/>`,
		`<message><body/></message>`,
		`<message><body></body><body/></message>`,
		`<message><body> </body></message>`,
		"<message><body>\t</body></message>",
		"<message><body>&#13;</body></message>",
		"<message><body>\r\n</body></message>",
		`<message><body>a</body></message>`,
		`<message><body>b</body></message>`,
		`<message><body>a<b/></body></message>`,
		`<message><body><b/>a</body></message>`,
		`<message><body>a</body><b/></message>`,
		`<message><body><![CDATA[&amp;]]></body></message>`,
		`<message><body>&amp;</body></message>`,
		`<message><body a='1'/></message>`,
		`<message><body a='1' b='2'/></message>`,
		`<message><body a='2' b='1'/></message>`,
		`<message><body xmlns:p='urn:p' p:a='1'/></message>`,
		`<message><body xml:lang='1'/></message>`,
		`<message><body xmlns='urn:p'/></message>`,
		`<message><a xmlns='urn:p'><delay xmlns='urn:xmpp:delay'/></a></message>`,
		`<message><origin-id xmlns='urn:xmpp:sid:0' id='1'/></message>`,
	} {
		digest := digestOf(t, stanza)
		if other := seen[digest]; other != "" {
			t.Errorf("got one digest for\n%s\n%s", other, stanza)
		}
		seen[digest] = stanza
	}
}

// What a Journal has kept is of use to later builds: the numbers do not change.
func TestDigestStaysAsItIs(t *testing.T) {
	if got, want := digestOf(t, original), uint64(0xca5c45aa366db94d); got != want {
		t.Errorf("got %#x, want %#x", got, want)
	}
}

func TestDigestOfWhatHasNone(t *testing.T) {
	for stanza, want := range map[string]error{
		`<a/>`:                                 receipts.ErrNotStanza,
		`<message xmlns='urn:a'/>`:             receipts.ErrNotStanza,
		`<message`:                             receipts.ErrSyntax,
		`<message>&x;</message>`:               receipts.ErrSyntax,
		deep(receipts.MaxDepth + 1):            receipts.ErrLimit,
		`<c:message xmlns:c='jabber:client'/>`: receipts.ErrSyntax,
	} {
		if got, err := receipts.Digest([]byte(stanza)); !errors.Is(err, want) || got != 0 {
			t.Errorf("Digest(%.40s): got %v, %v, want %v", stanza, got, err, want)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	stanza := []byte(asking)
	b.SetBytes(int64(len(stanza)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := receipts.Digest(stanza); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnwrap(b *testing.B) {
	wrapper := []byte(carbon("received", inner))
	b.SetBytes(int64(len(wrapper)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := receipts.Unwrap(wrapper); err != nil {
			b.Fatal(err)
		}
	}
}
