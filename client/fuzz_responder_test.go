// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/receipts"
)

// A game plays a Responder by the bytes of a fuzzer, and knows what must hold.
type game struct {
	*testing.T
	r        *client.Responder
	now      time.Time
	data     []byte
	foreign  []byte // a stanza of the fuzzer's
	journal  *journal
	arrivals []*client.Arrival
	acks     []int           // how many receipts each of them has given
	stanzas  []string        // that they came with
	safe     map[string]bool // the stanzas that somebody has worked on
}

// next returns a number below n that the fuzzer has chosen.
func (g *game) next(n int) int {
	if len(g.data) == 0 {
		return 0
	}
	b := g.data[0]
	g.data = g.data[1:]
	return int(b) % n
}

// stanza returns one of a few messages, or what the fuzzer has made.
func (g *game) stanza() []byte {
	id := fmt.Sprint(g.next(4))
	switch g.next(6) {
	case 0:
		return g.foreign
	case 1:
		return []byte(receiptFrom(desk, richard, id))
	case 2:
		return asker("mallory@e/f", id, "a")
	case 3:
		return asker(york, id, fmt.Sprint(g.next(2)))
	}
	return asker(desk, id, "a")
}

// play makes one move.
func (g *game) play() {
	n := 0
	if len(g.arrivals) > 0 {
		n = g.next(len(g.arrivals))
	}
	switch move := g.next(9); {
	case move < 3 || len(g.arrivals) == 0:
		stanza := g.stanza()
		g.arrivals = append(g.arrivals, g.r.Receive(g.now, stanza))
		g.acks, g.stanzas = append(g.acks, 0), append(g.stanzas, string(stanza))
		if m, err := receipts.Scan(stanza); err != nil || m.Kind != receipts.KindRequest {
			g.acks[len(g.acks)-1] = 1 // no receipt may come of it
		}
	case move < 6:
		g.ack(n)
	case move == 6:
		g.arrivals[n].Drop()
	case move == 7:
		g.arrivals[n].Again()
	default:
		g.journal.err = nil
		if g.next(4) == 0 {
			g.journal.err = errDisk
		}
		g.now = g.now.Add(time.Duration(g.next(256)-16) * time.Second)
		g.archive()
	}
	g.check()
}

// ack asks for a receipt. What Err has said before must be true, and of a message that nobody has
// worked on a copy must give none.
func (g *game) ack(n int) {
	a := g.arrivals[n]
	before := a.Err()
	ack, err := a.Ack(g.now)
	if !a.Copy() && (err == nil || errors.Is(err, client.ErrRate) || errors.Is(err, client.ErrPolicy)) {
		g.safe[g.stanzas[n]] = true
	}
	switch {
	case err == nil:
		g.receipt(ack)
		if g.acks[n]++; g.acks[n] > 1 {
			g.Fatalf("an Arrival gives %d receipts, or one for what does not ask", g.acks[n])
		}
		if errors.Is(before, receipts.ErrNoAck) || errors.Is(before, client.ErrPolicy) {
			g.Fatalf("Err has said %v, and there is a receipt", before)
		}
		if !g.safe[g.stanzas[n]] {
			g.Fatalf("a copy gives a receipt for a message that nobody has worked on: %s", g.stanzas[n])
		}
	case before == nil && !errors.Is(err, client.ErrRate) && !errors.Is(err, errDisk):
		g.Fatalf("Err has said nothing, and Ack says %v", err)
	}
}

// archive looks at the archive.
func (g *game) archive() {
	stanza := string(g.stanza())
	for _, ack := range g.r.AckArchived(g.now, fetched(stanza), g.foreign) {
		g.receipt(ack)
		g.safe[stanza] = true
		if f, err := receipts.Unwrap(g.foreign); err == nil {
			g.safe[string(f.Stanza)] = true
		}
	}
}

// receipt checks what holds for every receipt.
func (g *game) receipt(ack receipts.Ack) {
	m, err := receipts.Scan(ack.AppendTo(nil))
	if err != nil || m.Kind != receipts.KindReceived || m.MayAck(nil) == nil {
		g.Fatalf("the receipt is wrong: %v, %s", err, ack.AppendTo(nil))
	}
}

// check checks what holds at any time.
func (g *game) check() {
	s := g.r.Stats()
	if s.Window > 2*window || s.InHand < 0 || s.InHand > s.Window {
		g.Fatalf("got %+v", s)
	}
}

// window is that of the game: one message of each account.
const window = 16

func FuzzResponder(f *testing.F) {
	f.Add([]byte{0, 4, 1, 5, 0, 3, 1, 2, 8, 255, 3, 3, 3, 3}, []byte(`<message/>`))
	f.Add([]byte("\x00\x00\x05\x00\x03\x00\x00\x05\x01\x03\x00\x06\x00\x07"), asker("a@b/c", "1", ""))
	f.Add([]byte("012345678901234567890123456789012345678901234567890123456789"), fetched(string(asker("a@b/c", "1", ""))))
	f.Add([]byte("zyxwvutsrqponmlkjihgfedcbazyxwvutsrqponmlkjihgfedcba"), []byte(receiptFrom(richard, desk, "1")))
	f.Fuzz(func(t *testing.T, moves, foreign []byte) {
		if len(moves) > 1000 {
			return
		}
		g := &game{T: t, now: now, data: moves, foreign: foreign, journal: new(journal), safe: make(map[string]bool)}
		o := client.ResponderOptions{
			Policy:     client.Not(client.Domains(addressOf("e"))),
			SenderRate: 0.1, SenderBurst: 4, Senders: 2, Window: window, WindowAge: time.Minute, Journal: g.journal,
		}
		g.r = archivist(t, o)
		for len(g.data) > 0 {
			g.play()
		}
		g.journal.err = nil
		g.r = archivist(t, o) // what the journal has can be read
		g.check()
	})
}
