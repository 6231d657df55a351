// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"sync"
	"time"
)

// patience is how long the last receipts may take when nothing more is sent.
const patience = 30 * time.Second

// A talk is clients that have logged in.
type talk struct {
	all     []*party
	over    chan struct{} // closed when nothing more is to be sent
	ending  sync.Once
	senders sync.WaitGroup
	readers sync.WaitGroup

	mutex sync.Mutex
	err   error
}

// logIn logs clients in, by the numbers of their accounts, and has them read, each with the
// one after it or before it for a peer.
func logIn(server *running, from, to, buffer int) (*talk, error) {
	t := &talk{over: make(chan struct{})}
	for i := from; i < to; i++ {
		p, err := login(server.address, nameOf(i), buffer)
		if err != nil {
			t.close()
			return nil, err
		}
		p.peer = nameOf(i ^ 1)
		t.all = append(t.all, p)
		t.readers.Go(func() { t.failed(p.listen()) })
	}
	return t, nil
}

// failed takes note of the first error of a client, unless it is to end.
func (t *talk) failed(err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.err == nil && err != nil && !t.isOver() {
		t.err = err
	}
}

// failure returns the first error of a client, or nil.
func (t *talk) failure() error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.err
}

func (t *talk) isOver() bool {
	select {
	case <-t.over:
		return true
	default:
		return false
	}
}

// flow has every other client send as fast as it can. So many of its messages are under way
// at most.
func (t *talk) flow(window int) {
	for i := 0; i < len(t.all); i += 2 {
		p := t.all[i]
		p.slots = make(chan struct{}, window)
		t.senders.Go(func() {
			for t.takeSlot(p) {
				if err := p.send(false); err != nil {
					t.failed(err)
					return
				}
			}
			t.failed(p.flush())
		})
	}
}

// pace has every other client send its part of so many messages a second. Deliveries are timed,
// and one in so many receipts is late.
func (t *talk) pace(rate, late int) {
	each := float64(rate) / float64(len(t.all)/2)
	for i := 0; i < len(t.all); i += 2 {
		p := t.all[i]
		t.all[i+1].time(p, late)
		t.senders.Go(func() {
			ticks := time.NewTicker(time.Millisecond)
			defer ticks.Stop()
			start, sent := time.Now(), 0
			for !t.isOver() {
				for ; sent < int(each*time.Since(start).Seconds()); sent++ {
					if err := p.send(false); err != nil {
						t.failed(err)
						return
					}
				}
				t.failed(p.flush())
				<-ticks.C
			}
		})
	}
}

// takeSlot waits until a client may send one more. It reports false when it is to stop.
func (t *talk) takeSlot(p *party) bool {
	select {
	case <-t.over:
		return false
	case p.slots <- struct{}{}:
		return true
	default:
	}
	t.failed(p.flush())
	select {
	case <-t.over:
		return false
	case p.slots <- struct{}{}:
		return true
	}
}

// chat has every client send a message each so often. They take turns.
func (t *talk) chat(every time.Duration) {
	for i, p := range t.all {
		t.senders.Go(func() {
			first := time.NewTimer(every * time.Duration(i) / time.Duration(len(t.all)))
			defer first.Stop()
			select {
			case <-first.C:
			case <-t.over:
				return
			}
			ticks := time.NewTicker(every)
			defer ticks.Stop()
			for {
				if err := p.send(true); err != nil {
					t.failed(err)
					return
				}
				select {
				case <-ticks.C:
				case <-t.over:
					return
				}
			}
		})
	}
}

// settle stops those who send, and returns what came of all messages.
func (t *talk) settle() tally {
	t.ending.Do(func() { close(t.over) })
	end := time.Now().Add(patience)
	for _, p := range t.all {
		_ = p.conn.SetWriteDeadline(end) // of a connection that has ended, at worst
	}
	t.senders.Wait()
	for {
		sum := tallied(t.all)
		if sum.Lost == 0 || time.Now().After(end) {
			return sum
		}
		time.Sleep(time.Millisecond)
	}
}

// close ends all clients, as their networks would: without a word.
func (t *talk) close() {
	t.ending.Do(func() { close(t.over) })
	for _, p := range t.all {
		p.conn.Close()
	}
	t.senders.Wait()
	t.readers.Wait()
}
