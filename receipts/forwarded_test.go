// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/untilack/untilack/receipts"
)

// inner is a message as others forward it.
const inner = `<message xmlns='jabber:client' from='a@b/c' to='d@e/f' id='1'><body>x</body></message>`

// carbon returns a carbon copy of what is given, to d@e.
func carbon(direction, content string) string {
	return `<message xmlns='jabber:client' from='d@e' to='d@e/f'><` + direction + ` xmlns='urn:xmpp:carbons:2'>` +
		`<forwarded xmlns='urn:xmpp:forward:0'>` + content + `</forwarded></` + direction + `></message>`
}

// archived returns a result from the archive of d@e.
func archived(content string) string {
	return `<message from='d@e' to='d@e/f'><result xmlns='urn:xmpp:mam:2' queryid='q&amp;1' id='28482'>` +
		`<forwarded xmlns='urn:xmpp:forward:0'>` + content + `</forwarded></result></message>`
}

// unwrapped tells in words what Unwrap gives.
func unwrapped(f receipts.Forwarded, err error) string {
	switch {
	case errors.Is(err, receipts.ErrNotForwarded):
		return "nothing"
	case errors.Is(err, receipts.ErrLimit):
		return "beyond the limits"
	case err != nil:
		return "not well-formed"
	}
	parts := []string{"from " + f.From.String()}
	if f.Sent {
		parts = append(parts, "sent")
	}
	if f.Archived {
		parts = append(parts, fmt.Sprintf("archived for %q", f.Query.String()))
	}
	if !f.Stamp.IsZero() {
		parts = append(parts, "at "+f.Stamp.Format(time.RFC3339Nano))
	}
	return strings.Join(append(parts, string(f.Stanza)), ", ")
}

