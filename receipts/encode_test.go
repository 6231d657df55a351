// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/untilack/untilack/receipts"
)

func TestEncode(t *testing.T) {
	for _, c := range []struct{ name, stanza, client, frame string }{
		{
			"R16 a namespace is declared where it changes", `<message id='a'><body>b</body>` + request + `</message>`,
			`<message id='a'><body>b</body>` + request + `</message>`,
			`<message xmlns='jabber:client' id='a'><body>b</body>` + request + `</message>`,
		}, {
			"R16 a namespace is not declared twice", `<message xmlns='jabber:client'><a xmlns='urn:a' xmlns:p='urn:p'><b xmlns='urn:a'/></a></message>`,
			`<message><a xmlns='urn:a' xmlns:p='urn:p'><b/></a></message>`,
			`<message xmlns='jabber:client'><a xmlns='urn:a' xmlns:p='urn:p'><b/></a></message>`,
		}, {
			"R16 elements lose their prefixes, attributes keep them", `<message xmlns:r='urn:xmpp:receipts' r:a='b'><r:request/></message>`,
			`<message xmlns:r='urn:xmpp:receipts' r:a='b'>` + request + `</message>`,
			`<message xmlns='jabber:client' xmlns:r='urn:xmpp:receipts' r:a='b'>` + request + `</message>`,
		}, {
			"an attribute gets a prefix that is not in use", `<message><stream:x stream:a='b' xmlns:n0='urn:n'/></message>`,
			`<message><x xmlns='http://etherx.jabber.org/streams' xmlns:n0='urn:n' xmlns:n1='http://etherx.jabber.org/streams' n1:a='b'/></message>`,
			`<message xmlns='jabber:client'><x xmlns='http://etherx.jabber.org/streams' xmlns:n0='urn:n' xmlns:n1='http://etherx.jabber.org/streams' n1:a='b'/></message>`,
		}, {
			"a prefix that was bound anew is not used", `<message xmlns:q='urn:p' xmlns:p='urn:p'><a xmlns:p='urn:o' q:b=''/></message>`,
			`<message xmlns:q='urn:p' xmlns:p='urn:p'><a xmlns:p='urn:o' q:b=''/></message>`,
			`<message xmlns='jabber:client' xmlns:q='urn:p' xmlns:p='urn:p'><a xmlns:p='urn:o' q:b=''/></message>`,
		}, {
			"the language stays", `<message xml:lang='cs'><xml:a><b/></xml:a></message>`,
			`<message xml:lang='cs'><xml:a><b/></xml:a></message>`,
			`<message xmlns='jabber:client' xml:lang='cs'><xml:a><b/></xml:a></message>`,
		}, {
			"no namespace stays none", `<message><p:a xmlns:p='urn:p' xmlns=''><b/></p:a></message>`,
			`<message><a xmlns='urn:p' xmlns:p='urn:p'><b xmlns=''/></a></message>`,
			`<message xmlns='jabber:client'><a xmlns='urn:p' xmlns:p='urn:p'><b xmlns=''/></a></message>`,
		}, {
			"an element without a namespace stays one", `<message xmlns=''/>`,
			`<message xmlns=''/>`,
			`<message xmlns=''/>`,
		}, {
			"a message of servers stays one", `<message xmlns='jabber:server'><body/></message>`,
			`<message xmlns='jabber:server'><body/></message>`,
			`<message xmlns='jabber:server'><body/></message>`,
		}, {
			"what has to be is escaped", "<message a=\"&#9;&#10;&#13;'&quot;&lt;&gt;&amp;\"><body>]]&gt;&#13;\n&lt;<![CDATA[&]]>'\"</body></message>",
			"<message a='&#x9;&#xA;&#xD;&apos;&quot;&lt;&gt;&amp;'><body>]]&gt;&#xD;\n&lt;&amp;'\"</body></message>",
			"<message xmlns='jabber:client' a='&#x9;&#xA;&#xD;&apos;&quot;&lt;&gt;&amp;'><body>]]&gt;&#xD;\n&lt;&amp;'\"</body></message>",
		}, {
			"white space before is passed over", " \n<message> </message>",
			`<message> </message>`,
			`<message xmlns='jabber:client'> </message>`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, err := receipts.Encode(within(c.stanza))
			if err != nil {
				t.Fatal(err)
			}
			frame, err := receipts.AppendTokens(nil, within(c.stanza), "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{c.client, c.frame}, []string{string(client), string(frame)}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// built is a message as applications build it with mellium.
func built() xml.TokenReader {
	message := stanza.Message{ID: "a", To: jid.MustParse("b@c"), Type: stanza.ChatMessage}
	return message.Wrap(xmlstream.Wrap(xmlstream.Token(xml.CharData("d")), xml.StartElement{Name: xml.Name{Local: "body"}}))
}

func TestEncodeOfBuiltMessages(t *testing.T) {
	for _, c := range []struct{ outer, want string }{
		{"jabber:client", `<message type='chat' to='b@c' id='a'><body>d</body></message>`},
		{"jabber:server", `<message type='chat' to='b@c' id='a'><body>d</body></message>`},
		{"", `<message xmlns='jabber:client' type='chat' to='b@c' id='a'><body>d</body></message>`},
	} {
		t.Run("within "+c.outer, func(t *testing.T) {
			got, err := receipts.AppendTokens(nil, built(), c.outer)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// tokens gives tokens and then an error.
func tokens(err error, list ...xml.Token) xml.TokenReader {
	return xmlstream.ReaderFunc(func() (xml.Token, error) {
		if len(list) == 0 {
			return nil, err
		}
		token := list[0]
		list = list[1:]
		return token, nil
	})
}

func start(name string, attr ...xml.Attr) xml.StartElement {
	return xml.StartElement{Name: xml.Name{Space: "jabber:client", Local: name}, Attr: attr}
}

func TestTokensThatAreRefused(t *testing.T) {
	broken := errors.New("broken")
	attr := func(space, local, value string) xml.Attr {
		return xml.Attr{Name: xml.Name{Space: space, Local: local}, Value: value}
	}
	for _, c := range []struct {
		name   string
		tokens xml.TokenReader
		want   error
	}{
		{"the end is the end", tokens(io.EOF), io.EOF},
		{"the end behind white space is the end", tokens(io.EOF, xml.CharData(" ")), io.EOF},
		{"text alone is malformed", tokens(io.EOF, xml.CharData("a")), receipts.ErrSyntax},
		{"an end tag alone is malformed", tokens(io.EOF, start("message").End()), receipts.ErrSyntax},
		{"an end in between is malformed", tokens(io.EOF, start("message")), receipts.ErrSyntax},
		{"no token is malformed", tokens(nil), receipts.ErrSyntax},
		{"an error of the reader is kept", tokens(broken, start("message")), broken},
		{"another end tag is malformed", tokens(io.EOF, start("message"), start("a").End()), receipts.ErrSyntax},
		{"a comment is malformed", tokens(io.EOF, xml.Comment("a")), receipts.ErrSyntax},
		{"a name with a space is malformed", tokens(io.EOF, start("a b")), receipts.ErrSyntax},
		{"an empty name is malformed", tokens(io.EOF, start("")), receipts.ErrSyntax},
		{"a name that is no text is malformed", tokens(io.EOF, start("a\xff")), receipts.ErrSyntax},
		{"an attribute with a colon is malformed", tokens(io.EOF, start("message", attr("", "a:b", ""))), receipts.ErrSyntax},
		{"an attribute with a control character is malformed", tokens(io.EOF, start("message", attr("", "a", "\x01"))), receipts.ErrSyntax},
		{"text with a control character is malformed", tokens(io.EOF, start("message"), xml.CharData("\x01")), receipts.ErrSyntax},
		{"much text is too much", tokens(io.EOF, start("message"), xml.CharData(strings.Repeat("a", receipts.MaxStanza))), receipts.ErrLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := xmlstream.ReadAll(c.tokens)
			if err == nil {
				err = io.EOF
			}
			if c.name == "no token is malformed" {
				list, err = nil, nil
			}
			if _, got := receipts.Read(tokens(err, list...)); !errors.Is(got, c.want) {
				t.Errorf("Read gives %v", got)
			}
			got, gotErr := receipts.AppendTokens([]byte("kept"), tokens(err, list...), "")
			if !errors.Is(gotErr, c.want) || string(got) != "kept" {
				t.Errorf("AppendTokens gives %q, %v", got, gotErr)
			}
		})
	}
}

func TestTokensThatCanNotBeEncoded(t *testing.T) {
	var many []xml.Attr
	for i := range 40 {
		many = append(many, xml.Attr{Name: xml.Name{Space: "urn:" + strings.Repeat("a", i+1), Local: "a"}})
	}
	for _, c := range []struct {
		name   string
		tokens xml.TokenReader
		want   error
	}{
		{"an element with the prefix xmlns is malformed", within(`<message><xmlns:a/></message>`), receipts.ErrSyntax},
		{"an attribute of declarations is malformed", tokens(io.EOF, start("message", xml.Attr{Name: xml.Name{Space: "http://www.w3.org/2000/xmlns/", Local: "a"}})), receipts.ErrSyntax},
		{"many namespaces are too many", tokens(io.EOF, start("message", many...)), receipts.ErrLimit},
		{"what grows too long is too long", tokens(io.EOF, start("message"), xml.CharData(strings.Repeat("&", receipts.MaxStanza/4))), receipts.ErrLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := receipts.AppendTokens([]byte("kept"), c.tokens, "jabber:client")
			if !errors.Is(err, c.want) || string(got) != "kept" {
				t.Errorf("it gives %q, %v", got, err)
			}
		})
	}
}
