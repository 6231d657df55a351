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

// blind are the vectors that have to be refused, but that Read cannot tell from
// good ones, with the reason for each.
var blind = map[string]string{
	"sl-prefixed-content-namespace": "the decoder replaces prefixes by namespaces",
}

// facts are what a vector expects.
type facts struct {
	Kind, ID, Received string
	MayAck, Refused    bool
}

func factsOf(m receipts.Message, err error) facts {
	f := facts{
		Kind:    m.Kind.String(),
		ID:      m.ID.String(),
		MayAck:  err == nil && m.MayAck(nil) == nil,
		Refused: err != nil,
	}
	if all := ids(m); all != nil {
		f.Received = all[0]
	}
	return f
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		want := facts{
			Kind:     v.Expect.Kind,
			ID:       v.Expect.ID,
			Received: v.Expect.ReceivedID,
			MayAck:   v.Expect.ShouldAck,
			Refused:  strings.HasPrefix(v.Expect.Reason, "stream-level: "),
		}
		t.Run("Scan/"+v.Name, func(t *testing.T) {
			got := factsOf(receipts.Scan([]byte(v.XML)))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
		t.Run("Read/"+v.Name, func(t *testing.T) {
			if reason := blind[v.Name]; reason != "" {
				t.Skip(reason)
			}
			got := factsOf(readOnly(v.XML))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
		t.Run("Mentions/"+v.Name, func(t *testing.T) {
			if want.Kind != "none" && !receipts.Mentions([]byte(v.XML)) {
				t.Error("Mentions does not see it")
			}
		})
	}
}

// Mentions sees the namespace wherever it begins, and nothing that is only like it.
func TestMentions(t *testing.T) {
	for text, want := range map[string]bool{
		"":                               false,
		":":                              false,
		"urn:":                           false,
		":xmpp:receipts":                 false,
		"urn:xmpp:receipt":               false,
		"Urn:xmpp:receipts":              false,
		"urn:xmpp:carbons urn:xmpp:sid":  false,
		"urn:xmpp:receipts":              true,
		"::urn:xmpp:receipts'":           true,
		"urn:urn:xmpp:receipts":          true,
		"a:b urn:xmpp:urn:xmpp:receipts": true,
		"urn&#58;xmpp":                   true,
		"& #":                            false,
	} {
		if got := receipts.Mentions([]byte(text)); got != want {
			t.Errorf("Mentions(%q) = %v", text, got)
		}
	}
}
