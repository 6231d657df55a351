// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

import (
	"unsafe"

	"github.com/untilack/untilack/internal/arena"
)

// maxCopies bounds what is noted about one packet: a sender may have it delivered
// again as often as it likes.
const maxCopies = 64

// A delivery is a Copy as it lies in the arena, with its resource behind it. Those of
// a packet are a list, the oldest first.
type delivery struct {
	stream, mark uint64
	order        uint64 // its place in the order of all deliveries
	next         arena.Ref
	size         uint32 // of the resource
	acked        bool
}

const deliverySize = unsafe.Sizeof(delivery{})

func (s *shard) delivery(ref arena.Ref) *delivery { return (*delivery)(s.arena.At(ref)) }

// resource returns the resource, which must not be handed out.
func (d *delivery) resource() string {
	if d.size == 0 {
		return "" // behind it may be the end of the memory
	}
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(d), deliverySize)), d.size)
}

// next returns the delivery at ref and the one after it: a loop over a packet's
// deliveries runs while ref is not 0.
func (s *shard) next(ref arena.Ref) (*delivery, arena.Ref) {
	d := s.delivery(ref)
	return d, d.next
}

// Deliver notes that a copy of the packet is about to go to a stream, and reports
// whether it may: false if the packet is gone, or if a receipt came for it while it
// was taken.
// It must be called before the copy is written, because the receipt can come before
// the write returns. Acked is reset.
//
// At most 64 copies of one packet are noted; then the oldest is forgotten, one that
// is answered first.
func (c *PacketCache) Deliver(r Ref, copy Copy) bool {
	s, e := c.lock(r)
	defer s.mu.Unlock()
	if !e.here() || e.flags&late != 0 {
		return false
	}
	s.forgetOldest(e.record)
	s.deliveries++
	s.addDelivery(e.record, &copy, s.deliveries)
	return true
}

// addDelivery adds a delivery as the last of a record.
func (s *shard) addDelivery(e *record, c *Copy, order uint64) {
	ref := s.arena.Alloc(int(deliverySize) + len(c.Resource))
	d := s.delivery(ref)
	*d = delivery{stream: c.Stream, mark: c.Mark, order: order, size: uint32(len(c.Resource))}
	if d.size > 0 {
		copy(unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(d), deliverySize)), d.size), c.Resource)
	}
	last := &e.copies
	for *last != 0 {
		last = &s.delivery(*last).next
	}
	*last = ref
}

// forgetOldest makes room for one more delivery if there are too many.
func (s *shard) forgetOldest(e *record) {
	count, oldest := 0, arena.Ref(0)
	for ref := e.copies; ref != 0; {
		d, next := s.next(ref)
		if count++; oldest == 0 && d.acked {
			oldest = ref
		}
		ref = next
	}
	if count >= maxCopies {
		if oldest == 0 {
			oldest = e.copies
		}
		s.removeDelivery(e, oldest)
	}
}

// removeDelivery forgets a delivery.
func (s *shard) removeDelivery(e *record, ref arena.Ref) {
	link := &e.copies
	for *link != ref {
		link = &s.delivery(*link).next
	}
	*link = s.delivery(ref).next
	s.arena.Free(ref)
}

// freeDeliveries forgets all of a record.
func (s *shard) freeDeliveries(e *record) {
	for ref := e.copies; ref != 0; {
		_, next := s.next(ref)
		s.arena.Free(ref)
		ref = next
	}
	e.copies = 0
}

// Undeliver takes back the note of the last copy on a stream that no receipt has
// answered: nothing of it was written.
// It reports whether there was one. The packet may be finished meanwhile.
func (c *PacketCache) Undeliver(r Ref, stream uint64) bool {
	s, e := c.lock(r)
	defer s.mu.Unlock()
	if e.record == nil {
		return false
	}
	last := arena.Ref(0)
	for ref := e.copies; ref != 0; {
		d, next := s.next(ref)
		if d.stream == stream && !d.acked {
			last = ref
		}
		ref = next
	}
	if last == 0 {
		return false
	}
	s.removeDelivery(e.record, last)
	if e.state == tombstone {
		s.sort(&c.graves, e.record)
	}
	return true
}

// copy returns a delivery as others see it, with a resource that they may keep.
func (d *delivery) copy(resource string) Copy {
	return Copy{Resource: resource, Stream: d.stream, Mark: d.mark, Acked: d.acked}
}

// copiesOf returns the deliveries of a record as others see them, with the resources
// that keep returns.
func (s *shard) copiesOf(e *record, keep func(resource string) string) []Copy {
	count := 0
	for ref := e.copies; ref != 0; count++ {
		_, ref = s.next(ref)
	}
	if count == 0 {
		return nil
	}
	copies := make([]Copy, 0, count)
	for ref := e.copies; ref != 0; {
		d, next := s.next(ref)
		copies = append(copies, d.copy(keep(d.resource())))
		ref = next
	}
	return copies
}

// answered reports whether no copy waits for its receipt.
func (s *shard) answered(e *record) bool {
	for ref := e.copies; ref != 0; {
		d, next := s.next(ref)
		if !d.acked {
			return false
		}
		ref = next
	}
	return true
}
