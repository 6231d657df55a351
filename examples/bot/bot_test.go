// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

func TestRunRefuses(t *testing.T) {
	t.Setenv("XMPP_PASSWORD", "secret")
	for _, arguments := range []string{
		"", "-account juliet@capulet.example more", "-account juliet@capulet.example -answer some",
		"-account juliet@capulet.example -tls none", "-account juliet@capulet.example -password=",
		"-account juliet@capulet.example -store " + os.DevNull + "/x",
	} {
		if err := run(t.Context(), strings.Fields(arguments), io.Discard, io.Discard); err == nil {
			t.Errorf("%s: no error", arguments)
		}
	}
}

// A copy of a message that asks for a receipt is stored once, also by a later process; what
// is not known to be a copy is stored.
func TestMailbox(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.db")
	in := func(from, id, body string, asks bool) *message {
		m := &message{Message: stanza.Message{From: jid.MustParse(from), ID: id}, Body: body}
		if asks {
			m.Request = &struct{}{}
		}
		return m
	}
	for _, test := range []struct {
		name string
		in   *message
		want bool
	}{
		{"first", in("romeo@montague.example/a", "1", "hi", true), true},
		{"copy", in("romeo@montague.example/a", "1", "hi", true), false},
		{"another id", in("romeo@montague.example/a", "2", "hi", true), true},
		{"an id used again", in("romeo@montague.example/a", "1", "ho", true), true},
		{"another client", in("romeo@montague.example/b", "1", "hi", true), true},
		{"asks for nothing", in("romeo@montague.example/a", "1", "hi", false), true},
		{"asks for nothing, again", in("romeo@montague.example/a", "1", "hi", false), true},
	} {
		mail, err := openMailbox(t.Context(), path) // by another process each
		if err != nil {
			t.Fatal(err)
		}
		got, err := mail.add(test.in)
		if got != test.want || err != nil {
			t.Errorf("%s: got %v, %v, want %v", test.name, got, err, test.want)
		}
		mail.close()
	}
}
