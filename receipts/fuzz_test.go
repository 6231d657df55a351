// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/untilack/untilack/receipts"
)

// seed adds all vectors and all our own cases of a usual size.
func seed(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.XML))
	}
	for _, rows := range rows {
		for _, r := range rows {
			if len(r.stanza) < 1000 {
				f.Add([]byte(r.stanza))
			}
		}
	}
	f.Add([]byte(asking))
	f.Add([]byte(acking))
	f.Add([]byte(`<message><p:x xmlns:p='urn:p' xmlns=''><y p:a="&#10;b'c"/>]]&gt;<z xmlns='jabber:server'/></p:x></message>`))
	f.Add([]byte(`<message xmlns='jabber:server'><body xmlns="jabber:server"/><delay xmlns='urn:xmpp:delay' from='A.example'>x</delay><delay xmlns='urn:xmpp:delay'/></message>`))
}

func FuzzScan(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, stanza []byte) {
		before := bytes.Clone(stanza)
		m, err := receipts.Scan(stanza)
		if !bytes.Equal(before, stanza) {
			t.Fatal("Scan changed the stanza")
		}
		if err != nil {
			if !errors.Is(err, receipts.ErrSyntax) && !errors.Is(err, receipts.ErrLimit) {
				t.Fatalf("the error is of no kind: %v", err)
			}
			if diff := cmp.Diff(receipts.Message{}, m, same); diff != "" {
				t.Fatalf("there is a result with an error: %s", diff)
			}
			return
		}
		if m.Kind != receipts.KindNone && !receipts.Mentions(stanza) {
			t.Fatal("Mentions does not see it")
		}
		checkAck(t, &m)
	})
}

// checkAck checks what holds for every receipt.
func checkAck(t *testing.T, m *receipts.Message) {
	t.Helper()
	a, err := m.Ack(nil)
	if err != nil {
		return
	}
	got, err := receipts.Scan(a.AppendTo(nil))
	if err != nil {
		t.Fatalf("the receipt is malformed: %v", err)
	}
	if got.Kind != receipts.KindReceived || got.Type != m.Type || got.ID.Equal(m.ID) || !got.To.Equal(m.From) {
		t.Fatalf("the receipt is wrong: %s", describe(got, nil))
	}
	if diff := cmp.Diff([]string{m.ID.String()}, ids(got)); diff != "" {
		t.Fatalf("the receipt is for another message: %s", diff)
	}
	if got.MayAck(nil) == nil {
		t.Fatal("the receipt may be answered")
	}
}

// lax finds what encoding/xml lets pass although no stream may carry it.
var lax = regexp.MustCompile(`a prefix is not declared|the stanza has a prefix|white space is missing in a tag`)

// pair finds references to half of a surrogate pair, which encoding/xml replaces.
var pair = regexp.MustCompile(`&#(x0*[dD][89a-fA-F][0-9a-fA-F]{2}|0*5[567][0-9]{3});`)

// outside finds what the decoder cannot tell from white space between stanzas.
var outside = regexp.MustCompile(`text outside of the element`)

func FuzzScanAgainstRead(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, stanza []byte) {
		scanned, scanErr := receipts.Scan(stanza)
		read, readErr := readOnly(string(stanza))
		switch {
		case scanErr == nil && readErr == nil:
			if diff := cmp.Diff(scanned, read, same); diff != "" {
				t.Fatalf("Scan (-) and Read (+) differ: %s", diff)
			}
		case scanErr == nil:
			// encoding/xml knows only the names of the fourth edition of XML.
			if !strings.Contains(readErr.Error(), "invalid XML name") {
				t.Fatalf("Scan takes what Read refuses: %v", readErr)
			}
		case readErr == nil:
			hidden := lax.MatchString(scanErr.Error()) ||
				outside.MatchString(scanErr.Error()) ||
				pair.Match(stanza) && strings.Contains(scanErr.Error(), "a reference is not known")
			if !hidden {
				t.Fatalf("Read takes what Scan refuses: %v", scanErr)
			}
		}
	})
}

// stamp is the delay of the fuzz tests.
var stamp = receipts.Delay{
	From:  "a.example",
	Stamp: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC),
}

// count returns how many delay stamps a stanza has as a decoder sees it.
func count(t *testing.T, stanza []byte) int {
	t.Helper()
	d, level, n := within(string(stanza)), 0, 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			return n
		} else if err != nil {
			t.Fatal(err)
		}
		name, opens := opening(token)
		if opens {
			level++
			if level == 2 && name.Space == "urn:xmpp:delay" && name.Local == "delay" {
				n++
			}
		} else if closes(token) {
			level--
		}
	}
}

