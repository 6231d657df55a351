// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// A line is one connection through a proxy.
type line struct {
	client, relay *net.TCPConn
	up, down      *pipe
	ended         chan struct{}
	end           sync.Once
	running       sync.WaitGroup

	mutex   sync.Mutex
	blow    *blow // that strikes, or will
	struck  bool
	removal *time.Timer
}

func newLine(client, relay *net.TCPConn, up, down shape, random *rand.Rand) *line {
	l := &line{client: client, relay: relay, ended: make(chan struct{})}
	l.up = newPipe(client, relay, up, fork(random), l.ended, l.strike)
	l.down = newPipe(relay, client, down, fork(random), l.ended, l.strike)
	return l
}

// fork returns a source of its own that depends on random.
func fork(random *rand.Rand) *rand.Rand {
	return rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
}

// carry carries bytes both ways until both have ended.
func (l *line) carry() {
	defer l.close()
	for _, p := range []*pipe{l.up, l.down} {
		l.running.Go(p.read)
		l.running.Go(p.write)
	}
	l.running.Wait()
}

// fail has the line fail, now or when some more bytes have passed, but no later
// than in a second.
func (l *line) fail(b blow) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.blow != nil {
		return
	}
	l.blow = &b
	wait := time.Duration(0)
	if b.after >= 0 {
		wait = time.Second
		l.up.cut(b.after / 4) // receipts are short
		l.down.cut(b.after)
	}
	l.removal = time.AfterFunc(wait, l.strike)
}

// strike applies the blow, once.
func (l *line) strike() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.blow == nil || l.struck {
		return
	}
	l.struck = true
	b := *l.blow
	up, down := b.fault.modes()
	until := time.Now().Add(b.hold)
	l.up.set(up, until)
	l.down.set(down, until)
	switch b.fault {
	case resetBoth:
		reset(l.client)
		reset(l.relay)
	case resetClient:
		reset(l.client)
	case resetServer:
		reset(l.relay)
	case finishBoth:
		_ = l.client.CloseWrite()
		_ = l.relay.CloseWrite()
	}
	if b.passes() {
		l.blow, l.struck = nil, false // it may fail once more
		return
	}
	l.removal = time.AfterFunc(b.remove, l.close)
}

// close ends the line; both sides see a reset if they are still there.
func (l *line) close() {
	l.end.Do(func() {
		close(l.ended)
		reset(l.client)
		reset(l.relay)
		l.mutex.Lock()
		defer l.mutex.Unlock()
		if l.removal != nil {
			l.removal.Stop()
		}
	})
}
