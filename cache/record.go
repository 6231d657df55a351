// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"math"
	"time"
	"unsafe"

	"github.com/untilack/untilack/internal/arena"
	"github.com/untilack/untilack/internal/wheel"
)

// A state says what a record is.
type state uint8

const (
	waiting   state = iota // for a receipt
	taken                  // claimed for an action
	tombstone              // finished; remembered for its receipts
)

// flags of a record
const (
	due      uint8 = 1 << iota // its deadline has passed and a loop over Due is about to yield it
	late                       // a receipt came while it was taken
	extended                   // it has extras
	open                       // it is a tombstone in the plot of those with a copy that is not answered
	bulky                      // it is a tombstone that lies where its stanza was
)

// A record is a packet, or a tombstone, as it lies in the arena of its shard, without
// a pointer in it. It is guarded by the lock of the shard. Behind it lie
//
//   - if it is extended its extras,
//   - the stanza, which a tombstone has not,
//   - those of the strings that are not cut from the stanza.
type record struct {
	timer    wheel.Timer // of the deadline
	size     uint32      // of the stanza; of a tombstone the position of its grave
	seq, sum uint64
	received int64 // nanoseconds since the cache's origin
	marks    Marks
	copies   arena.Ref           // the first delivery
	offsets  [stringCount]uint16 // of the strings, behind the fixed parts
	sizes    [stringCount]uint8
	attempt  uint16
	state    state
	flags    uint8
}

// The strings of a record.
const (
	to = iota
	from
	id
	resource
	stringCount
)

// A span says where a string lies behind the record's fixed parts.
type span struct{ offset, size uint32 }

// extras are what few packets have: long strings, and times that are far away, or that
// end.
type extras struct {
	strings           [stringCount]span
	received, expires instant
}

// An instant is any time; the zero value is the zero time.
type instant struct {
	seconds     int64 // since the year 1
	nanoseconds int64
}

const (
	recordSize = unsafe.Sizeof(record{})
	extrasSize = unsafe.Sizeof(extras{})

	// farAway is the received time of a packet that has it in its extras.
	farAway = math.MinInt64
	// never is that of one that has none.
	never = math.MinInt64 + 1

	// mostOffset and mostSize are the largest that a record has for a string without
	// extras.
	mostOffset = math.MaxUint16
	mostSize   = math.MaxUint8
)

var yearOne = time.Time{}.Unix()

func instantOf(t time.Time) instant {
	return instant{t.Unix() - yearOne, int64(t.Nanosecond())}
}

func (i instant) time(like time.Time) time.Time {
	if i == (instant{}) {
		return time.Time{}
	}
	return time.Unix(i.seconds+yearOne, i.nanoseconds).In(like.Location())
}

// An entry is a record, which may be nil, and where it lies.
type entry struct {
	*record
	place arena.Ref
	slot  int32 // of its name, if it was found by that
}

// record returns the record at a place.
func (s *shard) record(place arena.Ref) *record { return (*record)(s.arena.At(place)) }

func (s *shard) entry(place arena.Ref) entry { return entry{record: s.record(place), place: place} }

func (r *record) extras() *extras { return (*extras)(unsafe.Add(unsafe.Pointer(r), recordSize)) }

// stanzaSize returns how large the stanza is.
func (r *record) stanzaSize() int {
	if r.state == tombstone {
		return 0
	}
	return int(r.size)
}

// plot returns in which plot a tombstone has its grave.
func (r *record) plot() int {
	if r.flags&open != 0 {
		return unansweredPlot
	}
	return answeredPlot
}

func (r *record) setPlot(plot int) {
	if r.flags &^= open; plot == unansweredPlot {
		r.flags |= open
	}
}

// position returns where in its plot a tombstone has its grave.
func (r *record) position() uint32 { return r.size }

func (r *record) setPosition(position uint32) { r.size = position }

// body returns where the stanza begins.
func (r *record) body() unsafe.Pointer {
	at := recordSize
	if r.flags&extended != 0 {
		at += extrasSize
	}
	return unsafe.Add(unsafe.Pointer(r), at)
}

// stanza returns the stanza, which must not be handed out: it is overwritten when
// the packet is finished.
func (r *record) stanza() []byte { return unsafe.Slice((*byte)(r.body()), r.stanzaSize()) }

// string returns one of the strings, which must not be handed out.
func (r *record) string(which int) string {
	offset, size := r.span(which)
	if size == 0 {
		return "" // behind the last one may be the end of the memory
	}
	return unsafe.String((*byte)(unsafe.Add(r.body(), offset)), size)
}

func (r *record) span(which int) (offset, size int) {
	if r.flags&extended != 0 {
		at := &r.extras().strings[which]
		return int(at.offset), int(at.size)
	}
	return int(r.offsets[which]), int(r.sizes[which])
}

// setSpan notes where a string lies. The record is extended if it is long.
func (r *record) setSpan(which int, at span) {
	if r.flags&extended != 0 {
		r.extras().strings[which] = at
	} else {
		r.offsets[which], r.sizes[which] = uint16(at.offset), uint8(at.size)
	}
}

// isLong reports whether a record must be extended for a string.
func (s span) isLong() bool { return s.offset > mostOffset || s.size > mostSize }

// is reports whether the record has a name.
func (r *record) is(n *name) bool {
	return r.string(id) == n.id && r.string(to) == n.to && Bare(r.string(from)) == n.sender
}

