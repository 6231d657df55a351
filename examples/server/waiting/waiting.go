// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package waiting shows an operator what waits for whom, and lets him redeliver or drop it:
//
//	GET  /debug/waiting                        all recipients, ?after=ADDRESS for more
//	GET  /debug/waiting?recipient=ADDRESS      one of them, with what sleeps; ?row=NUMBER for more of that
//	GET  /debug/waiting/peek?recipient=&sender=&id=   the message itself, from the store
//	POST /debug/waiting/redeliver?recipient=          now, and not at its deadline
//	POST /debug/waiting/drop?recipient=&sender=&id=   for good
//
// The answer of the first two is JSON: {"recipients": [{"recipient": …, "online": [resources],
// "stored": {"messages": n, "bytes": n}, "waiting": [{"sender", "id", "state", "resources",
// "received", "deadline", "attempt", "bytes", "stored", "row"}], "more": NUMBER}], "more": ADDRESS}.
// state is a word of untilack.State, or "asleep" for what is in the store and not in memory, which
// is listed where one recipient is asked for; of all others it is in the numbers of "stored" alone.
// deadline is when the server looks after it next, and is left out where the clock decides nothing.
// more is left out where there is no more.
//
// A message that is redelivered is not just written once more: on a stream that is alive it was
// not lost. So the streams that have something are asked at once whether they are alive. One
// that does not answer in time is ended, and what was on it goes out again; and what is new in the
// store is read.
package waiting

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/examples/server/router"
)

// page is how many recipients one answer lists, at most, and how many messages that sleep.
const page = 256

// asleep is the state of a message that is in the store alone.
const asleep = "asleep"

// A Store is what is asked of a database's store.
type Store interface {
	actions.Store
	Boxes(ctx context.Context, after string, limit int) ([]sqlstore.Box, error)
	Used(ctx context.Context, recipient string) (actions.Usage, error)
}

// A Desk is where the operator works.
type Desk struct {
	Keeper *untilack.Keeper
	Store  Store
	Router *router.Router
}

// Handler serves the paths of the package's comment.
func (d *Desk) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/waiting", d.list)
	mux.HandleFunc("GET /debug/waiting/peek", d.peek)
	mux.HandleFunc("POST /debug/waiting/redeliver", d.redeliver)
	mux.HandleFunc("POST /debug/waiting/drop", d.drop)
	return mux
}

// A recipient is what waits for one account.
type recipient struct {
	Recipient string   `json:"recipient"`
	Online    []string `json:"online"`
	Stored    stored   `json:"stored"`
	Waiting   []packet `json:"waiting"`
	More      uint64   `json:"more,omitempty"`
}

type stored struct {
	Messages int   `json:"messages"`
	Bytes    int64 `json:"bytes"`
}

type packet struct {
	Sender    string    `json:"sender"`
	ID        string    `json:"id"`
	State     string    `json:"state"`
	Resources []string  `json:"resources"`
	Received  time.Time `json:"received"`
	Deadline  time.Time `json:"deadline,omitzero"`
	Attempt   int       `json:"attempt"`
	Bytes     int       `json:"bytes"`
	Stored    bool      `json:"stored"`
	Row       uint64    `json:"row,omitempty"` // of what is asleep
}

