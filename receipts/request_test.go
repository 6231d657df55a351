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

	"github.com/untilack/untilack/receipts"
)

// made is an id that is made in the tests.
const made = "new"

func newID() string { return made }

// asks are messages and what becomes of them; "": nothing else.
var asks = []struct {
	name, stanza, want string
	options            receipts.RequestOptions
}{
	{name: "R26 a message with a body asks", stanza: `<message id='a'><body/></message>`, want: `<message id='a'><body/>` + request + `</message>`},
	{name: "R26 a headline asks", stanza: `<message type='headline' id='a'><body/></message>`, want: `<message type='headline' id='a'><body/>` + request + `</message>`},
	{name: "R26 a message to a room does not ask", stanza: `<message type='groupchat' id='a'><body/></message>`},
	{name: "R26 a message to a room asks if it shall", stanza: `<message type='groupchat' id='a'><body/></message>`, want: `<message type='groupchat' id='a'><body/>` + request + `</message>`, options: receipts.RequestOptions{GroupChat: true}},
	{name: "R26 a message to a room that asks already stays so", stanza: `<message type='groupchat' id='a'><body/>` + request + `</message>`},
	{name: "R27 an error does not ask, and gets no id", stanza: `<message type='error'><body/></message>`},
	{name: "R28 a receipt does not ask", stanza: `<message id='a'><body/>` + receipt("b") + `</message>`},
	{name: "R29 a message without an id gets one", stanza: `<message to='b'><body/></message>`, want: `<message id='new' to='b'><body/>` + request + `</message>`},
	{name: "R29 an empty id is replaced", stanza: `<message id="" to='b'><body/></message>`, want: `<message id='new' to='b'><body/>` + request + `</message>`},
	{name: "R29 an id in a namespace is none", stanza: `<message xmlns:x='urn:x' x:id='a'><body/></message>`, want: `<message id='new' xmlns:x='urn:x' x:id='a'><body/>` + request + `</message>`},
	{name: "R29 an id that is there stays", stanza: `<message id=' &lt;'><body/></message>`, want: `<message id=' &lt;'><body/>` + request + `</message>`},
	{name: "R29 a message that asks and has no id gets one", stanza: `<message>` + request + `</message>`, want: `<message id='new'>` + request + `</message>`},
	{name: "R29 a message that does not ask gets an id, too", stanza: `<message/>`, want: `<message id='new'/>`},
	{name: "R33 who is known not to answer is not asked", stanza: `<message id='a' to='b@c/&lt;'><body/></message>`, options: receipts.RequestOptions{Lacks: func(to string) bool { return to == "b@c/<" }}},
	{name: "R32 who is not known is asked", stanza: `<message id='a' to='b@c/d'><body/></message>`, want: `<message id='a' to='b@c/d'><body/>` + request + `</message>`, options: receipts.RequestOptions{Lacks: func(string) bool { return false }}},
	{name: "R44 a message asks once", stanza: `<message id='a'><body/>` + request + `</message>`},
	{name: "R44 a message without a body does not ask", stanza: `<message id='a'><subject/></message>`},
	{name: "R44 a message with content asks if it shall", stanza: `<message id='a'><subject/></message>`, want: `<message id='a'><subject/>` + request + `</message>`, options: receipts.RequestOptions{Bodiless: true}},
	{name: "R44 a chat state never asks", stanza: `<message id='a'><active xmlns='http://jabber.org/protocol/chatstates'/></message>`, options: receipts.RequestOptions{Bodiless: true}},
	{name: "R44 a request inside of another message is not one", stanza: `<message id='a'><body/><x xmlns='urn:x'>` + request + `</x></message>`, want: `<message id='a'><body/><x xmlns='urn:x'>` + request + `</x>` + request + `</message>`},
	{name: "R44 a forwarded message stays as it is", stanza: `<message id='a'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body/></message></forwarded></message>`},
	{name: "a message of a server asks", stanza: `<message xmlns='jabber:server' id='a'><body/></message>`, want: `<message xmlns='jabber:server' id='a'><body/>` + request + `</message>`},
	{name: "a query does not ask", stanza: `<iq><body/></iq>`},
	{name: "what is no stanza does not ask", stanza: `<message xmlns='urn:x'><body/></message>`},
}

