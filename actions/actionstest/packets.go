// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

const (
	richard = "kingrichard@royalty.england.lit"
	gaunt   = "johnofgaunt@royalty.england.lit"
	henry   = "northumberland@shakespeare.lit/westminster"
)

// NewPacket returns a chat message from a sender to an address, bare or full,
// received a minute ago.
func NewPacket(to, from, id string) cache.Packet {
	bare := cache.Bare(to)
	p := cache.Packet{
		Key:      cache.Key{To: bare, From: from, ID: id},
		Marks:    cache.Chat,
		Received: time.Now().Add(-time.Minute).UTC().Truncate(time.Microsecond),
		Stanza: fmt.Appendf(nil, `<message to=%q from=%q id=%q type="chat">`+
			`<body>My lord, dispatch; read o'er these articles.</body>`+
			`<request xmlns="urn:xmpp:receipts"/></message>`, to, from, id),
	}
	if bare != to {
		p.Resource = to[len(bare)+1:]
	}
	hash := fnv.New64a()
	hash.Write(p.Stanza)
	p.Sum = hash.Sum64()
	return p
}

// number returns the n-th packet to a recipient.
func number(recipient string, n int) cache.Packet {
	return NewPacket(recipient, henry, fmt.Sprintf("m%d", n))
}

// mail returns rows of offline mail.
func mail(packets ...cache.Packet) []actions.Row { return rows(false, packets) }

// custody returns custody rows.
func custody(packets ...cache.Packet) []actions.Row { return rows(true, packets) }

func rows(custody bool, packets []cache.Packet) []actions.Row {
	made := make([]actions.Row, len(packets))
	for i, p := range packets {
		made[i] = actions.NewRow(p, custody)
	}
	return made
}

// identities returns the identities of packets.
func identities(packets ...cache.Packet) []cache.Identity {
	ids := make([]cache.Identity, len(packets))
	for i, p := range packets {
		ids[i] = p.Identity()
	}
	return ids
}

// series returns packets 1 to n to a recipient.
func series(recipient string, n int) []cache.Packet {
	packets := make([]cache.Packet, n)
	for i := range packets {
		packets[i] = number(recipient, i+1)
	}
	return packets
}
