// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/untilack/untilack/receipts"
)

// The messages that the benchmarks look at: one of 400 bytes that asks for a
// receipt, the same one without the request, and a receipt.
const (
	asking = `<message xmlns='jabber:client' from='northumberland@shakespeare.lit/westminster' to='kingrichard@royalty.england.lit/throne' id='9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d' type='chat'><body>My lord, dispatch; read o'er these articles, and let us know the pleasure of your mind.</body><thread>e0ffe42b28561960c6b12b944a092794b9683a38</thread><request xmlns='urn:xmpp:receipts'/></message>`
	acking = `<message xmlns='jabber:client' from='kingrichard@royalty.england.lit/throne' to='northumberland@shakespeare.lit/westminster' id='bi29sg183b4v' type='chat'><received xmlns='urn:xmpp:receipts' id='9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d'/></message>`
)

var silent = strings.Replace(asking, `<request xmlns='urn:xmpp:receipts'/>`, ``, 1)

var benchmarks = []struct{ name, stanza string }{
	{"asking", asking},
	{"silent", silent},
	{"acking", acking},
}

func BenchmarkScan(b *testing.B) {
	for _, c := range benchmarks {
		stanza := []byte(c.stanza)
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(stanza)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := receipts.Scan(stanza); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMentions(b *testing.B) {
	for _, c := range benchmarks {
		stanza := []byte(c.stanza)
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(stanza)))
			b.ReportAllocs()
			for b.Loop() {
				receipts.Mentions(stanza)
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, c := range benchmarks {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.stanza)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := receipts.Read(xml.NewDecoder(strings.NewReader(c.stanza))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTokens is what everybody pays who decodes a stanza with encoding/xml,
// before having looked at any of it.
func BenchmarkTokens(b *testing.B) {
	for _, c := range benchmarks {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.stanza)))
			b.ReportAllocs()
			for b.Loop() {
				d := xml.NewDecoder(strings.NewReader(c.stanza))
				for {
					if _, err := d.Token(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