func TestAppendAsked(t *testing.T) {
	for _, c := range asks {
		t.Run(c.name, func(t *testing.T) {
			c.options.NewID = newID
			if c.want == "" {
				c.want = c.stanza
			}
			got, m, err := receipts.AppendAsked([]byte("kept"), []byte(c.stanza), &c.options)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("kept"+c.want, string(got)); diff != "" {
				t.Error(diff)
			}
			want, err := receipts.Scan([]byte(c.want))
			if diff := cmp.Diff(want, m, same); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
}

func TestAppendAskedBeyondTheLimit(t *testing.T) {
	stanza := `<message><body>` + strings.Repeat("a", receipts.MaxStanza-60) + `</body></message>`
	got, _, err := receipts.AppendAsked([]byte("kept"), []byte(stanza), nil)
	if !errors.Is(err, receipts.ErrLimit) || len(got) != len("kept") {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// asked returns what Ask makes of a stream.
func asked(t *testing.T, o *receipts.RequestOptions, r xml.TokenReader) string {
	t.Helper()
	var b strings.Builder
	r = receipts.Ask(o)(r)
	for {
		got, err := receipts.Encode(r)
		if err == io.EOF {
			return b.String()
		} else if err != nil {
			t.Fatal(err)
		}
		b.Write(got)
	}
}

func TestAsk(t *testing.T) {
	for _, c := range asks {
		t.Run(c.name, func(t *testing.T) {
			c.options.NewID = newID
			if c.want == "" {
				c.want = c.stanza
			}
			want, err := receipts.Scan([]byte(c.want))
			if err != nil {
				t.Fatal(err)
			}
			encoded := asked(t, &c.options, xml.NewDecoder(strings.NewReader(c.stanza)))
			got, err := receipts.Scan([]byte(encoded))
			if diff := cmp.Diff(want, got, same); diff != "" || err != nil {
				t.Errorf("%v %s\n%s", err, diff, encoded)
			}
		})
	}
}

func TestAskOfStreams(t *testing.T) {
	const ns = ` xmlns='jabber:client'`
	for _, c := range []struct {
		name   string
		tokens xml.TokenReader
		want   string
	}{
		{"a message without a namespace asks", built(), `<message type='chat' to='b@c' id='a'><body>d</body>` + request + `</message>`},
		{
			"each message of a stream is looked at",
			xml.NewDecoder(strings.NewReader(`<message` + ns + ` id='a'><body/></message><message` + ns + `><body/></message><iq` + ns + ` id='a'><body/></iq><message xmlns='jabber:server' id='b'><body/></message>`)),
			`<message id='a'><body/>` + request + `</message><message id='new'><body/>` + request + `</message><iq id='a'><body/></iq><message xmlns='jabber:server' id='b'><body/>` + request + `</message>`,
		},
		{
			"R27 R28 what asks and must not stays as it is",
			xml.NewDecoder(strings.NewReader(`<message` + ns + ` type='error'>` + request + `</message><message` + ns + ` id='a'>` + request + receipt("b") + `</message>`)),
			`<message type='error'>` + request + `</message><message id='a'>` + request + receipt("b") + `</message>`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := asked(t, &receipts.RequestOptions{NewID: newID}, c.tokens)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAskKeepsErrors(t *testing.T) {
	broken := errors.New("broken")
	r := receipts.Ask(nil)(xmlstream.ReaderFunc(func() (xml.Token, error) {
		return start("message").End(), broken
	}))
	if token, err := r.Token(); token == nil || err != broken {
		t.Errorf("got %v, %v", token, err)
	}
	list, err := xmlstream.ReadAll(built())
	if err != nil {
		t.Fatal(err)
	}
	last := len(list) - 1
	end := xmlstream.ReaderFunc(func() (xml.Token, error) { return list[last], io.EOF })
	r = receipts.Ask(nil)(xmlstream.MultiReader(tokens(io.EOF, list[:last]...), end))
	got, err := xmlstream.ReadAll(r)
	if err != nil || len(got) != len(list)+2 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAskWithABadID(t *testing.T) {
	for _, id := range []string{"", "\x01", "\xff"} {
		r := receipts.Ask(&receipts.RequestOptions{NewID: func() string { return id }})(tokens(io.EOF, start("message")))
		if token, err := r.Token(); token != nil || !errors.Is(err, receipts.ErrValue) {
			t.Errorf("%q: got %v, %v", id, token, err)
		}
	}
}

// The tokens that somebody hands in are not changed.
func TestAskLeavesTheTokensAlone(t *testing.T) {
	attrs := append(make([]xml.Attr, 0, 4), xml.Attr{Name: xml.Name{Local: "id"}}, xml.Attr{Name: xml.Name{Local: "to"}, Value: "b"})
	r := receipts.Ask(nil)(tokens(io.EOF, xml.StartElement{Name: xml.Name{Local: "message"}, Attr: attrs}))
	if _, err := r.Token(); err != nil {
		t.Fatal(err)
	}
	want := []xml.Attr{{Name: xml.Name{Local: "id"}}, {Name: xml.Name{Local: "to"}, Value: "b"}, {}}
	if diff := cmp.Diff(want, attrs[:3]); diff != "" {
		t.Error(diff)
	}
}

func TestMayAsk(t *testing.T) {
	for _, c := range asks {
		t.Run(c.name, func(t *testing.T) {
			m, err := receipts.Scan([]byte(c.stanza))
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Contains(c.want, request+`</message>`) || m.Kind == receipts.KindRequest
			err = m.MayAsk(&c.options)
			if got := err == nil; got != want || !got && !errors.Is(err, receipts.ErrNoRequest) {
				t.Errorf("got %v, want %v", err, want)
			}
		})
	}
}

// No id comes twice, and none can be guessed: each has 26 letters of 5 bits.
func TestR30IDs(t *testing.T) {
	count := 1_000_000
	if raced {
		count /= 10
	}
	seen := make(map[string]bool, count)
	var out []byte
	for range count {
		var m receipts.Message
		var err error
		if out, m, err = receipts.AppendAsked(out[:0], []byte(`<message/>`), nil); err != nil {
			t.Fatal(err)
		}
		id := m.ID.String()
		if len(id) < 26 || seen[id] {
			t.Fatalf("%q has %d letters, and came before: %v", id, len(id), seen[id])
		}
		seen[id] = true
	}
}

func BenchmarkAppendAsked(b *testing.B) {
	for _, c := range benchmarks {
		stanza, out := []byte(c.stanza), make([]byte, 0, 1024)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := receipts.AppendAsked(out, stanza, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
