// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"slices"
	"strings"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/untilack/untilack/client"
)

const (
	modelRoom      = "hall@rooms.capulet.lit"
	modelMessages  = 5
	modelRetention = time.Hour
)

// A naiveSent is a message, and all that was said of it.
type naiveSent struct {
	id, to  string
	at      time.Time
	sent    *client.Sent
	results []client.Result // the first, and those that came late
	gone    bool            // by a newer one like it, or with a Tracker before
}

// A naive is a Tracker as one would write it if neither time nor memory mattered: a list.
type naive struct {
	sent        []*naiveSent
	closed      bool
	first, late []client.Result
}

func naiveBare(address string) string {
	j, err := jid.Parse(address)
	if err != nil {
		return ""
	}
	return j.Bare().String()
}

// target returns what an answer's address has to be equal to.
func (m *naiveSent) target(address string) string {
	if !strings.HasPrefix(m.to, modelRoom) {
		return naiveBare(address)
	}
	j, err := jid.Parse(address)
	if err != nil {
		return ""
	}
	return j.String()
}

func (m *naiveSent) waits() bool { return !m.gone && len(m.results) == 0 }

// waiting returns what waits.
func (n *naive) waiting() (all []*naiveSent) {
	for _, m := range n.sent {
		if m.waits() {
			all = append(all, m)
		}
	}
	return all
}

// track returns the message that there is then, and the error.
func (n *naive) track(id, to string, at time.Time) (*naiveSent, error) {
	if n.closed {
		return nil, client.ErrClosed
	}
	added := &naiveSent{id: id, to: to, at: at}
	for _, m := range n.sent {
		if like := !m.gone && m.id == id && m.target(m.to) == added.target(to); like && m.waits() {
			return m, client.ErrDuplicate
		}
	}
	if len(n.waiting()) == modelMessages {
		return nil, client.ErrFull
	}
	for _, m := range n.sent {
		if m.id == id && m.target(m.to) == added.target(to) {
			m.gone = true
		}
	}
	n.sent = append(n.sent, added)
	return added, nil
}

// finish gives a message a result.
func (n *naive) finish(m *naiveSent, r client.Result) {
	r.ID, r.To, r.Sent = m.id, jid.MustParse(m.to), m.at
	r.Late = len(m.results) > 0
	m.results = append(m.results, r)
	if r.Late {
		n.late = append(n.late, r)
	} else {
		n.first = append(n.first, r)
	}
}

// hear returns whether a receipt or an error says something new.
func (n *naive) hear(now time.Time, from, id string, failed, old bool) bool {
	var about *naiveSent
	for _, m := range slices.Backward(n.sent) {
		if m.gone || m.id != id || !m.believes(from, failed) || old && !m.waits() {
			continue
		}
		if about == nil || m.waits() && !about.waits() {
			about = m
		}
	}
	if about == nil {
		return false
	}
	r := client.Result{State: client.Delivered, At: now}
	if j, err := jid.Parse(from); err == nil {
		r.By = j
	}
	if failed {
		r.State, r.Err = client.Bounced, stanza.Error{Type: stanza.Cancel, Condition: stanza.ServiceUnavailable}
	}
	n.finish(about, r)
	return true
}

func (m *naiveSent) believes(from string, failed bool) bool {
	if target := m.target(from); target != "" && target == m.target(m.to) && naiveBare(from) != naiveBare(romeo.String()) {
		return true
	}
	to := jid.MustParse(m.to)
	return failed && slices.Contains([]string{"", "montague.lit", "romeo@montague.lit", to.Bare().String(), to.Domainpart()}, from)
}

// due finishes what has waited for too long, and returns the ids.
func (n *naive) due(now time.Time) (ids []string) {
	all := n.waiting()
	slices.SortStableFunc(all, func(a, b *naiveSent) int { return a.at.Compare(b.at) })
	for _, m := range all {
		if !now.Before(m.at.Add(modelRetention)) {
			n.finish(m, client.Result{State: client.Expired, At: now})
			ids = append(ids, m.id)
		}
	}
	return ids
}

func (n *naive) close(now time.Time) {
	n.closed = true
	for _, m := range n.waiting() {
		n.finish(m, client.Result{State: client.Closed, At: now})
	}
}

// best returns what is known of a message.
func (m *naiveSent) best() client.Result {
	best := client.Result{ID: m.id, To: jid.MustParse(m.to), Sent: m.at}
	rank := map[client.State]int{client.Delivered: 3, client.Bounced: 2, client.Waiting: 0}
	for i, r := range m.results {
		if i == 0 || rank[r.State] > rank[best.State] {
			best = r
		}
	}
	return best
}
