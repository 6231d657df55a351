// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/untilack/untilack/examples/internal/wire"
	"mellium.im/xmpp/jid"
)

// A recipient is an ordinary client behind the link: it answers each message
// that asks with a receipt (XEP-0184) and each ping (XEP-0199), and it knows
// nothing of any cache. It logs in anew when it is told that its link is back,
// and when its stream ends while the link is up.
type recipient struct {
	config Config
	ledger *ledger
	link   string

	// halfway is called once, when the application has read half of the messages.
	halfway func()
	half    sync.Once

	mutex   sync.Mutex
	closed  bool
	dark    bool           // the link is, and the recipient waits until it is not
	streams []*wire.Stream // the old ones too: a phone without a network closes nothing
	logins  int

	running sync.WaitGroup
}

var errClosed = errors.New("lossylink: the recipient has been closed")

// connect logs in as a new session and starts to read. It returns the full
// address.
func (r *recipient) connect(ctx context.Context) (jid.JID, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.closed {
		return jid.JID{}, errClosed
	}
	resource := "phone"
	if r.config.Resource == Different {
		r.logins++
		resource = fmt.Sprintf("phone-%d", r.logins)
	}
	number := r.ledger.noteLogin()
	sightings := &wire.Sightings{Seen: func(id string) { r.ledger.noteCopy(number, id) }}
	stream, err := wire.Dial(ctx, r.link, r.config.Transport, recipientName, resource, sightings.Look)
	if err != nil {
		return jid.JID{}, fmt.Errorf("the recipient cannot log in: %w", err)
	}
	r.streams = append(r.streams, stream)
	r.running.Go(func() {
		err := stream.Each(func(e wire.Element) error { return r.handle(stream, e) })
		r.config.Log.Info("the recipient's stream ended", "address", stream.LocalAddr(), "error", err)
		stream.Sever()
		if r.missed(stream) {
			_ = r.reconnect(ctx)
		}
	})
	return stream.LocalAddr(), nil
}

// wait tells the recipient whether the link is dark.
func (r *recipient) wait(dark bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.dark = dark
}

// missed reports whether a stream that has ended needs to be replaced at once.
func (r *recipient) missed(stream *wire.Stream) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return !r.dark && stream == r.streams[len(r.streams)-1]
}

// reconnect tries to log in until it succeeds.
func (r *recipient) reconnect(ctx context.Context) error {
	for {
		_, err := r.connect(ctx)
		if err == nil || errors.Is(err, errClosed) || ctx.Err() != nil {
			return err
		}
		r.config.Log.Info("once more", "error", err)
		time.Sleep(50 * time.Millisecond)
	}
}

// handle is the application.
func (r *recipient) handle(stream *wire.Stream, e wire.Element) error {
	switch {
	case wire.IsRequest(e):
		return wire.Write(stream.Session, wire.Answer(e))
	case e.Start().Name.Local != "message" || e.Get("type") == "error":
		return nil
	}
	id := e.Get("id")
	if r.ledger.noteRead(id, wire.Intact(e, text(id))) >= r.config.Messages/2 {
		defer r.half.Do(r.halfway)
	}
	if !wire.Asked(e) || id == "" {
		return nil
	}
	number := rand.Text()
	receipt, err := wire.Receipt(e, number)
	if err != nil {
		return err
	}
	r.ledger.noteAnswer(number, id)
	return wire.Write(stream.Session, receipt)
}

func (r *recipient) close() {
	r.mutex.Lock()
	r.closed = true
	for _, stream := range r.streams {
		stream.Sever()
	}
	r.mutex.Unlock()
	r.running.Wait()
}
