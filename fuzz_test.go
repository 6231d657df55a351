// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/receipts"
)

// stanzas adds what is worth starting from.
func stanzas(f *testing.F) {
	f.Helper()
	data, err := os.ReadFile("receipts/testdata/vectors.json")
	if err != nil {
		f.Fatal(err)
	}
	var vectors []struct{ XML string }
	if err := json.Unmarshal(data, &vectors); err != nil {
		f.Fatal(err)
	}
	for _, v := range vectors {
		f.Add([]byte(v.XML))
	}
	for _, s := range []string{"", "<", chat("m1"), receipt("m1"), message("error", "", westminster, "m1", ""),
		"<iq type='result' id='untilack-15b16f97d4deb5bf'/>", "<presence/>"} {
		f.Add([]byte(s))
	}
}

// FuzzOutgoing: whatever is delivered, nothing panics, the bytes stay as they are,
// and a copy that is written later says the same.
func FuzzOutgoing(f *testing.F) {
	stanzas(f)
	f.Fuzz(func(t *testing.T, stanza []byte) {
		s := newStage(t, untilack.Config{Store: lasting, Admit: untilack.AdmitContent})
		stream := s.enter(throne, nil)
		s.work()
		before := bytes.Clone(stanza)
		s.deliver(stream, string(stanza))
		s.Outgoing(s.now, stream, stanza)
		if !bytes.Equal(stanza, before) {
			t.Error("the stanza was changed")
		}
		if err := s.offline(string(stanza)); err == nil && s.Count(untilack.Kept) == 0 {
			s.pass(untilack.DefaultAckWait)
		}
		s.Close(s.now, stream)
		next := s.enter(crown, nil)
		s.work()
		want, _ := receipts.Scan(before)
		for _, copied := range s.wrote[next] {
			got, err := receipts.Scan([]byte(copied))
			if err != nil || got.ID.String() != want.ID.String() || got.From.String() != want.From.String() ||
				got.To.String() != want.To.String() || got.Type != want.Type || got.Kind != want.Kind {
				t.Errorf("%q was redelivered as %q: %v", before, copied, err)
			}
		}
	})
}

// FuzzIncoming: whatever a client says, nothing panics, and what waits is settled
// by a receipt for it or by an error with its id alone.
func FuzzIncoming(f *testing.F) {
	stanzas(f)
	f.Fuzz(func(t *testing.T, stanza []byte) {
		s := newStage(t, untilack.Config{})
		stream := s.enter(throne, nil)
		s.work()
		s.deliver(stream, chat("richard2-4.1.247"))
		before := bytes.Clone(stanza)
		if !s.Incoming(s.now, stream, stanza) {
			t.Errorf("%q was not routed on, and no probe was out", stanza)
		}
		if !bytes.Equal(stanza, before) {
			t.Error("the stanza was changed")
		}
		if len(s.Waiting(richard)) == 1 {
			return
		}
		m, err := receipts.Scan(stanza)
		to := m.To.String()
		if err != nil || m.Element != receipts.MessageStanza || to == "" || !bytes.Contains(stanza, []byte("richard2-4.1.247")) && !bytes.ContainsAny(stanza, "&") {
			t.Errorf("%q has settled the message", stanza)
		}
	})
}
