// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions

import (
	"bytes"
	"slices"
	"sort"
	"strings"

	"github.com/untilack/untilack/cache"
)

// Usage says how much is kept.
type Usage struct {
	Messages int
	Bytes    int64 // stanzas, addresses and an estimate of what keeping them takes
}

func (u *Usage) add(size int64) { u.Messages++; u.Bytes += size }
func (u *Usage) sub(size int64) { u.Messages--; u.Bytes -= size }

// rowOverhead is about what a row takes in memory besides its bytes: the slot,
// its place in the index and in the list.
const rowOverhead = 384

// sizeOf returns what keeping p takes.
func sizeOf(p cache.Packet) int64 {
	text := len(p.Key.To) + len(p.Key.From) + len(p.Key.ID) + len(p.Resource)
	return int64(rowOverhead + text + len(p.Stanza))
}

// A slot holds one row.
type slot struct {
	row     Row
	changed uint64 // when it came or became mail, on the store's clock
	size    int64
}

// newSlot returns a slot that owns all that r refers to: an address that is
// part of a long text must not keep that text alive.
func newSlot(r *Row, number uint64, size int64) *slot {
	p := r.Packet
	p.Seq, p.Copies = 0, nil
	p.Key.To = strings.Clone(p.Key.To)
	p.Key.From = strings.Clone(p.Key.From)
	p.Key.ID = strings.Clone(p.Key.ID)
	p.Resource = strings.Clone(p.Resource)
	p.Stanza = bytes.Clone(p.Stanza)
	return &slot{
		row:     Row{Packet: p, Number: number, Custody: r.Custody},
		changed: number,
		size:    size,
	}
}

// copies returns rows that the caller may do with as it likes.
func copies(slots []*slot) []Row {
	rows := make([]Row, len(slots))
	for i, s := range slots {
		rows[i] = s.row
		rows[i].Packet.Stanza = bytes.Clone(s.row.Packet.Stanza)
	}
	return rows
}

// A mailbox holds the rows of one recipient. A nil one is empty.
type mailbox struct {
	usage Usage
	index map[cache.Identity]*slot
	slots []*slot // in order of number
}

func newMailbox() *mailbox {
	return &mailbox{index: make(map[cache.Identity]*slot)}
}

func (b *mailbox) used() Usage {
	if b == nil {
		return Usage{}
	}
	return b.usage
}

func (b *mailbox) get(id cache.Identity) *slot {
	if b == nil {
		return nil
	}
	return b.index[id]
}

func (b *mailbox) add(s *slot) {
	b.index[s.row.Packet.Identity()] = s
	b.slots = append(b.slots, s)
	b.usage.add(s.size)
}

// remove takes s out. Mail goes in order, so it is most often the first.
func (b *mailbox) remove(s *slot) {
	delete(b.index, s.row.Packet.Identity())
	b.usage.sub(s.size)
	if b.slots[0] == s {
		b.slots[0] = nil
		b.slots = b.slots[1:]
		return
	}
	at := b.find(s.row.Number)
	b.slots = slices.Delete(b.slots, at, at+1)
}

// find returns where the first slot with at least that number is.
func (b *mailbox) find(number uint64) int {
	return sort.Search(len(b.slots), func(i int) bool {
		return b.slots[i].row.Number >= number
	})
}

// after returns the slots with a greater number.
func (b *mailbox) after(number uint64) []*slot {
	if b == nil {
		return nil
	}
	at := sort.Search(len(b.slots), func(i int) bool {
		return b.slots[i].row.Number > number
	})
	return b.slots[at:]
}

// appendChanged appends the slots that came or became mail after a time.
func (b *mailbox) appendChanged(slots []*slot, after uint64) []*slot {
	if b == nil {
		return slots
	}
	for _, s := range b.slots {
		if s.changed > after {
			slots = append(slots, s)
		}
	}
	return slots
}
