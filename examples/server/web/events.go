// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/untilack/untilack"
)

// kept is how many events are remembered for who connects anew, or reads slowly. Of what strangers
// choose in them, maxText bytes of each are: 2 MiB of ids, senders and errors in all.
const (
	kept    = 2048
	maxText = 350
)

// quiet is how long nothing is written before a comment is, which finds out who has gone.
const quiet = 20 * time.Second

// writeTime is how long who listens has to take what is written.
const writeTime = 5 * time.Second

// Events serves what a Keeper does, as server-sent events.
type Events struct {
	mutex     sync.Mutex
	seq       uint64 // of the last event; the first is 1
	last      [kept]untilack.Event
	listeners map[chan struct{}]struct{} // told when there is more
	closed    chan struct{}
	over      bool
}

// NewEvents returns Events that nobody listens to yet.
func NewEvents() *Events {
	return &Events{listeners: make(map[chan struct{}]struct{}), closed: make(chan struct{})}
}

// Close ends the answers to all who listen.
func (e *Events) Close() {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if !e.over {
		e.over = true
		close(e.closed)
	}
}

// Watch takes an event; it is for untilack.Config. It does not block.
func (e *Events) Watch(event untilack.Event) {
	event.ID, event.Sender = cut(event.ID), cut(event.Sender)
	if event.Err != nil {
		event.Err = errors.New(cut(event.Err.Error())) // which keeps nothing else in memory
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.seq++
	e.last[e.seq%kept] = event
	for listener := range e.listeners {
		select {
		case listener <- struct{}{}:
		default: // it knows
		}
	}
}

// cut returns the beginning of a text that is too long.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(strings.Clone(text[:maxText]), "")
}

// listen returns what is told of events, and the number of the last one so far.
func (e *Events) listen() (more chan struct{}, seq uint64) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	more = make(chan struct{}, 1)
	e.listeners[more] = struct{}{}
	return more, e.seq
}

func (e *Events) leave(more chan struct{}) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	delete(e.listeners, more)
}

// since returns the events after a number, how many of them are not remembered, and the
// number of the first one that is.
func (e *Events) since(seq uint64) (events []untilack.Event, missed, first uint64) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if seq > e.seq { // of another run of the server
		seq = 0
	}
	if e.seq-seq > kept {
		missed = e.seq - seq - kept
	}
	first = seq + missed + 1
	for next := first; next <= e.seq; next++ {
		events = append(events, e.last[next%kept])
	}
	return events, missed, first
}

// ServeHTTP writes events until who listens goes.
func (e *Events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	more, seq := e.listen()
	defer e.leave(more)
	if last, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		seq = last
	}
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	fmt.Fprint(w, ": hello\n\n")
	for {
		_ = out.SetWriteDeadline(time.Now().Add(writeTime)) // the write tells
		seq = e.write(w, seq)
		if out.Flush() != nil {
			return
		}
		select {
		case <-more:
		case <-tick.C:
			fmt.Fprint(w, ":\n\n")
		case <-e.closed:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// write writes the events after a number, and returns that of the last one.
func (e *Events) write(w io.Writer, seq uint64) uint64 {
	events, missed, next := e.since(seq)
	if missed > 0 {
		fmt.Fprintf(w, "event: missed\ndata: %d\n\n", missed)
	}
	for _, event := range events {
		fmt.Fprintf(w, "id: %d\ndata: %s\n\n", next, encode(next, event))
		next++
	}
	return next - 1
}

// encode returns an event as JSON.
func encode(seq uint64, e untilack.Event) []byte {
	said := struct {
		Seq       uint64 `json:"seq"`
		Time      string `json:"time"`
		Reason    string `json:"reason"`
		Recipient string `json:"recipient,omitempty"`
		Resource  string `json:"resource,omitempty"`
		Sender    string `json:"sender,omitempty"`
		ID        string `json:"id,omitempty"`
		Error     string `json:"error,omitempty"`
	}{
		seq, e.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), e.Reason.String(), e.Recipient, e.Resource, e.Sender, e.ID, "",
	}
	if e.Err != nil {
		said.Error = e.Err.Error()
	}
	data, _ := json.Marshal(said) // there is nothing in it that fails
	return data
}
