// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"mellium.im/xmpp/jid"

	"github.com/untilack/untilack/client"
)

// What the operations choose from. Addresses are made to be mistaken for each other.
var (
	modelIDs   = []string{"1", "2"}
	modelTo    = []string{juliet, balcony, "JULIET@capulet.lit", tybalt, modelRoom + "/Nurse", modelRoom + "/nurse"}
	modelFrom  = append([]string{chamber, modelRoom, "rooms.capulet.lit", "capulet.lit", "montague.lit", "romeo@montague.lit", "romeo@montague.lit/garden", "", "@"}, modelTo...)
	modelWaits = []time.Duration{0, time.Millisecond, time.Minute, modelRetention - time.Millisecond, modelRetention, -time.Minute}
)

// A trackerTwin is a Tracker and its model, which are asked the same.
type trackerTwin struct {
	*sender
	model  naive
	choose func(n int) int // returns a number below n
}

func newTrackerTwin(t testing.TB, choose func(int) int) *trackerTwin {
	w := &trackerTwin{sender: &sender{TB: t, now: start}, choose: choose}
	w.restart()
	return w
}

// restart begins with a new Tracker, which goes on with what waits.
func (w *trackerTwin) restart() {
	w.Helper()
	before := w.Tracker
	w.Tracker = client.NewTracker(&client.TrackerOptions{
		Account: romeo, Messages: modelMessages, Retention: modelRetention, TombstoneAge: -1,
		Result: func(r client.Result) { w.first = append(w.first, r) },
		Late:   func(r client.Result) { w.late = append(w.late, r) },
	})
	waiting := w.model.waiting()
	for _, m := range w.model.sent {
		m.gone = true
	}
	w.model.closed = false
	if before == nil {
		return
	}
	i := 0
	for waited := range before.All() {
		sent, err := w.Expect(w.now, waited)
		if err != nil {
			w.Fatal(err)
		}
		m, at := waiting[i], waiting[i].at
		if at.After(w.now) {
			at = w.now
		}
		w.model.sent = append(w.model.sent, &naiveSent{id: m.id, to: m.to, at: at, sent: sent})
		i++
	}
	w.same("All's length", len(waiting), i)
}

func (w *trackerTwin) pick(from []string) string { return from[w.choose(len(from))] }

// step does one operation to both.
func (w *trackerTwin) step() {
	w.Helper()
	switch op := w.choose(40); {
	case op < 10:
		w.track()
	case op < 22:
		w.receive()
	case op < 26:
		from, to, id := w.pick(modelFrom), romeo, w.pick(modelIDs)
		j, err := jid.Parse(from)
		if err != nil {
			from = ""
		}
		w.same("Settle", w.model.hear(w.now, from, id, false, false), w.Settle(w.now, j, to, id))
	case op < 32:
		w.now = w.now.Add(modelWaits[w.choose(len(modelWaits))])
		var got []string
		for r := range w.Due(w.now) {
			got = append(got, r.ID)
		}
		w.same("Due", w.model.due(w.now), got)
	case op < 37:
		w.cancel()
	case op < 39:
		w.restart()
	default:
		w.Close(w.now)
		w.model.close(w.now)
	}
}

func (w *trackerTwin) track() {
	w.Helper()
	id, to := w.pick(modelIDs), w.pick(modelTo)
	stanza := asking(to, id)
	if strings.HasPrefix(to, modelRoom) {
		stanza = strings.Replace(stanza, "</message>", "<x xmlns='http://jabber.org/protocol/muc#user'/></message>", 1)
	}
	m, want := w.model.track(id, to, w.now)
	_, sent, err := w.Track(w.now, nil, []byte(stanza))
	if !errors.Is(err, want) {
		w.Fatalf("Track: got %v, want %v", err, want)
	}
	if m != nil && m.sent == nil {
		m.sent = sent
	}
	if m == nil && sent != nil || m != nil && sent != m.sent {
		w.Fatalf("Track: got another Sent, and %v", err)
	}
}

