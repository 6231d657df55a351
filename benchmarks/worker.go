// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"runtime"
	"sync/atomic"
	"time"
)

// A packet is one that waits, by its number, and where its stanza is.
type packet struct{ number, slot uint32 }

// A worker is one goroutine's part of a load: its own packets.
type worker struct {
	load       *load
	share      int    // how many of its packets wait
	next       uint32 // the number of the next packet
	recipients uint32
	puts       [batchSize]message // what is put, if it is not written into a slot
	settles    [batchSize]message // what receipts name
	random     uint64
	slots      slots

	// Packets are settled in the order in which they were put, or in a random one,
	// but always those before all those that were put later: so none stays longer
	// than twice the turnover.
	current   []packet
	at        int // the first of current that is not settled
	following []packet

	lingering queue // those that are never settled

	now    time.Time
	passed time.Duration // since the epoch
	period int           // pairs between two ticks
	left   int           // pairs until the next
	keeper bool          // whether time is this worker's business
	passes atomic.Int64  // how often it came to pass
	_      [64]byte      // neighbours share no cache line
}

func newWorker(l *load, c cell, index, period int) *worker {
	share := c.Waiting / c.Goroutines
	w := &worker{
		load:       l,
		next:       uint32(index),
		recipients: recipientsFor(c.Waiting),
		random:     mix(uint64(index)),
		share:      share,
		current:    make([]packet, share),
		following:  make([]packet, 0, share),
		now:        epoch,
		period:     period,
		left:       period,
		keeper:     index == 0,
	}
	// More room than what lingers needs, for workers do not keep step.
	spare := share/10 + 1024
	w.lingering.entries = make([]lingerer, spare)
	for i := range batchSize {
		w.puts[i], w.settles[i] = newMessage(), newMessage()
	}
	if !l.copies && !c.Owning {
		w.slots = newSlots(share + spare)
	}
	return w
}

// never reports whether no receipt comes for a packet.
func never(number uint32) bool { return mix(uint64(number))%neverSettled == 0 }

// take returns the number of a new packet.
func (w *worker) take() uint32 {
	number := w.next
	w.next += uint32(len(w.load.workers))
	return number
}

// put makes a packet and puts it, and returns its slot.
func (w *worker) put(number uint32) uint32 {
	m, slot := w.message(number, 0)
	w.load.contender.put(w.now, m, w.load.wait)
	return slot
}

// message writes a packet into a free slot, or into one of the messages that are
// used again and again.
func (w *worker) message(number uint32, i int) (*message, uint32) {
	m, slot := &w.puts[i], uint32(0)
	if w.slots.bytes != nil {
		slot = w.slots.take()
		*m = messageIn(w.slots.stanza(slot))
	}
	write(m.stanza, number, w.recipients)
	return m, slot
}

// settle shows the contender a receipt.
func (w *worker) settle(number uint32) bool {
	m := &w.settles[0]
	write(m.stanza, number, w.recipients)
	return w.load.contender.settle(w.now, m)
}

// await notes a packet that will be settled.
func (w *worker) await(number, slot uint32) {
	w.following = append(w.following, packet{number, slot})
}

// linger notes a packet that will not.
func (w *worker) linger(number, slot uint32) {
	w.lingering.push(lingerer{packet{number, slot}, w.passed + ackWait})
}

// pick returns the packet that is settled next.
func (w *worker) pick() packet {
	rest := w.current[w.at:]
	if w.load.random {
		w.random = w.random*6364136223846793005 + 1442695040888963407
		i := w.random >> 32 * uint64(len(rest)) >> 32
		rest[0], rest[i] = rest[i], rest[0]
	}
	p := rest[0]
	if w.at++; w.at == len(w.current) {
		w.turn()
	}
	return p
}

// turn goes on with the packets that were put since the last turn.
func (w *worker) turn() {
	w.current, w.following, w.at = w.following, w.current[:0], 0
}

func (w *worker) run(pairs int) {
	if w.load.batch {
		for range pairs / batchSize {
			w.exchange()
		}
		return
	}
	for range pairs {
		w.pair()
	}
}

// pair puts a packet and settles another.
func (w *worker) pair() {
	number := w.take()
	slot := w.put(number)
	if never(number) {
		w.linger(number, slot)
	} else {
		w.await(number, slot)
		p := w.pick()
		if !w.settle(p.number) {
			w.load.missing.Add(1)
		}
		w.slots.free(p.slot)
	}
	w.pass(1)
}

// exchange does the same with a batch of packets.
func (w *worker) exchange() {
	count := 0
	for i := range batchSize {
		number := w.take()
		w.message(number, i)
		if never(number) {
			w.linger(number, 0)
			continue
		}
		w.await(number, 0)
		write(w.settles[count].stanza, w.pick().number, w.recipients)
		count++
	}
	settled := w.load.contender.(batcher).exchange(w.now, w.puts[:], w.load.wait, w.settles[:count])
	w.load.missing.Add(int64(count - settled))
	w.pass(batchSize)
}

// pass lets time pass, of which one worker is the keeper.
func (w *worker) pass(pairs int) {
	if w.left -= pairs; w.left > 0 {
		return
	}
	w.left += w.period
	w.keepStep()
	if w.keeper {
		now := w.load.elapsed.Add(int64(w.load.step))
		w.load.contender.tick(epoch.Add(time.Duration(now)))
	}
	w.passed = time.Duration(w.load.elapsed.Load())
	w.now = epoch.Add(w.passed)
	w.bury()
}

// keepStep waits until no other worker is far behind: to one who stands still, packets
// would become due that he is to settle.
func (w *worker) keepStep() {
	latest := w.passes.Add(1) - int64(max(1, w.share/w.period/4))
	for _, other := range w.load.workers {
		for tries := 0; other.passes.Load() < latest; tries++ {
			if runtime.Gosched(); tries > 1000 {
				time.Sleep(10 * time.Microsecond)
			}
		}
	}
}

// bury ends the wait of what is due and never settled, where the contender does not
// go by the harness's time, and takes back its slots.
func (w *worker) bury() {
	for {
		l, ok := w.lingering.first()
		// A tick later, so that the contender is done with it.
		if !ok || w.passed <= l.deadline+w.load.step {
			return
		}
		w.lingering.pop()
		if w.load.clock != callerClock {
			w.settle(l.number)
		}
		w.slots.free(l.slot)
	}
}