func TestUnwrap(t *testing.T) {
	const stamp = `<delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25.5+02:00'/>`
	for _, c := range []struct{ name, stanza, want string }{
		{"R62 a carbon copy of what came", carbon("received", inner), "from d@e, " + inner},
		{"R61 a carbon copy of what was sent", carbon("sent", inner), "from d@e, sent, " + inner},
		{"R58 a result from an archive", archived(stamp + inner), `from d@e, archived for "q&1", at 2010-07-10T21:08:25.5Z, ` + inner},
		{"the stamp may come last, and the first one that can be read counts", archived(inner + `<delay xmlns='urn:xmpp:delay' stamp='noon'/>` + stamp + strings.Replace(stamp, "2010", "2011", 1)), `from d@e, archived for "q&1", at 2010-07-10T21:08:25.5Z, ` + inner},
		{"a stamp of the message's own is not that of the wrapper", archived(`<message xmlns='jabber:client' id='1'>` + stamp + `</message>`), `from d@e, archived for "q&1", <message xmlns='jabber:client' id='1'>` + stamp + `</message>`},
		{"R188 the sender of the wrapper is told", strings.Replace(carbon("sent", inner), `from='d@e'`, `from='mallory@e'`, 1), "from mallory@e, sent, " + inner},
		{"R188 a wrapper may have no sender", strings.Replace(carbon("sent", inner), `from='d@e'`, ``, 1), "from , sent, " + inner},
		{"one level is taken off", carbon("received", strings.Replace(inner, `<body>`, `<forwarded xmlns='urn:xmpp:forward:0'>`+inner+`</forwarded><body>`, 1)), "from d@e, " + strings.Replace(inner, `<body>`, `<forwarded xmlns='urn:xmpp:forward:0'>`+inner+`</forwarded><body>`, 1)},
		{"the first of several messages", carbon("received", inner+strings.Replace(inner, "id='1'", "id='2'", 1)), "from d@e, " + inner},
		{"the first of several wrappers that hold anything", strings.Replace(carbon("received", inner), `<received`, `<sent xmlns='urn:xmpp:carbons:2'/><received`, 1), "from d@e, " + inner},
		{"a second wrapper changes nothing", strings.Replace(carbon("received", inner), `</message></forwarded></received>`, `</message></forwarded></received><sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>`+inner+`</forwarded></sent>`, 1), "from d@e, " + inner},
		{"white space around everything", " <message from='d@e'>\n <received xmlns='urn:xmpp:carbons:2'>\n <forwarded xmlns='urn:xmpp:forward:0'>\n" + inner + "\n</forwarded>\n</received>\n</message> ", "from d@e, " + inner},
		{"an empty message", carbon("received", `<message xmlns='jabber:client'/>`), `from d@e, <message xmlns='jabber:client'/>`},

		{"R4 a message that a user forwards", strings.ReplaceAll(carbon("received", inner), "urn:xmpp:carbons:2", "urn:x"), "nothing"},
		{"R4 a message that is forwarded without a wrapper", `<message><forwarded xmlns='urn:xmpp:forward:0'>` + inner + `</forwarded></message>`, "nothing"},
		{"a wrapper one level too deep", `<message><a>` + carbon("received", inner) + `</a></message>`, "nothing"},
		{"a message one level too deep", carbon("received", `<a>`+inner+`</a>`), "nothing"},
		{"an element of another name", carbon("private", inner), "nothing"},
		{"a wrapper of another version", strings.Replace(carbon("received", inner), "carbons:2", "carbons:1", 1), "nothing"},
		{"what forwards is of another version", strings.Replace(carbon("received", inner), "forward:0", "forward:1", 1), "nothing"},
		{"R21 an error that echoes a wrapper", strings.Replace(carbon("received", inner), "<message", "<message type='error'", 1), "nothing"},
		{"R5 a wrapper in a query", strings.Replace(strings.Replace(carbon("received", ""), "<message", "<iq", 1), "</received></message>", "</received></iq>", 1), "nothing"},
		{"no message", carbon("received", `<iq xmlns='jabber:client'/>`), "nothing"},
		{"a message in no namespace", carbon("received", `<message xmlns=''/>`), "nothing"},
		{"R7 a message with a prefix", carbon("received", `<c:message xmlns:c='jabber:client'/>`), "nothing"},
		{"an empty wrapper", carbon("received", ""), "nothing"},
		{"a usual message", inner, "nothing"},
		{"R25 a wrapper that is not well-formed", carbon("received", inner) + "<", "not well-formed"},
		{"R25 a message that is not well-formed", carbon("received", `<message xmlns='jabber:client'>&x;</message>`), "not well-formed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, unwrapped(receipts.Unwrap([]byte(c.stanza)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What the wrapper declares goes with the message.
func TestUnwrapStandsAlone(t *testing.T) {
	for _, c := range []struct{ name, stanza, want string }{
		{
			"a prefix",
			`<message xmlns:u='urn:&amp;&apos;'><x:sent xmlns:x='urn:xmpp:carbons:2'><y:forwarded xmlns:y='urn:xmpp:forward:0'><message id='1'><u:a/></message></y:forwarded></x:sent></message>`,
			`<message xmlns:y='urn:xmpp:forward:0' xmlns:x='urn:xmpp:carbons:2' xmlns:u='urn:&amp;&apos;' id='1'><u:a/></message>`,
		},
		{
			"a prefix that is replaced",
			`<message xmlns:u='urn:a'><sent xmlns:u='urn:b' xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><u:a/></message></forwarded></sent></message>`,
			`<message xmlns:u='urn:b' xmlns='jabber:client'><u:a/></message>`,
		},
		{
			"a prefix that the message replaces",
			`<message xmlns:u='urn:a'><sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns:u='urn:b' xmlns='jabber:client'><u:a/></message></forwarded></sent></message>`,
			`<message xmlns:u='urn:b' xmlns='jabber:client'><u:a/></message>`,
		},
		{
			"the namespace of another kind of stream",
			`<message xmlns='jabber:server'><x:sent xmlns:x='urn:xmpp:carbons:2'><x:forwarded xmlns:x='urn:xmpp:forward:0'><message><body/></message></x:forwarded></x:sent></message>`,
			`<message xmlns:x='urn:xmpp:forward:0' xmlns='jabber:server'><body/></message>`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := receipts.Unwrap([]byte(c.stanza))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(f.Stanza)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnwrapWithTooManyDeclarations(t *testing.T) {
	var declared, attributes strings.Builder
	for i := range receipts.MaxAttributes / 2 {
		fmt.Fprintf(&declared, " xmlns:p%d='urn:p'", i)
		fmt.Fprintf(&attributes, " a%d=''", i)
	}
	wrapped := strings.Replace(carbon("sent", `<message xmlns='jabber:client'`+attributes.String()+`/>`), "<message", "<message"+declared.String(), 1)
	if got, want := unwrapped(receipts.Unwrap([]byte(wrapped))), "beyond the limits"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUnwrapOfAUsualWrapperAllocatesNothing(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	wrapper := []byte(carbon("received", inner))
	got := testing.AllocsPerRun(100, func() {
		if _, err := receipts.Unwrap(wrapper); err != nil {
			t.Fatal(err)
		}
	})
	if got > 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}
