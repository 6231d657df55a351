// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/untilack/untilack/receipts"
)

// ours is the stamp that AppendDelayed writes in the tests.
const ours = `<delay xmlns='urn:xmpp:delay' from='a.example' stamp='2026-01-02T03:04:05.006Z'/>`

func TestAppendDelayed(t *testing.T) {
	const (
		foreign = `<delay xmlns='urn:xmpp:delay' from='b.example' stamp='2002-09-10T23:08:25Z'>Offline Storage</delay>`
		nobody  = `<d:delay xmlns:d="urn:xmpp:delay" stamp='2002-09-10T23:08:25Z'><x/></d:delay>`
		forged  = `<delay xmlns='urn:xmpp:delay' stamp='1970-01-01T00:00:00Z' from='a.example'/>`
		louder  = `<delay xmlns='urn:xmpp:delay' stamp='1970-01-01T00:00:00Z' from='A.EXAMPLE'/>`
		escaped = `<delay xmlns='urn:xmpp:delay' stamp='1970-01-01T00:00:00Z' from='&#97;.example'>x</delay>`
	)
	for _, c := range []struct{ name, stanza, want string }{
		{"R133 the stamp becomes the last child", `<message><body>a</body> </message> `, `<message><body>a</body> ` + ours + `</message> `},
		{"an empty message is opened", `<message id='a'/>`, `<message id='a'>` + ours + `</message>`},
		{"an empty message with a space is opened", `<message id='a' />`, `<message id='a' >` + ours + `</message>`},
		{"an empty message with two tags stays so", `<message></message>`, `<message>` + ours + `</message>`},
		{"R134 the stamp of somebody else stays", `<message>` + foreign + `<a/></message>`, `<message>` + foreign + `<a/></message>`},
		{"R134 a stamp of nobody stays", `<message>` + nobody + `</message>`, `<message>` + nobody + `</message>`},
		{"R134 of several stamps the first one stays", `<message>a` + foreign + `b` + nobody + `c` + forged + `d</message>`, `<message>a` + foreign + `bcd</message>`},
		{"R135 a forged stamp is replaced", `<message>` + forged + `<a/></message>`, `<message><a/>` + ours + `</message>`},
		{"R135 a forged stamp in capitals is replaced", `<message>` + louder + `</message>`, `<message>` + ours + `</message>`},
		{"R135 a forged stamp in disguise is replaced", `<message>` + escaped + `</message>`, `<message>` + ours + `</message>`},
		{"R135 a forged stamp goes with all that it holds", `<message><delay xmlns='urn:xmpp:delay' from='a.example'>a<b>c</b>d</delay>e</message>`, `<message>e` + ours + `</message>`},
		{"R135 a forged stamp beside another one is taken out", `<message>` + forged + foreign + `</message>`, `<message>` + foreign + `</message>`},
		{"a stamp inside of a child is another's", `<message><x xmlns='urn:x'>` + forged + `</x></message>`, `<message><x xmlns='urn:x'>` + forged + `</x>` + ours + `</message>`},
		{"a stamp in another namespace is none", `<message><delay xmlns='urn:x' from='b.example'/></message>`, `<message><delay xmlns='urn:x' from='b.example'/>` + ours + `</message>`},
		{"R8 a message of servers becomes one of clients", `<message xmlns='jabber:server' id='a'><body/></message>`, `<message xmlns='jabber:client' id='a'><body/>` + ours + `</message>`},
		{"R8 a message of components becomes one of clients", `<message id="a" xmlns="jabber:component:accept"/>`, `<message id="a" xmlns="jabber:client">` + ours + `</message>`},
		{"R8 content that repeats the namespace follows", `<message xmlns='jabber:server'><body xmlns='jabber:server'>a</body><error><x xmlns='jabber:server'/></error></message>`, `<message xmlns='jabber:client'><body xmlns='jabber:client'>a</body><error><x xmlns='jabber:client'/></error>` + ours + `</message>`},
		{"R8 content behind other content follows, too", `<message xmlns='jabber:server'><subject xmlns='jabber:server'>a</subject><body xmlns='jabber:server'/></message>`, `<message xmlns='jabber:client'><subject xmlns='jabber:client'>a</subject><body xmlns='jabber:client'/>` + ours + `</message>`},
		{"R8 a forwarded message stays as it is", `<message xmlns='jabber:server'><f xmlns='urn:x'><message xmlns='jabber:server'/><message xmlns='jabber:client'/></f><body/></message>`, `<message xmlns='jabber:client'><f xmlns='urn:x'><message xmlns='jabber:server'/><message xmlns='jabber:client'/></f><body/>` + ours + `</message>`},
		{"R24 everything else stays byte for byte", `<message  foo='bar' type="CHAT" xml:lang='cs' xmlns:x='urn:x' x:y='&#x41;'><![CDATA[a]]><x:z></x:z></message >`, `<message  foo='bar' type="CHAT" xml:lang='cs' xmlns:x='urn:x' x:y='&#x41;'><![CDATA[a]]><x:z></x:z>` + ours + `</message >`},
		{"a presence is stamped, too", `<presence/>`, `<presence>` + ours + `</presence>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := receipts.AppendDelayed(nil, []byte(c.stanza), stamp)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestR136Stamps(t *testing.T) {
	for _, c := range []struct {
		name string
		time time.Time
		want string
	}{
		{"a stamp is in UTC", time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)), "2026-01-02T02:04:05Z"},
		{"a stamp has milliseconds at most", time.Date(2026, 1, 2, 3, 4, 5, 123999999, time.UTC), "2026-01-02T03:04:05.123Z"},
		{"a stamp has no zeros at its end", time.Date(2026, 1, 2, 3, 4, 5, 100e6, time.UTC), "2026-01-02T03:04:05.1Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := receipts.AppendDelayed(nil, []byte(`<message/>`), receipts.Delay{From: "a'b", Stamp: c.time})
			if err != nil {
				t.Fatal(err)
			}
			want := `<message><delay xmlns='urn:xmpp:delay' from='a&apos;b' stamp='` + c.want + `'/></message>`
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAppendFrom(t *testing.T) {
	for _, c := range []struct{ name, stanza, want string }{
		{"an address is added", `<message id='a'/>`, `<message from='&lt;b&apos;&quot;' id='a'/>`},
		{"an address is added to a bare tag", `<message></message>`, `<message from='&lt;b&apos;&quot;'></message>`},
		{"R93 an address is replaced", `<iq to='c' from="forged" id='a'/>`, `<iq to='c' from='&lt;b&apos;&quot;' id='a'/>`},
		{"an empty address is replaced", `<iq from=''/>`, `<iq from='&lt;b&apos;&quot;'/>`},
		{"an address in a namespace stays", `<iq xmlns:x='urn:x' x:from='c'/>`, `<iq from='&lt;b&apos;&quot;' xmlns:x='urn:x' x:from='c'/>`},
		{"an address inside stays", ` <message><a from='c'/></message> `, ` <message from='&lt;b&apos;&quot;'><a from='c'/></message> `},
		{"the namespace stays", `<message xmlns='jabber:server'/>`, `<message from='&lt;b&apos;&quot;' xmlns='jabber:server'/>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := receipts.AppendFrom(nil, []byte(c.stanza), `<b'"`)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatCanNotBeEdited(t *testing.T) {
	delayed := func(d receipts.Delay) func(dst, stanza []byte) ([]byte, error) {
		return func(dst, stanza []byte) ([]byte, error) { return receipts.AppendDelayed(dst, stanza, d) }
	}
	from := func(from string) func(dst, stanza []byte) ([]byte, error) {
		return func(dst, stanza []byte) ([]byte, error) { return receipts.AppendFrom(dst, stanza, from) }
	}
	asked := func(o *receipts.RequestOptions) func(dst, stanza []byte) ([]byte, error) {
		return func(dst, stanza []byte) ([]byte, error) {
			dst, m, err := receipts.AppendAsked(dst, stanza, o)
			if diff := cmp.Diff(receipts.Message{}, m, same); diff != "" {
				t.Error(diff)
			}
			return dst, err
		}
	}
	for _, c := range []struct {
		name   string
		edit   func(dst, stanza []byte) ([]byte, error)
		stanza string
		want   error
	}{
		{"what is malformed is not stamped", delayed(stamp), `<message>`, receipts.ErrSyntax},
		{"what is no stanza is not stamped", delayed(stamp), `<message xmlns='urn:x'/>`, receipts.ErrNotStanza},
		{"no time is no stamp", delayed(receipts.Delay{From: "a"}), `<message/>`, receipts.ErrValue},
		{"a time far away is no stamp", delayed(receipts.Delay{From: "a", Stamp: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}), `<message/>`, receipts.ErrValue},
		{"nobody is no stamp", delayed(receipts.Delay{Stamp: stamp.Stamp}), `<message/>`, receipts.ErrValue},
		{"a control character is no stamp", delayed(receipts.Delay{From: "\x01", Stamp: stamp.Stamp}), `<message/>`, receipts.ErrValue},
		{"what is malformed gets no address", from("a"), `<message>`, receipts.ErrSyntax},
		{"what is no stanza gets no address", from("a"), `<stream:error/>`, receipts.ErrNotStanza},
		{"an address is not empty", from(""), `<message/>`, receipts.ErrValue},
		{"an address is text", from("\xff"), `<message/>`, receipts.ErrValue},
		{"what is malformed does not ask", asked(nil), `<message`, receipts.ErrSyntax},
		{"R27 an error that asks is refused", asked(nil), `<message type='error' id='a'>` + request + `</message>`, receipts.ErrNoRequest},
		{"R28 a receipt that asks is refused", asked(nil), `<message id='a'>` + request + receipt("b") + `</message>`, receipts.ErrNoRequest},
		{"an id is not empty", asked(&receipts.RequestOptions{NewID: func() string { return "" }}), `<message/>`, receipts.ErrValue},
		{"an id is text", asked(&receipts.RequestOptions{NewID: func() string { return "\x01" }}), `<message/>`, receipts.ErrValue},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.edit([]byte("kept"), []byte(c.stanza))
			if !errors.Is(err, c.want) {
				t.Errorf("the error is %v", err)
			}
			if string(got) != "kept" {
				t.Errorf("it is %q", got)
			}
		})
	}
}