func (w *trackerTwin) receive() {
	w.Helper()
	from, id := w.pick(modelFrom), w.pick(modelIDs)
	form := w.choose(10)
	stanza, failed, old, silent := receipt(from, id), false, false, false
	switch form {
	case 0, 1:
		stanza, failed = bounced(from, id), true
	case 2:
		stanza, old = fmt.Sprintf(`<message from='%s' id='%s'><received xmlns='urn:xmpp:receipts'/></message>`, from, id), true
	case 3:
		stanza = carbon("received", "romeo@montague.lit", stanza)
	case 4:
		stanza, silent = carbon("received", from, stanza), from != "" && from != "romeo@montague.lit"
	case 5:
		stanza, silent = strings.Replace(bounced(from, id), "<error ", "<received xmlns='urn:xmpp:receipts' id='"+id+"'/><error ", 1), true
	}
	want := !silent && w.model.hear(w.now, from, id, failed, old)
	w.same("Receive", want, w.Receive(w.now, []byte(stanza)))
}

func (w *trackerTwin) cancel() {
	w.Helper()
	if len(w.model.sent) == 0 {
		return
	}
	m := w.model.sent[len(w.model.sent)-1-w.choose(min(8, len(w.model.sent)))]
	if m.gone && len(m.results) == 0 {
		return // it waits for ever, in a Tracker before this one
	}
	want := m.waits()
	if want {
		w.model.finish(m, client.Result{State: client.Cancelled, At: w.now})
	}
	w.same("Cancel", want, m.sent.Cancel(w.now))
}

// check compares everything that can be seen: there is one first result of each message
// that does not wait, and the hook, Wait and Results agree on it.
func (w *trackerTwin) check() {
	w.Helper()
	w.same("Result's calls", w.model.first, w.first)
	w.same("Late's calls", w.model.late, w.late)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	var firsts []client.Result
	var all []*client.Sent
	for _, m := range w.model.sent {
		all = append(all, m.sent)
		w.same("Sent.Result", m.best(), m.sent.Result())
		want := m.best()
		if len(m.results) > 0 {
			want = m.results[0]
			firsts = append(firsts, want)
		}
		got, err := m.sent.Wait(over)
		w.same("Wait", want, got)
		w.same("Wait's error", len(m.results) == 0, err != nil)
		select {
		case <-m.sent.Done():
			w.same("Done", true, len(m.results) > 0)
		default:
			w.same("Done", false, len(m.results) > 0)
		}
	}
	if len(all) > 0 {
		w.same("Results", firsts, slices.Collect(w.Results(over, all...)))
	}
	var waits []client.Waited
	for _, m := range w.model.waiting() {
		waits = append(waits, m.sent.Waited())
	}
	w.same("All", waits, slices.Collect(w.All()))
	w.same("Stats.Waiting", len(waits), w.Stats().Waiting)
	var first time.Time
	for i, m := range w.model.waiting() {
		if deadline := m.at.Add(modelRetention); i == 0 || deadline.Before(first) {
			first = deadline
		}
	}
	next, ok := w.Next()
	if ok != (len(waits) > 0) || ok && next.After(first) {
		w.Fatalf("Next is %v, %v; the first deadline is %v", next, ok, first)
	}
}

func (w *trackerTwin) same(what string, want, got any) {
	w.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		w.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func TestTrackerModel(t *testing.T) {
	for seed := range uint64(150) {
		w := newTrackerTwin(t, rand.New(rand.NewPCG(seed, 8)).IntN)
		for range 150 {
			w.step()
		}
		w.check()
	}
}

func FuzzTracker(f *testing.F) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 9))
		seed := make([]byte, 100)
		for i := range seed {
			seed[i] = byte(r.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[:min(len(data), 120)] // one that is longer takes too long to be made short
		w := newTrackerTwin(t, func(n int) int {
			if len(data) == 0 {
				return 0
			}
			b := data[0]
			data = data[1:]
			return int(b) % n
		})
		for len(data) > 0 {
			w.step()
		}
		w.check()
	})
}
