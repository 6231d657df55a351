// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// Progress is the state of a run.
type Progress struct {
	Run   string // Without or With
	Phase string
	Took  time.Duration

	Messages, Sent, Delivered, Confirmed int
}

// enter names what happens now.
func (s *scene) enter(phase string) {
	s.phase.Store(&phase)
	s.config.Log.Info(phase)
}

// show calls config.Show with the run's progress until ctx ends, and closes the
// channel it returns after the last call.
func (s *scene) show(ctx context.Context, name string) <-chan struct{} {
	done := make(chan struct{})
	start := time.Now()
	report := func() {
		if s.config.Show == nil {
			return
		}
		p := Progress{Run: name, Phase: *s.phase.Load(), Took: time.Since(start), Messages: s.config.Messages}
		p.Sent, p.Delivered, p.Confirmed = s.ledger.counts()
		s.config.Show(p)
	}
	go func() {
		defer close(done)
		defer report()
		for ctx.Err() == nil {
			report()
			sleep(ctx, 100*time.Millisecond)
		}
	}()
	return done
}

// A printer shows progress to people: on a terminal as one line for each run
// that keeps changing, elsewhere as a line a second and one for each phase.
type printer struct {
	out      io.Writer
	terminal bool

	last Progress
}

func newPrinter(out *os.File) *printer {
	stat, err := out.Stat()
	return &printer{out: out, terminal: err == nil && stat.Mode()&os.ModeCharDevice != 0}
}

// show prints p if it is time to.
func (p *printer) show(now Progress) {
	before := p.last
	fresh := now.Run != before.Run
	if p.terminal {
		if fresh && before.Run != "" {
			fmt.Fprintln(p.out)
		}
		fmt.Fprintf(p.out, "\r\x1b[K%s", now)
		p.last = now
		return
	}
	if fresh || now.Phase != before.Phase || now.Took >= before.Took+time.Second {
		fmt.Fprintln(p.out, now)
		p.last = now
	}
}

// end leaves the line that keeps changing.
func (p *printer) end() {
	if p.terminal {
		fmt.Fprintln(p.out)
	}
}

// String returns the state as one line.
func (p Progress) String() string {
	return fmt.Sprintf("%-16s %5.1f s   sent %*d   delivered %*d   waiting %*d   %s",
		p.Run+" untilack", p.Took.Seconds(),
		width(p.Messages), p.Sent, width(p.Messages), p.Delivered, width(p.Messages), p.Sent-p.Delivered, p.Phase)
}

// width returns how many digits n has.
func width(n int) int { return len(fmt.Sprint(n)) }
