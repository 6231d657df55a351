// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"testing"
)

// Every contender settles what receipts came for, keeps the rest, and if it goes by
// the harness's time, gives up what is due.
func TestEveryContenderSettles(t *testing.T) {
	for _, e := range entrants {
		for _, order := range []string{inOrder, randomOrder} {
			for _, goroutines := range []int{1, 2} {
				for _, owning := range []bool{false, true} {
					if e.isNull() || !e.exists() {
						continue
					}
					c := cell{Contender: e.name, Waiting: 100, Goroutines: goroutines, Order: order, Owning: owning}
					t.Run(fmt.Sprintf("%s/%s/%d/%t", e.name, order, goroutines, owning), func(t *testing.T) {
						checkLoad(t, e, c)
					})
				}
			}
		}
	}
}

func checkLoad(t *testing.T, e entrant, c cell) {
	l := newLoad(e, c)
	l.build(c.Owning)
	defer l.contender.close()
	l.fill()
	if got, want := l.contender.waiting(), l.pending(); got != want {
		t.Fatalf("%d wait after the fill, not %d", got, want)
	}
	l.run(4000)
	if got, want := l.contender.waiting(), l.pending(); got != want {
		t.Errorf("%d wait, not %d", got, want)
	}
	if missing := l.missing.Load(); missing != 0 {
		t.Errorf("%d receipts found nothing", missing)
	}
	want := int64(0)
	if e.clock == callerClock {
		want = l.lost()
	}
	if got := l.expired.Load(); got != want {
		t.Errorf("%d expired, not %d", got, want)
	}
}

// pending returns how many packets must wait.
func (l *load) pending() (count int) {
	for _, w := range l.workers {
		count += len(w.current) - w.at + len(w.following) + w.lingers()
	}
	return count
}

// lingers returns how many packets wait that are never settled.
func (w *worker) lingers() (count int) {
	for i := range w.lingering.size {
		l := w.lingering.entries[(w.lingering.begin+i)%len(w.lingering.entries)]
		if w.load.clock != callerClock || int64(l.deadline) > w.load.elapsed.Load() {
			count++
		}
	}
	return count
}

// lost returns how many packets must have been given up.
func (l *load) lost() (count int64) {
	for i, w := range l.workers {
		for number := uint32(i); number < w.next; number += uint32(len(l.workers)) {
			if never(number) {
				count++
			}
		}
		count -= int64(w.lingers())
	}
	return count
}

func TestMessage(t *testing.T) {
	m := newMessage()
	if len(m.stanza) != stanzaSize || len(m.to) != 24 || len(m.from) != 24 || len(m.id) != 36 {
		t.Fatalf("%d bytes, to %d, from %d, id %d", len(m.stanza), len(m.to), len(m.from), len(m.id))
	}
	keys := map[string]bool{}
	for number := range uint32(10_000) {
		write(m.stanza, number, 1000)
		if got := numberOf(m.stanza); got != number {
			t.Fatalf("number %d is read as %d", number, got)
		}
		keys[m.to+m.from+m.id] = true
	}
	if len(keys) != 10_000 {
		t.Errorf("10,000 numbers have %d keys", len(keys))
	}
	if c := m.clone(); string(c.stanza) != string(m.stanza) || c.key != m.key || &c.stanza[0] == &m.stanza[0] {
		t.Errorf("the clone of\n%s\nis\n%s", m.stanza, c.stanza)
	}
}
