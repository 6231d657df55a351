// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack"
)

// BenchmarkKeeper measures all that the Keeper does for one message that is
// delivered and acknowledged: two scans of a stanza, admission, Put, Settle.
func BenchmarkKeeper(b *testing.B) {
	keeper, err := untilack.New(untilack.Config{Domain: "royalty.england.lit", Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	stream, err := keeper.Open(now, "kingrichard@royalty.england.lit/throne", nil)
	if err != nil {
		b.Fatal(err)
	}
	for e, ok := keeper.Next(); ok; e, ok = keeper.Next() {
		if keeper.Begin(now, e) {
			keeper.Finish(now, e, untilack.Result{})
		}
	}
	message := benchmarkMessage()
	receipt := []byte("<message to='northumberland@shakespeare.lit/westminster' id='3c9e1a55' type='chat'>" +
		"<received xmlns='urn:xmpp:receipts' id='" + benchmarkID + "'/></message>")
	ids := [][]byte{idIn(message), idIn(receipt)}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		for _, id := range ids {
			hex.Encode(id, binary.BigEndian.AppendUint32(make([]byte, 0, 4), uint32(n)))
		}
		if a := keeper.Outgoing(now, stream, message); a.Verdict != untilack.Write || !a.Kept {
			b.Fatalf("%v, kept %v", a.Verdict, a.Kept)
		}
		keeper.Incoming(now, stream, receipt)
	}
	if n := keeper.Count(untilack.Settled); n != uint64(b.N) {
		b.Fatalf("%d of %d settled", n, b.N)
	}
}

const benchmarkID = "8bce76ab-55f5-4b62-9a0e-5b64cf9a7f11"

// idIn returns where benchmarkID stands.
func idIn(stanza []byte) []byte { return stanza[bytes.Index(stanza, []byte(benchmarkID)):] }

// benchmarkMessage returns a message of 400 bytes that asks for a receipt.
func benchmarkMessage() []byte {
	const before = "<message from='northumberland@shakespeare.lit/westminster' to='kingrichard@royalty.england.lit'" +
		" id='" + benchmarkID + "' type='chat'><body>"
	const after = "</body><request xmlns='urn:xmpp:receipts'/></message>"
	return []byte(before + strings.Repeat("x", 400-len(before)-len(after)) + after)
}