// list lists what waits.
func (d *Desk) list(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("recipient") != "" {
		d.listOne(w, r)
		return
	}
	boxes, err := d.boxes(r.Context(), r.FormValue("after"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	all, more := []recipient{}, ""
	for _, box := range boxes {
		all = append(all, d.look(box.Recipient, box.Usage))
	}
	if len(all) == page {
		more = all[page-1].Recipient
	}
	answer(w, map[string]any{"recipients": all, "more": more})
}

// boxes returns what is in the store for those who are online or have something there, after an
// address in the order of the alphabet. That is one question to a database, however many they are.
func (d *Desk) boxes(ctx context.Context, after string) ([]sqlstore.Box, error) {
	boxes, err := d.Store.Boxes(ctx, after, page)
	if err != nil {
		return nil, err
	}
	for _, online := range d.Router.Accounts() {
		if online > after {
			boxes = append(boxes, sqlstore.Box{Recipient: online})
		}
	}
	slices.SortStableFunc(boxes, func(a, b sqlstore.Box) int { return cmp.Compare(a.Recipient, b.Recipient) })
	boxes = slices.CompactFunc(boxes, func(a, b sqlstore.Box) bool { return a.Recipient == b.Recipient }) // the first stays
	boxes = boxes[:min(len(boxes), page)]
	if volatile, ok := d.Store.(interface{ Volatile() bool }); !ok || !volatile.Volatile() {
		return boxes, nil
	}
	for i := range boxes { // of which memory knows if it is asked for each
		if boxes[i].Usage, err = d.Store.Used(ctx, boxes[i].Recipient); err != nil {
			return nil, err
		}
	}
	return boxes, nil
}

// listOne lists what waits for one recipient, and what sleeps.
func (d *Desk) listOne(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.ParseUint(cmp.Or(r.FormValue("row"), "0"), 10, 64)
	if err != nil {
		http.Error(w, "row is no number", http.StatusBadRequest)
		return
	}
	usage, err := d.Store.Used(r.Context(), r.FormValue("recipient"))
	one := d.look(r.FormValue("recipient"), usage)
	if err == nil {
		err = d.addAsleep(r.Context(), &one, after)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, map[string]any{"recipients": []recipient{one}, "more": ""})
}

// look returns what waits for one recipient.
func (d *Desk) look(address string, usage actions.Usage) recipient {
	one := recipient{
		Recipient: address, Online: []string{}, Waiting: []packet{},
		Stored: stored{int(usage.Messages), usage.Bytes},
	}
	for _, c := range d.Router.Clients(address) {
		one.Online = append(one.Online, c.Address().Resourcepart())
	}
	for _, p := range d.Keeper.Waiting(address) {
		one.Waiting = append(one.Waiting, packet{
			p.Sender, p.ID, p.State.String(), append([]string{}, p.Resources...), p.Received, p.Deadline, p.Attempt, p.Bytes, p.Stored, 0,
		})
	}
	return one
}

// addAsleep adds what is in the store behind a row, and not in memory.
func (d *Desk) addAsleep(ctx context.Context, one *recipient, after uint64) error {
	rows, err := d.Store.List(ctx, one.Recipient, after, page)
	if err != nil {
		return err
	}
	awake := make(map[cache.Identity]bool)
	for _, p := range d.Keeper.Waiting(one.Recipient) {
		awake[p.Identity] = true
	}
	for _, row := range rows {
		if p := row.Packet; !awake[p.Identity()] {
			one.Waiting = append(one.Waiting, packet{
				Sender: p.Key.From, ID: p.Key.ID, State: asleep, Resources: []string{}, Received: p.Received,
				Attempt: p.Attempt, Bytes: len(p.Stanza), Stored: true, Row: row.Number,
			})
		}
	}
	if len(rows) == page {
		one.More = rows[page-1].Number
	}
	return nil
}

// named returns the rows of the messages that a request names.
func (d *Desk) named(r *http.Request) (rows []actions.Row, err error) {
	for row, err := range actions.All(r.Context(), d.Store, r.FormValue("recipient")) {
		if err != nil {
			return nil, err
		}
		if row.Packet.Key.From == r.FormValue("sender") && row.Packet.Key.ID == r.FormValue("id") {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// peek shows a message, body and all.
func (d *Desk) peek(w http.ResponseWriter, r *http.Request) {
	rows, err := d.named(r)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case len(rows) == 0:
		http.Error(w, "no such message in the store", http.StatusNotFound)
	default:
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox") // its sender made it
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(rows[0].Packet.Stanza)
	}
}

// redeliver has what waits go out again at once where its stream is dead.
func (d *Desk) redeliver(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	probed := d.Keeper.Probe(now, r.FormValue("recipient"))
	d.Keeper.Wake(now)
	answer(w, map[string]int{"streams probed": probed})
}

// drop ends a message, and others of its name if there are any.
func (d *Desk) drop(w http.ResponseWriter, r *http.Request) {
	rows, err := d.named(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	all := make(map[cache.Identity]bool)
	for _, row := range rows {
		all[row.Packet.Identity()] = true
	}
	for _, p := range d.Keeper.Waiting(r.FormValue("recipient")) {
		if p.Sender == r.FormValue("sender") && p.ID == r.FormValue("id") {
			all[p.Identity] = true
		}
	}
	for identity := range all {
		d.Keeper.Drop(time.Now(), identity)
	}
	answer(w, map[string]int{"messages dropped": len(all)})
}

func answer(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what) // or he has gone
}
