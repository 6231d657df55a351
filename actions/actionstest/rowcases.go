// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"bytes"
	"math"
	"strings"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// rowCases are about what a row holds.
var rowCases = []testCase[actions.Store]{
	{
		name: "a row comes back as it was put",
		rule: "Key, Sum, Resource, Marks, Received, Expires, Attempt and Stanza are kept; Seq and Copies are not.",
		run:  checkFields,
	},
	{
		name: "odd values come back as they were put",
		rule: "Ids and addresses are opaque text of any length below the stanza's (RFC 6120 §8.1.3), sums use all 64 bits, and stanzas are bytes.",
		run:  checkOddValues,
	},
	{
		name: "a store owns its bytes",
		rule: "What was accepted does not change when the caller uses its buffers again, nor when it changes what List returned.",
		run:  checkOwnBytes,
	},
	{
		name: "many rows in one put",
		rule: "Put takes any number of rows, also none and the same one twice, and returns nil or one error for each.",
		run:  checkManyRows,
	},
}

func checkFields(c *check, s actions.Store) {
	p := NewPacket(richard+"/throne", henry, "richard2-4.1.247")
	p.Marks |= cache.Delivered | cache.Pinned | cache.Encrypted
	p.Expires = p.Received.Add(time.Hour)
	p.Attempt = 2
	row := actions.Row{Packet: p, Custody: true}
	row.Packet.Seq = 7
	row.Packet.Copies = []cache.Copy{{Resource: "throne", Stream: 1}}
	if !c.put(s, []actions.Row{row}) {
		return
	}
	got, ok := c.only(s, richard)
	if !ok {
		return
	}
	c.samePacket(got.Packet, p)
	if !got.Custody {
		c.faultf("Custody: got false, want true")
	}
	if got.Number == 0 {
		c.faultf("Number: got 0, want one that List's after can be compared with")
	}
}

// samePacket compares what a store keeps.
func (c *check) samePacket(got, want cache.Packet) {
	if got.Identity() != want.Identity() {
		c.faultf("identity: got %+v, want %+v", got.Identity(), want.Identity())
	}
	if got.Resource != want.Resource || got.Marks != want.Marks || got.Attempt != want.Attempt {
		c.faultf("Resource, Marks, Attempt: got %q %b %d, want %q %b %d",
			got.Resource, got.Marks, got.Attempt, want.Resource, want.Marks, want.Attempt)
	}
	if !sameTime(got.Received, want.Received) || !sameTime(got.Expires, want.Expires) {
		c.faultf("Received, Expires: got %v %v, want %v %v",
			got.Received, got.Expires, want.Received, want.Expires)
	}
	if !bytes.Equal(got.Stanza, want.Stanza) {
		c.faultf("Stanza: got %.200q, want %.200q", got.Stanza, want.Stanza)
	}
	if got.Seq != 0 || got.Copies != nil {
		c.faultf("Seq, Copies: got %d %v, want 0 and nil", got.Seq, got.Copies)
	}
}

func sameTime(got, want time.Time) bool {
	if want.IsZero() {
		return got.IsZero()
	}
	return got.Truncate(time.Microsecond).Equal(want.Truncate(time.Microsecond))
}

func checkOddValues(c *check, s actions.Store) {
	odd := []string{
		"", " ", "\n\t", "'; DROP TABLE offline; --", `../../etc/passwd`, `a\b"c`, "100%_*?",
		"A\u030A", "Å", "å", "\U0001F4EC", strings.Repeat("long", 2_500),
	}
	var packets []cache.Packet
	for _, text := range odd {
		p := number(richard, 0)
		p.Key.ID, p.Key.From, p.Resource = text, "a@b.lit/"+text, text
		packets = append(packets, p)
	}
	for _, sum := range []uint64{0, 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		p := number(richard, 0)
		p.Sum, p.Stanza = sum, []byte{0, 0xFF, 0xFE, '<', byte(sum)}
		packets = append(packets, p)
	}
	large := number(richard, 1)
	large.Received, large.Stanza = time.Time{}, bytes.Repeat([]byte("0123456789abcdef"), 16_384)
	packets = append(packets, large)
	if !c.put(s, mail(packets...)) {
		return
	}
	got := c.list(s, richard)
	if len(got) != len(packets) {
		c.faultf("List: got %d rows, want %d", len(got), len(packets))
		return
	}
	for i, p := range packets {
		c.samePacket(got[i].Packet, p)
	}
}

func checkOwnBytes(c *check, s actions.Store) {
	p := number(richard, 1)
	want := bytes.Clone(p.Stanza)
	if !c.put(s, mail(p)) {
		return
	}
	clear(p.Stanza)
	first, ok := c.only(s, richard)
	if !ok {
		return
	}
	if !bytes.Equal(first.Packet.Stanza, want) {
		c.faultf("the stored stanza changed with the buffer that was put")
	}
	clear(first.Packet.Stanza)
	if second, ok := c.only(s, richard); ok && !bytes.Equal(second.Packet.Stanza, want) {
		c.faultf("the stored stanza changed with what List returned")
	}
}

func checkManyRows(c *check, s actions.Store) {
	c.put(s, nil)
	packets := series(richard, 600)
	if !c.put(s, mail(append(packets, packets[0], packets[599])...)) {
		return
	}
	c.want("List", c.list(s, richard), packets...)
}
