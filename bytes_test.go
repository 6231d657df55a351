// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// TestTheCallersBytes checks that nothing the Keeper keeps, returns or tells is a part
// of the bytes that it was given: the host uses its buffer again.
func TestTheCallersBytes(t *testing.T) {
	for _, watched := range []bool{true, false} {
		for _, store := range []actions.Store{nil, actions.NewMemStore(nil)} {
			t.Run(fmt.Sprintf("watched %v, store %v", watched, store != nil), func(t *testing.T) {
				h := &bytesHost{T: t}
				config := untilack.Config{Domain: "royalty.england.lit", Seed: 1, Store: store}
				if watched {
					config.Watch = h.watch
				}
				k, err := untilack.New(config)
				if err != nil {
					t.Fatal(err)
				}
				h.Keeper = k
				h.run(benchmarkMessage())
			})
		}
	}
}

// A bytesHost is a host that has one buffer for all stanzas.
type bytesHost struct {
	*testing.T
	*untilack.Keeper
	buffer []byte
	events []untilack.Event
}

func (h *bytesHost) watch(e untilack.Event) { h.events = append(h.events, e) }

// given returns a stanza in the buffer.
func (h *bytesHost) given(stanza []byte) []byte {
	h.buffer = append(h.buffer[:0], stanza...)
	return h.buffer
}

// isIntact checks a packet of the message.
func (h *bytesHost) isIntact(what string, p cache.Packet, message []byte) {
	h.Helper()
	if p.Key.ID != benchmarkID || !bytes.Equal(p.Stanza, message) {
		h.Errorf("%s has id %q and stanza %.80q", what, p.Key.ID, p.Stanza)
	}
}

func (h *bytesHost) run(message []byte) {
	now := time.Now()
	away, _, err := h.Away(now, h.given(message))
	if err != nil {
		h.Fatal(err)
	}
	clear(h.buffer)
	h.isIntact("the packet of Away", away, message)
	stream, err := h.Open(now, "kingrichard@royalty.england.lit/throne", nil)
	if err != nil {
		h.Fatal(err)
	}
	h.carryOut(now, message)
	admission := h.Outgoing(now, stream, h.given(message))
	clear(h.buffer)
	for _, r := range admission.Rows {
		h.isIntact("the row", r.Packet, message)
	}
	for _, w := range h.Waiting("kingrichard@royalty.england.lit") {
		h.isIntact("what waits", cache.Packet{Key: cache.Key{ID: w.ID}}, nil)
	}
	if admission.Verdict == untilack.Persist {
		h.Persisted(now, stream, admission, nil)
	}
	h.Incoming(now, stream, h.given([]byte("<message to='northumberland@shakespeare.lit/westminster'>"+
		"<received xmlns='urn:xmpp:receipts' id='"+benchmarkID+"'/></message>")))
	clear(h.buffer)
	h.carryOut(now, message)
	if n := h.Count(untilack.Settled); n != 1 {
		h.Errorf("%d were settled", n)
	}
	for _, e := range h.events {
		if e.ID != "" && e.ID != benchmarkID {
			h.Errorf("it is told that %q was %v", e.ID, e.Reason)
		}
	}
}

// carryOut carries out what the Keeper wants, with a store that is empty.
func (h *bytesHost) carryOut(now time.Time, message []byte) {
	for e, ok := h.Next(); ok; e, ok = h.Next() {
		if !h.Begin(now, e) {
			continue
		}
		for _, identity := range e.Identities {
			h.isIntact("the row to be deleted", cache.Packet{Key: identity.Key, Stanza: message}, message)
		}
		h.Finish(now, e, untilack.Result{})
	}
}
