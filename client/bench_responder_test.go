// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"fmt"
	"testing"

	"github.com/untilack/untilack/client"
)

// BenchmarkReceiveAck is what a message costs that is new and acknowledged, what a copy of one
// costs, and what one costs that asks for nothing.
func BenchmarkReceiveAck(b *testing.B) {
	stanzas := make([][]byte, 1<<16) // more than the window has room for
	for i := range stanzas {
		stanzas[i] = asker(fmt.Sprintf("%s%d@shakespeare.lit/a", "percy", i%100), fmt.Sprintf("9b1deb4d-3b7d-4bad-9bdd-%012d", i), "My lord, dispatch; read o'er these articles.")
	}
	silent := []byte(`<message type='chat' from='a@b/c' to='d@e' id='1'><body>My lord, dispatch; read o'er these articles.</body></message>`)
	for _, c := range []struct {
		name   string
		stanza func(n int) []byte
	}{
		{"new", func(n int) []byte { return stanzas[n%len(stanzas)] }},
		{"copy", func(int) []byte { return stanzas[0] }},
		{"silent", func(int) []byte { return silent }},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := newResponder(b, client.ResponderOptions{SenderRate: -1, Rate: -1})
			for i := range 100 {
				r.Roster().Set(addressOf(fmt.Sprintf("percy%d@shakespeare.lit", i)), "both")
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				a := r.Receive(now, c.stanza(n))
				if _, err := a.Ack(now); err != nil && c.name != "silent" {
					b.Fatal(err)
				}
				n++
			}
		})
	}
}
