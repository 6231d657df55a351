// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"context"
	"iter"
	"sync"
)

// Results yields the first result of each of the messages, as they come, and ends after
// the last one, or when ctx ends and nothing more is known. What is NotAsked is yielded,
// too. Without messages it is for all that wait when the loop begins. Somebody has to call
// Receive and Due meanwhile.
func (t *Tracker) Results(ctx context.Context, sent ...*Sent) iter.Seq[Result] {
	return func(yield func(Result) bool) {
		of := sent
		if len(of) == 0 {
			of = t.all()
		}
		l := &listener{news: make(chan struct{}, 1)}
		of = l.watch(of)
		defer l.leave(of)
		for range of {
			s := l.take(ctx)
			if s == nil || !yield(s.firstResult()) {
				return
			}
		}
	}
}

// A watcher is told that a message is finished: by a channel that is closed, or as one of
// many.
type watcher struct {
	done     chan struct{}
	listener *listener
	next     *watcher
}

// wake tells it. The caller holds the Tracker's lock.
func (w *watcher) wake(s *Sent) {
	if w.done != nil {
		close(w.done)
		return
	}
	w.listener.tell(s)
}

// A listener is a loop over the results of messages.
type listener struct {
	news chan struct{} // has an element if there may be news

	mu       sync.Mutex
	finished []*Sent // and not yielded yet
}

// watch has all messages tell the listener, and returns them without repetition.
func (l *listener) watch(sent []*Sent) []*Sent {
	watchers := make([]watcher, len(sent))
	seen := make(map[*Sent]bool, len(sent))
	var once []*Sent
	for i, s := range sent {
		if !seen[s] {
			seen[s] = true
			once = append(once, s)
			watchers[i].listener = l
			s.watch(&watchers[i])
		}
	}
	return once
}

// watch adds a watcher, or wakes it if the message is finished.
func (s *Sent) watch(w *watcher) {
	s.tracker.mu.Lock()
	defer s.tracker.mu.Unlock()
	if s.state != Waiting {
		w.wake(s)
		return
	}
	w.next, s.watchers = s.watchers, w
}

// leave ends what watch has begun.
func (l *listener) leave(sent []*Sent) {
	for _, s := range sent {
		s.unwatch(l)
	}
}

// unwatch takes a listener out of the watchers.
func (s *Sent) unwatch(l *listener) {
	s.tracker.mu.Lock()
	defer s.tracker.mu.Unlock()
	for at := &s.watchers; *at != nil; at = &(*at).next {
		if (*at).listener == l {
			*at = (*at).next
			return
		}
	}
}

// tell takes in that a message is finished.
func (l *listener) tell(s *Sent) {
	l.mu.Lock()
	l.finished = append(l.finished, s)
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// take returns the next message that is finished, or nil if ctx ends.
func (l *listener) take(ctx context.Context) *Sent {
	for {
		if s := l.pop(); s != nil {
			return s
		}
		select {
		case <-l.news:
		case <-ctx.Done():
			return l.pop()
		}
	}
}

func (l *listener) pop() *Sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.finished) == 0 {
		return nil
	}
	s := l.finished[0]
	l.finished = l.finished[1:]
	return s
}
