// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"sync"
	"time"
)

// fullTime is how long a recipient who had no room is not counted again. If another Store
// makes room meanwhile, this one does not know.
const fullTime = time.Second

// full is what recipients had who were found to have no room, for fullTime or until this Store
// deletes a row of theirs. To count somebody who has much takes long, and all wait for it:
// whoever puts to a full mailbox again and again must not have it counted each time.
//
// It is safe for concurrent use.
type full struct {
	options *Options
	mu      sync.Mutex
	boxes   map[string]counted
}

// counted is what a recipient had at a time.
type counted struct {
	has amount
	at  time.Time
}

func newFull(o *Options) *full { return &full{options: o, boxes: make(map[string]counted)} }

// note notes what a recipient has.
func (f *full) note(recipient string, has amount) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.boxes) >= maxCounted {
		clear(f.boxes)
	}
	f.boxes[recipient] = counted{has, f.options.Now()}
}

// refuses reports whether a recipient is known to have no room for more.
func (f *full) refuses(recipient string, more amount) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	box, ok := f.boxes[recipient]
	if ok && f.options.Now().Sub(box.at).Abs() >= fullTime {
		delete(f.boxes, recipient)
		return false
	}
	return ok && !box.has.plus(more).within(f.options.most())
}

// refusesPut reports whether an entry is a row for which there is known to be no room.
func (f *full) refusesPut(e *entry) bool { return !e.delete && f.refuses(e.identity.To, e.amount()) }

// forget has the recipients counted again of whom a group has deleted rows.
func (f *full) forget(g *group) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.boxes) == 0 {
		return
	}
	for _, e := range g.all() {
		if e.delete {
			delete(f.boxes, e.identity.To)
		}
	}
}