// rescoped finds stanzas that may be put into the namespace of clients.
var rescoped = regexp.MustCompile(`^\s*<[a-z]+\s[^>]*xmlns\s*=`)

func FuzzAppendDelayed(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, stanza []byte) {
		m, err := receipts.Scan(stanza)
		out, outErr := receipts.AppendDelayed([]byte("kept"), stanza, stamp)
		if err != nil || m.Element == receipts.Other {
			if outErr == nil || string(out) != "kept" {
				t.Fatalf("it is stamped: %q %v", out, outErr)
			}
			return
		}
		if outErr != nil {
			t.Fatal(outErr)
		}
		out, ok := bytes.CutPrefix(out, []byte("kept"))
		if !ok {
			t.Fatal("what was there before is gone")
		}
		got, err := receipts.Scan(out)
		if errors.Is(err, receipts.ErrLimit) {
			return // by what was added
		}
		if err != nil {
			t.Fatalf("the result is malformed: %v\n%s", err, out)
		}
		m.Marks |= receipts.Delayed
		if m.Element != receipts.MessageStanza {
			m.Marks &^= receipts.Delayed
		}
		if rescoped.Match(stanza) {
			// A child that stood in the namespace of clients while the message did
			// not is now in the same one.
			m.Marks |= got.Marks & (receipts.Body | receipts.Content)
			got.Marks |= m.Marks & (receipts.Body | receipts.Content)
		}
		if describe(got, nil) != describe(m, nil) {
			t.Fatalf("the result says something else: %s\n%s", describe(got, nil), describe(m, nil))
		}
		if _, err := readOnly(string(out)); err == nil {
			if n := count(t, out); n != 1 {
				t.Fatalf("there are %d stamps: %s", n, out)
			}
		}
		again, err := receipts.AppendDelayed(nil, out, stamp)
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("once more changes it: %v\n%s\n%s", err, out, again)
		}
	})
}

func FuzzAppendFrom(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, stanza []byte) {
		m, err := receipts.Scan(stanza)
		if err != nil || m.Element == receipts.Other {
			return
		}
		const from = `a@b/'"<&>`
		out, err := receipts.AppendFrom(nil, stanza, from)
		if err != nil {
			t.Fatal(err)
		}
		got, err := receipts.Scan(out)
		if errors.Is(err, receipts.ErrLimit) {
			return // by what was added
		}
		if err != nil {
			t.Fatalf("the result is malformed: %v\n%s", err, out)
		}
		m.From = receipts.NewText(from)
		if diff := cmp.Diff(m, got, same); diff != "" {
			t.Fatal(diff)
		}
	})
}

// What Ask makes of a stream's tokens is what AppendAsked makes of its bytes.
func FuzzAsk(f *testing.F) {
	seed(f)
	o := &receipts.RequestOptions{NewID: func() string { return "new" }, Bodiless: true}
	f.Fuzz(func(t *testing.T, stanza []byte) {
		m, err := receipts.Scan(stanza)
		out, got, outErr := receipts.AppendAsked([]byte("kept"), stanza, o)
		forbidden := m.MayAsk(o)
		switch {
		case err != nil, forbidden != nil && m.Kind.Has(receipts.KindRequest):
			if outErr == nil || string(out) != "kept" {
				t.Fatalf("it is taken: %q, %v", out, outErr)
			}
			return
		case errors.Is(outErr, receipts.ErrLimit):
			return // by what was added
		case outErr != nil:
			t.Fatal(outErr)
		}
		out = out[len("kept"):]
		if again, _, err := receipts.AppendAsked(nil, out, o); err != nil || !bytes.Equal(again, out) {
			t.Fatalf("once more changes it: %v\n%s\n%s", err, out, again)
		}
		if m.ID.IsEmpty() && m.Element == receipts.MessageStanza && m.Type != "error" {
			m.ID = receipts.NewText("new")
		}
		if forbidden == nil {
			m.Kind = receipts.KindRequest
		}
		if diff := cmp.Diff(m, got, same); diff != "" {
			t.Fatal(diff)
		}
		encoded, err := receipts.Encode(receipts.Ask(o)(within(string(stanza))))
		if err != nil {
			return // encoding/xml, or the encoder, refuses what Scan takes
		}
		read, err := receipts.Scan(encoded)
		if diff := cmp.Diff(m, read, same); err != nil || diff != "" {
			t.Fatalf("Ask gives something else: %v %s\n%s", err, diff, encoded)
		}
	})
}