// here reports whether r is a packet that is not finished.
func (r *record) here() bool { return r != nil && r.state != tombstone }

// A layout says where the strings of a packet lie behind its stanza, or in it.
type layout struct {
	strings [stringCount]span
	size    int // of the stanza and the strings
	long    bool
}

// put lays out one string.
func (l *layout) put(which int, stanza []byte, text string) {
	offset := within(stanza, text)
	if offset < 0 {
		offset = l.size
		l.size += len(text)
	}
	l.strings[which] = span{uint32(offset), uint32(len(text))}
	l.long = l.long || l.strings[which].isLong()
}

// within returns where in the stanza a text lies that was cut from it, or -1.
func within(stanza []byte, text string) int {
	at := uintptr(unsafe.Pointer(unsafe.StringData(text))) - uintptr(unsafe.Pointer(unsafe.SliceData(stanza)))
	if at < uintptr(len(stanza)) && uintptr(len(text)) <= uintptr(len(stanza))-at {
		return int(at)
	}
	return -1
}

// write makes a record of a packet.
func (c *PacketCache) write(s *shard, p *Packet) entry {
	l := layout{size: len(p.Stanza)}
	l.put(to, p.Stanza, p.Key.To)
	l.put(from, p.Stanza, p.Key.From)
	l.put(id, p.Stanza, p.Key.ID)
	l.put(resource, p.Stanza, p.Resource)
	received, far := c.receivedAt(p)
	size, flags := int(recordSize)+l.size, uint8(0)
	if l.long || far || !p.Expires.IsZero() {
		size, flags = size+int(extrasSize), extended
	}
	e := s.entry(s.arena.Alloc(size))
	*e.record = record{
		seq: p.Seq, sum: p.Sum, received: received, marks: p.Marks, size: uint32(len(p.Stanza)),
		attempt: uint16(min(max(p.Attempt, 0), math.MaxUint16)), flags: flags,
	}
	if flags != 0 {
		*e.extras() = extras{received: instantOf(p.Received), expires: instantOf(p.Expires)}
	}
	body := unsafe.Slice((*byte)(e.body()), l.size)
	end := copy(body, p.Stanza)
	e.inscribe(to, &l, body, end, p.Key.To)
	e.inscribe(from, &l, body, end, p.Key.From)
	e.inscribe(id, &l, body, end, p.Key.ID)
	e.inscribe(resource, &l, body, end, p.Resource)
	return e
}

// inscribe notes where a string lies, and copies it there unless the stanza, which ends
// at end, has it.
func (r *record) inscribe(which int, l *layout, body []byte, end int, text string) {
	at := l.strings[which]
	if int(at.offset) >= end {
		copy(body[at.offset:], text)
	}
	r.setSpan(which, at)
}

// receivedAt returns how a record says when its packet was received, and whether that
// is so far away that the extras say it.
func (c *PacketCache) receivedAt(p *Packet) (received int64, far bool) {
	if p.Received.IsZero() {
		return never, false
	}
	since := p.Received.Round(0).Sub(c.origin.Load().Round(0))
	if since <= never || since == math.MaxInt64 {
		return farAway, true
	}
	return int64(since), false
}

// A binder makes packets that others may keep: it copies what lies in the arena into
// memory of its own, many packets at once if there are many.
type binder struct {
	page []byte
	next int // the size of the next page
}

const maxPage = 32 << 10

// bytes returns room for n bytes.
func (b *binder) bytes(n int) []byte {
	if n > len(b.page) {
		b.page = make([]byte, max(n, b.next))
		b.next = min(4*len(b.page), maxPage)
	}
	cut := b.page[:n:n]
	b.page = b.page[n:]
	return cut
}

func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// packet returns what others may see of a record.
func (c *PacketCache) packet(s *shard, r *record, b *binder) Packet {
	end := r.end()
	body := b.bytes(end)
	copy(body, unsafe.Slice((*byte)(r.body()), end))
	cut := func(which int) string {
		offset, size := r.span(which)
		return text(body[offset : offset+size])
	}
	p := Packet{Key: Key{To: cut(to), From: cut(from), ID: cut(id)}, Resource: cut(resource)}
	if size := r.stanzaSize(); size > 0 {
		p.Stanza = body[:size:size]
	}
	c.describe(&p, r)
	p.Copies = s.copiesOf(r, func(name string) string {
		room := b.bytes(len(name))
		copy(room, name)
		return text(room)
	})
	return p
}

// describe sets all of a packet that is neither bytes nor strings.
func (c *PacketCache) describe(p *Packet, r *record) {
	p.Seq, p.Sum, p.Marks, p.Attempt, p.Taken = r.seq, r.sum, r.marks, int(r.attempt), r.state == taken
	origin := c.origin.Load().Round(0)
	switch r.received {
	case never:
		p.Received = time.Time{}
	case farAway:
		p.Received = r.extras().received.time(origin)
	default:
		p.Received = origin.Add(time.Duration(r.received))
	}
	if r.flags&extended != 0 {
		p.Expires = r.extras().expires.time(origin)
	}
}

// text returns how many bytes the strings take.
func (r *record) text() (bytes int) {
	for which := range stringCount {
		_, size := r.span(which)
		bytes += size
	}
	return bytes
}

// end returns how many bytes of stanza and strings there are.
func (r *record) end() int {
	end := r.stanzaSize()
	for which := range stringCount {
		offset, size := r.span(which)
		end = max(end, offset+size)
	}
	return end
}
