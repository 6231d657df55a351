// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"fmt"
	"time"
)

// A minute is what was measured in one interval of a long run.
type minute struct {
	After      time.Duration `json:"afterNanoseconds"`
	Rate       float64       `json:"messagesPerSecond"`
	P50        time.Duration `json:"p50Nanoseconds"`
	P99        time.Duration `json:"p99Nanoseconds"`
	CPU        float64       `json:"cpu"` // of one core
	RSS        int           `json:"rssBytes"`
	Goroutines int           `json:"goroutines"`
}

// An endurance is a long run with many clients.
type endurance struct {
	Contender  string        `json:"contender"`
	Idle       int           `json:"idle"`
	Chatting   int           `json:"chatting"`
	Every      time.Duration `json:"messageEveryNanoseconds"`
	LogIn      time.Duration `json:"logInNanoseconds"`
	Goroutines struct {
		Before int `json:"before"` // anybody has logged in
		Full   int `json:"full"`
		After  int `json:"after"` // all have gone
	} `json:"goroutines"`
	RSS struct {
		Before int `json:"beforeBytes"`
		Idle   int `json:"idleBytes"` // when the idle clients have logged in
		Full   int `json:"fullBytes"`
		After  int `json:"afterBytes"`
	} `json:"rss"`
	Minutes []minute `json:"minutes"`
	Tally   tally    `json:"tally"`
}

// idleBuffer is how much is read at once from a client that has little to say.
const idleBuffer = 1 << 10

// endure has many clients log in to a server of our own. Some of them chat.
func (b *bench) endure(c contender) (e *endurance, err error) {
	server, err := c.start(b)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	if server.server == nil || server.server.Name != "untilack" {
		return nil, fmt.Errorf("%s can not be asked for its goroutines", c.name)
	}
	e = &endurance{Contender: c.name, Idle: b.idle, Chatting: b.chatting, Every: b.every}
	if err := server.look(&e.RSS.Before, &e.Goroutines.Before); err != nil {
		return nil, err
	}
	start := time.Now()
	chatting, err := logIn(server, 0, b.chatting, idleBuffer)
	if err != nil {
		return nil, err
	}
	defer chatting.close()
	idle, err := logIn(server, b.chatting, b.chatting+b.idle, idleBuffer)
	if err != nil {
		return nil, err
	}
	defer idle.close()
	e.LogIn = time.Since(start)
	if err := server.look(&e.RSS.Full, &e.Goroutines.Full); err != nil {
		return nil, err
	}
	if err := e.run(b, server, chatting); err != nil {
		return e, err
	}
	e.Tally = chatting.settle()
	if err := errors.Join(e.Tally.err(), idle.failure(), chatting.failure()); err != nil {
		return e, err
	}
	idle.close()
	chatting.close()
	return e, errors.Join(e.isFlat(), e.end(server))
}

// isFlat returns an error if memory has grown by more than a fifth since the third minute: until
// then buffers and the collector find their size.
func (e *endurance) isFlat() error {
	const settled = 2
	if len(e.Minutes) <= 2*settled {
		return nil
	}
	early, late := e.Minutes[settled].RSS, e.Minutes[len(e.Minutes)-1].RSS
	if late > early+early/5 {
		return fmt.Errorf("memory has grown from %d to %d bytes", early, late)
	}
	return nil
}

// look notes what memory and how many goroutines a server has.
func (r *running) look(rss, goroutines *int) error {
	u, err := r.usage()
	if err != nil {
		return err
	}
	*rss = u.rss
	*goroutines, err = r.goroutines()
	return err
}

// run has the clients chat, and measures now and then.
func (e *endurance) run(b *bench, server *running, chatting *talk) error {
	chatting.chat(b.every)
	start := time.Now()
	before, err := server.usage()
	if err != nil {
		return err
	}
	for at, answered := start, 0; time.Since(start) < b.duration; {
		time.Sleep(min(b.interval, b.duration-time.Since(start)))
		took := time.Since(at)
		u, err := server.usage()
		if err != nil {
			return err
		}
		m := minute{After: time.Since(start), CPU: (u.cpu - before.cpu).Seconds() / took.Seconds(), RSS: u.rss}
		if m.Goroutines, err = server.goroutines(); err != nil {
			return err
		}
		n := tallied(chatting.all).Answered
		m.Rate = float64(n-answered) / took.Seconds()
		m.P50, m.P99 = percentiles(takeWaits(chatting.all))
		e.Minutes = append(e.Minutes, m)
		m.print(b.progress)
		at, answered, before = at.Add(took), n, u
	}
	return nil
}

// spare is how many goroutines a server may have more at the end than at the start: one that
// answers the question, and those of its workers and its database that are not always there.
const spare = 10

// end looks what is left when all clients have gone.
func (e *endurance) end(server *running) error {
	for end := time.Now().Add(patience); ; {
		err := server.look(&e.RSS.After, &e.Goroutines.After)
		if err != nil || e.Goroutines.After <= e.Goroutines.Before+spare {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d goroutines are left, and there were %d before", e.Goroutines.After, e.Goroutines.Before)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
