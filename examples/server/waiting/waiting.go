// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package waiting shows an operator what waits for whom, and lets him redeliver or drop it:
//
//	GET  /debug/waiting                        all recipients, ?after=ADDRESS for more
//	GET  /debug/waiting?recipient=ADDRESS      one of them
//	GET  /debug/waiting/peek?recipient=&sender=&id=   the message itself, from the store
//	POST /debug/waiting/redeliver?recipient=          now, and not at its deadline
//	POST /debug/waiting/drop?recipient=&sender=&id=   for good
//
// The answer of the first two is JSON: {"recipients": [{"recipient": …, "online": [resources],
// "stored": {"messages": n, "bytes": n}, "waiting": [{"sender", "id", "state", "resources",
// "received", "attempt", "bytes", "stored"}]}], "more": ADDRESS}. state is a word of untilack.State.
// What sleeps in the store and is not in memory is in the numbers of "stored" alone.
package waiting

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/examples/server/router"
	"github.com/untilack/untilack/receipts"
)

// page is how many recipients one answer lists, at most, beside those who are online.
const page = 256

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
	Attempt   int       `json:"attempt"`
	Bytes     int       `json:"bytes"`
	Stored    bool      `json:"stored"`
}

// list lists what waits.
func (d *Desk) list(w http.ResponseWriter, r *http.Request) {
	addresses, more := []string{r.FormValue("recipient")}, ""
	if addresses[0] == "" {
		boxes, err := d.Store.Boxes(r.Context(), r.FormValue("after"), page)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		addresses = d.Router.Accounts()
		for _, box := range boxes {
			addresses = append(addresses, box.Recipient)
		}
		if len(boxes) == page {
			more = boxes[page-1].Recipient
		}
	}
	slices.Sort(addresses)
	all := []recipient{}
	for _, address := range slices.Compact(addresses) {
		one, err := d.look(r.Context(), address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		all = append(all, one)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"recipients": all, "more": more}) // or he has gone
}

// look returns what waits for one recipient.
func (d *Desk) look(ctx context.Context, address string) (recipient, error) {
	usage, err := d.Store.Used(ctx, address)
	if err != nil {
		return recipient{}, err
	}
	one := recipient{
		Recipient: address, Online: []string{}, Waiting: []packet{},
		Stored: stored{int(usage.Messages), usage.Bytes},
	}
	for _, c := range d.Router.Clients(address) {
		one.Online = append(one.Online, c.Address().Resourcepart())
	}
	for _, p := range d.Keeper.Waiting(address) {
		one.Waiting = append(one.Waiting, packet{
			p.Sender, p.ID, p.State.String(), append([]string{}, p.Resources...), p.Received, p.Attempt, p.Bytes, p.Stored,
		})
	}
	return one, nil
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
		w.Header().Set("Content-Security-Policy", "sandbox") // its sender made it
		_, _ = w.Write(rows[0].Packet.Stanza)
	}
}

// redeliver has what waits go out again at once: the streams that it is on are ended, so
// that it goes to another session, or to the next one of the same client, which logs in again.
func (d *Desk) redeliver(w http.ResponseWriter, r *http.Request) {
	address := r.FormValue("recipient")
	ended := 0
	for _, c := range d.Router.Clients(address) {
		if d.holds(address, c.Address().Resourcepart()) {
			go c.End("reset") // it waits for its client
			ended++
		}
	}
	d.Keeper.Wake(time.Now())
	answer(w, "streams ended", ended)
}

// holds reports whether something that is on the stream of a resource waits.
func (d *Desk) holds(address, resource string) bool {
	return slices.ContainsFunc(d.Keeper.Waiting(address), func(p untilack.Waiting) bool {
		return slices.Contains(p.Resources, resource)
	})
}

// drop ends a message. In memory it counts as settled: a receipt for it is made up, which
// goes no further than to the Keeper.
func (d *Desk) drop(w http.ResponseWriter, r *http.Request) {
	before := d.Keeper.Count(untilack.Settled)
	ack := receipts.Ack{ID: "dropped", To: r.FormValue("sender"), Type: "chat", Received: r.FormValue("id")}.AppendTo(nil)
	for _, c := range d.Router.Clients(r.FormValue("recipient")) {
		c.Keeper().Receive(ack)
	}
	settled := int(d.Keeper.Count(untilack.Settled) - before)
	rows, err := d.named(r)
	var identities []cache.Identity
	for _, row := range rows {
		identities = append(identities, row.Packet.Identity())
	}
	if err == nil && len(identities) > 0 {
		err = d.Store.Delete(r.Context(), identities...)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, "messages dropped", max(settled, len(identities)))
}

func answer(w http.ResponseWriter, what string, number int) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]int{what: number}) // or he has gone
}
