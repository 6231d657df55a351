// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/untilack/untilack/client"
)

// A journal is one in memory that can fail.
type journal struct {
	mu   sync.Mutex
	rows []client.Seen
	err  error
}

func (j *journal) Add(s client.Seen) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.rows = append(j.rows, s)
	}
	return j.err
}

func (j *journal) All() iter.Seq2[client.Seen, error] {
	return func(yield func(client.Seen, error) bool) {
		for _, s := range j.rows {
			if !yield(s, nil) {
				return
			}
		}
		if j.err != nil {
			yield(client.Seen{}, j.err)
		}
	}
}

var errDisk = errors.New("disk full")

// A copy that comes to the next program is not shown, however long none ran.
func TestR67AJournalBringsTheWindowBack(t *testing.T) {
	j := new(journal)
	o := client.ResponderOptions{Policy: client.Always, Journal: j}
	r := newResponder(t, o)
	for _, id := range []string{"1", "2", "1"} { // the third one is a copy
		if _, err := r.Receive(now, asker(desk, id, "")).Ack(now); err != nil {
			t.Fatal(err)
		}
	}
	r.Receive(now, asker(desk, "3", "")) // in hand when the program died
	if diff := cmp.Diff([]string{"1", "2"}, []string{j.rows[0].ID, j.rows[1].ID}); diff != "" || len(j.rows) != 2 {
		t.Fatalf("the journal has %v", j.rows)
	}
	if got := j.rows[0]; got.From != desk || !got.At.Equal(now) || got.Sum == 0 {
		t.Errorf("the journal has %+v", got)
	}
	j.rows = append(j.rows, j.rows[0]) // as a journal may

	later := now.Add(1000 * time.Hour)
	r = newResponder(t, o)
	for id, want := range map[string]bool{"1": true, "2": true, "3": false} {
		a := r.Receive(later, asker(desk, id, ""))
		if got := a.Copy(); got != want {
			t.Errorf("Copy of %s: got %t, want %t", id, got, want)
		}
		if _, err := a.Ack(later); err != nil {
			t.Errorf("Ack of %s: %v", id, err)
		}
	}
	if len(j.rows) != 4 {
		t.Errorf("got %d rows, want 4: a copy is kept once more, or 3 is not", len(j.rows))
	}
	if s := r.Stats(); s.Acked != 1 || s.Again != 2 || s.Window != 3 {
		t.Errorf("got %+v", s)
	}
	if !newResponder(t, o).Receive(later, asker(desk, "3", "")).Copy() {
		t.Error("a copy is shown by the third program")
	}
}

// The window ages from the first stanza on.
func TestWhatAJournalHasKeptAges(t *testing.T) {
	j := &journal{rows: []client.Seen{{From: desk, ID: "1", At: now}}}
	r := newResponder(t, client.ResponderOptions{Policy: client.Always, Journal: j, WindowAge: time.Minute})
	if got := r.Stats().Window; got != 1 {
		t.Fatalf("got a window of %d, want 1", got)
	}
	later := now.Add(time.Hour)
	r.Receive(later, asker(york, "2", ""))
	r.Receive(later.Add(time.Minute), asker(york, "2", ""))
	if got := r.Stats().Window; got != 2 {
		t.Errorf("after a minute: got a window of %d, want 2", got)
	}
	r.Receive(later.Add(time.Minute+1), asker(york, "2", ""))
	if got := r.Stats().Window; got != 1 {
		t.Errorf("after more than a minute: got a window of %d, want 1", got)
	}
}

func TestAJournalThatCannotBeRead(t *testing.T) {
	for _, j := range []*journal{{err: errDisk}, {rows: []client.Seen{{From: "@", ID: "1"}}}} {
		r, err := client.NewResponder(&client.ResponderOptions{Journal: j})
		if r != nil || err == nil || j.err != nil && !errors.Is(err, j.err) {
			t.Errorf("got %v, %v, want the error", r, err)
		}
	}
}

// A journal that is larger than the window fills it with what is youngest.
func TestAJournalThatIsTooLarge(t *testing.T) {
	j := new(journal)
	for i := range 100 {
		j.rows = append(j.rows, client.Seen{From: fmt.Sprintf("a%d@b/c", i), ID: "1"})
	}
	r := newResponder(t, client.ResponderOptions{Journal: j, Window: 32})
	if got := r.Stats().Window; got != 32 {
		t.Errorf("got a window of %d, want 32", got)
	}
}

// What a journal has twice takes the place of one.
func TestAJournalThatRepeatsItself(t *testing.T) {
	j := new(journal)
	for _, id := range []string{"1", "1", "2"} {
		j.rows = append(j.rows, client.Seen{From: desk, ID: id})
	}
	r := newResponder(t, client.ResponderOptions{Journal: j, Window: 32}) // 2 of each account
	if got := r.Stats().Window; got != 2 {
		t.Errorf("got a window of %d, want 2", got)
	}
}

// Without its row there is no receipt, and nothing has changed.
func TestR67AJournalThatFails(t *testing.T) {
	j := &journal{}
	r := newResponder(t, client.ResponderOptions{Policy: client.Always, Journal: j, SenderRate: 0.001, SenderBurst: 1})
	j.err = errDisk
	a := r.Receive(now, asker(desk, "1", ""))
	for range 3 { // more often than the rate allows receipts
		if _, err := a.Ack(now); !errors.Is(err, errDisk) {
			t.Fatalf("Ack: got %v, want the journal's error", err)
		}
	}
	b := r.Receive(now, asker(desk, "1", ""))
	if _, err := b.Ack(now); !b.Copy() || !errors.Is(err, client.ErrInHand) {
		t.Errorf("a copy: got %t, %v, want ErrInHand", b.Copy(), err)
	}
	j.err = nil
	if _, err := a.Ack(now); err != nil {
		t.Errorf("once it works: %v", err)
	}
	if len(j.rows) != 1 || r.Stats().Acked != 1 {
		t.Errorf("got %d rows, %+v", len(j.rows), r.Stats())
	}
}

// A copy of a message that came too often to be acknowledged is the first one in the journal.
func TestTheJournalHasWhatACopyAcknowledged(t *testing.T) {
	j := &journal{}
	r := newResponder(t, client.ResponderOptions{Policy: client.Never, Journal: j})
	_, _ = r.Receive(now, asker(desk, "1", "")).Ack(now)
	if len(j.rows) != 0 {
		t.Fatalf("got %v, want nothing", j.rows)
	}
	r.SetPolicy(client.Always)
	if _, err := r.Receive(now, asker(desk, "1", "")).Ack(now); err != nil {
		t.Fatal(err)
	}
	if len(j.rows) != 1 {
		t.Errorf("got %v, want one row", j.rows)
	}
}