func FuzzEncode(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, stanza []byte) {
		want, err := readOnly(string(stanza))
		if err != nil {
			return
		}
		for _, outer := range []string{"jabber:client", "", "jabber:server"} {
			out, err := receipts.AppendTokens(nil, within(string(stanza)), outer)
			if err != nil {
				// An element with the prefix xmlns, or with far too many namespaces.
				if errors.Is(err, receipts.ErrSyntax) || errors.Is(err, receipts.ErrLimit) {
					return
				}
				t.Fatal(err)
			}
			if outer == "jabber:server" {
				continue // Scan takes what is not declared as that of clients
			}
			got, err := receipts.Scan(out)
			if err != nil {
				t.Fatalf("the result is malformed: %v\n%s", err, out)
			}
			if diff := cmp.Diff(want, got, same); diff != "" {
				t.Fatalf("the result says something else: %s\n%s", diff, out)
			}
			again, err := receipts.AppendTokens(nil, within(string(out)), outer)
			if err != nil || !bytes.Equal(again, out) {
				t.Fatalf("once more changes it: %v\n%s\n%s", err, out, again)
			}
		}
	})
}

// encoded returns a stanza as a decoder sees it, written anew, or nil if it cannot be.
func encoded(stanza []byte) []byte {
	if _, err := readOnly(string(stanza)); err != nil {
		return nil
	}
	out, err := receipts.Encode(within(string(stanza)))
	if err != nil {
		return nil
	}
	return out
}

// prefixed finds messages that have a prefix, which encoding them takes away.
var prefixed = regexp.MustCompile(`:message`)

func FuzzUnwrap(f *testing.F) {
	seed(f)
	for _, content := range []string{inner, `<x:message xmlns:x='jabber:client'/>`, `<message xmlns='jabber:server' xmlns:x='urn:x'><x:a x:b=''/></message>`} {
		f.Add([]byte(carbon("sent", content)))
		f.Add([]byte(archived(content)))
	}
	f.Add([]byte(`<message xmlns:u='urn:u'><x:sent xmlns:x='urn:xmpp:carbons:2'><y:forwarded xmlns:y='urn:xmpp:forward:0'><message id='1'><u:a/></message></y:forwarded></x:sent></message>`))
	f.Fuzz(func(t *testing.T, stanza []byte) {
		got, err := receipts.Unwrap(stanza)
		if err != nil {
			if got.Stanza != nil {
				t.Fatal("there is a result with an error")
			}
			return
		}
		m, err := receipts.Scan(got.Stanza)
		if err != nil || m.Element != receipts.MessageStanza {
			t.Fatalf("what was forwarded is no message: %v\n%s", err, got.Stanza)
		}
		out := encoded(stanza)
		if out == nil || prefixed.Match(stanza) {
			return
		}
		want, err := receipts.Unwrap(out)
		if err != nil {
			t.Fatalf("nothing is left after encoding it: %v\n%s", err, out)
		}
		if digestOf(t, string(got.Stanza)) != digestOf(t, string(want.Stanza)) {
			t.Fatalf("got  %s\nwant %s", got.Stanza, want.Stanza)
		}
		got.Stanza, want.Stanza = nil, nil
		if unwrapped(got, nil) != unwrapped(want, nil) {
			t.Fatalf("got %s\nwant %s", unwrapped(got, nil), unwrapped(want, nil))
		}
	})
}

func FuzzDigest(f *testing.F) {
	seed(f)
	f.Add([]byte(original))
	f.Fuzz(func(t *testing.T, stanza []byte) {
		m, scanErr := receipts.Scan(stanza)
		got, err := receipts.Digest(stanza)
		if (err == nil) != (scanErr == nil && m.Element != receipts.Other) {
			t.Fatalf("Scan says %v, and Digest %v", scanErr, err)
		}
		if err != nil {
			return
		}
		if out := encoded(stanza); out != nil {
			if want := digestOf(t, string(out)); got != want {
				t.Fatalf("it has another digest once it is written anew: %s", out)
			}
		}
		out, err := receipts.AppendDelayed(nil, stanza, stamp)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := receipts.Digest(out); err == nil && got != want {
			t.Fatalf("it has another digest with a stamp: %s", out)
		}
	})
}
