// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/internal/integration/servers"
)

// TestMain is the relay in a process that is started for that.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-relay" {
		main()
	}
	code := m.Run()
	servers.StopShared()
	os.Exit(code)
}

// newBench returns what a short run is, with nothing pinned.
func newBench(t *testing.T, args ...string) *bench {
	t.Helper()
	b, err := parse(append([]string{"-quick"}, args...), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b.json, b.duration, b.interval, b.every = filepath.Join(t.TempDir(), "results"), 300*time.Millisecond, 100*time.Millisecond, 50*time.Millisecond
	return b
}

// read reads what a run has written.
func (b *bench) read(t *testing.T, results any) {
	t.Helper()
	text, err := os.ReadFile(b.json)
	if err == nil {
		err = json.Unmarshal(text, results)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Each message that is sent to a contender is answered, once.
func TestThroughput(t *testing.T) {
	b := newBench(t, "-clients", "4", "-only", naive+",memory,sqlite")
	var table strings.Builder
	if err := b.runThroughput(&table); err != nil {
		t.Fatal(err)
	}
	var r report
	b.read(t, &r)
	for _, c := range b.only {
		if len(r.Samples[c.name]) != 1 {
			t.Errorf("%s: got %d samples, want 1", c.name, len(r.Samples[c.name]))
			continue
		}
		got := r.Samples[c.name][0].Tally
		want := tally{Sent: got.Sent, Answered: got.Sent}
		if diff := cmp.Diff(want, got); diff != "" || got.Sent == 0 {
			t.Errorf("%s: %d sent (-want +got):\n%s", c.name, got.Sent, diff)
		}
		if !strings.Contains(table.String(), c.name) {
			t.Errorf("%s is not in the table:\n%s", c.name, &table)
		}
	}
}

// With a rate that many are offered, and those whose receipts are late are answered as well.
func TestRate(t *testing.T) {
	b := newBench(t, "-clients", "4", "-only", "memory,sqlite later", "-rate", "1000", "-late", "10")
	b.duration = time.Second
	var table strings.Builder
	if err := b.runThroughput(&table); err != nil {
		t.Fatal(err)
	}
	var r report
	b.read(t, &r)
	for _, c := range b.only {
		s := r.Samples[c.name][0]
		if s.Rate > 1500 || s.Tally.Answered != s.Tally.Sent {
			t.Errorf("%s: %.0f messages/s, %+v; want 1,000/s or less, all answered", c.name, s.Rate, s.Tally)
		}
		if s.P50 >= lateness {
			t.Errorf("%s: deliveries take %v, as late receipts do", c.name, s.P50)
		}
	}
	if want := "sqlite later to memory: processor time"; !strings.Contains(table.String(), want) {
		t.Errorf("got\n%s\nwant %q in it", &table, want)
	}
}

// In a long run there are as many sessions as are asked for, and nothing is left of them.
func TestEndurance(t *testing.T) {
	b := newBench(t, "-idle", "20", "-chatting", "10")
	if err := b.runEndurance(io.Discard); err != nil {
		t.Fatal(err)
	}
	var e endurance
	b.read(t, &e)
	if e.Tally.Sent < 10 || e.Tally.err() != nil {
		t.Errorf("got %+v, want at least one message of each of 10, each answered", e.Tally)
	}
	if e.Goroutines.Full < e.Goroutines.Before+30 || e.Goroutines.After > e.Goroutines.Before+spare {
		t.Errorf("got %+v, want one at least for each of 30 clients, and none of them in the end", e.Goroutines)
	}
	if len(e.Minutes) == 0 {
		t.Error("nothing was measured meanwhile")
	}
}

// TestParty has a client read what a server that loses, repeats and bounces would send it.
func TestParty(t *testing.T) {
	p := &party{w: bufio.NewWriter(io.Discard), sentAt: []time.Duration{1, 1, 1, 1}}
	p.r = bufio.NewReader(strings.NewReader(strings.Join([]string{
		"<message from='a' id='m0' type='chat'><body>x</body></message>",
		"<message id=\"m2\" type=\"chat\">",
		"<message from='id' type='chat' id='m2'>",
		"<message type='error' id='m3'>",
		"<received xmlns='urn:xmpp:receipts' id='m0'/>",
		"<received id='m0' xmlns='urn:xmpp:receipts'/>",
		"<received id='m9' xmlns='urn:xmpp:receipts'/>",
	}, "")))
	if err := p.listen(); err != io.EOF {
		t.Fatalf("got error %v, want EOF", err)
	}
	got := tallied([]*party{p})
	want := tally{Sent: 4, Answered: 1, Lost: 3, Missing: 1, Twice: 1, Refused: 1, Unasked: 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.err() == nil {
		t.Error("that is taken for a run in order")
	}
}

func TestRatio(t *testing.T) {
	r := report{Base: naive, Samples: map[string][]sample{
		naive:    {{Rate: 10}, {Rate: 20}, {Rate: 40}},
		"memory": {{Rate: 9}, {Rate: 10}, {Rate: 32}},
	}}
	if got := r.ratio("memory", rate); got != 0.8 {
		t.Errorf("got %v, want the median of 0.9, 0.5 and 0.8", got)
	}
	if got := r.ratio("sqlite", rate); got != 0 {
		t.Errorf("got %v for what was not measured, want 0", got)
	}
}

func TestArguments(t *testing.T) {
	for _, args := range []string{"x", "-clients 3", "-rounds 0", "-only nobody", "-idle 5", "-chatting 3", "-for 0s", "-late 5", "-rate -1", "-rate 5 -chatting 2"} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%q: got no error", args)
		}
	}
}
